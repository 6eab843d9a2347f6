"""A call that a switch is asked to place: until its party has answered, or will not."""

import asyncio
import logging
from typing import Annotated, Final, Protocol

import msgspec

from sipio.call_control import (
    REASON_CHARACTERS,
    CallEvent,
    HungUp,
    LegEvent,
    Origination,
    OriginationObserver,
)
from sipio.errors import LocalError, MalformedMessage, SipioError
from sipio.reasons import reason_phrase
from sipio.rpc.counters import CallCounters, CallFault
from sipio.rpc.errors import ConnectionLost, RpcError
from sipio.rpc.peer import RpcPeer
from sipio.rpc.values import ValueDecoder

logger = logging.getLogger(__name__)

ORIGINATE: Final = "call.originate"
"""What a switch is asked, and what it says in ``hello`` that it takes."""
PATIENCE_SECONDS: Final = 5.0
"""What a switch has beyond the time that the party has to answer."""
_NO_ANSWER: Final = 408
_UNAVAILABLE: Final = 503


class Originated(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to ``call.originate``: 200 once the party has answered, or the status that it was refused with."""

    code: Annotated[int, msgspec.Meta(ge=200, le=699)]
    reason: str = ""


_ORIGINATED: Final = ValueDecoder(Originated)


class OriginationOwner(Protocol):
    """The part of `sipio.rpc.call_methods.RpcCalls` that a call being placed needs."""

    @property
    def counters(self) -> CallCounters: ...

    def placed(self, originating: "RpcOriginating", observer: OriginationObserver) -> None:
        """Its party has answered."""
        ...

    def not_placed(self, originating: "RpcOriginating") -> None:
        """It is over."""
        ...


class RpcOriginating:
    """A `PendingOrigination`."""

    def __init__(
        self, owner: OriginationOwner, peer: RpcPeer, origination: Origination, observer: OriginationObserver
    ) -> None:
        self._owner = owner
        self.peer = peer
        self.origination = origination
        self._observer: OriginationObserver | None = observer
        self._request: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Ask the switch."""
        origination = self.origination
        fields = {
            "call_id": origination.id,
            "destination": origination.destination,
            "cli": origination.cli,
            "timeout_seconds": origination.timeout_seconds,
            "customer": origination.customer,
        }
        seconds = origination.timeout_seconds + PATIENCE_SECONDS
        self._timer = asyncio.get_running_loop().call_later(seconds, self._never_answered)
        try:
            self._request = self.peer.request(ORIGINATE, (fields,), self._answered)
        except (ConnectionLost, LocalError) as error:
            self._refused(_UNAVAILABLE, str(error))

    def stop(self) -> None:
        """Give it up: the switch cancels what rings, and hangs up what was answered meanwhile."""
        if self._observer is None:
            return
        self._observer = None
        self._end()
        if self._request is None:
            return
        self.peer.give_up(self._request)
        fields = {"call_id": self.origination.id, "action": "originate"}
        try:
            self.peer.request("call.stop", (fields,), _stopped)
        except (ConnectionLost, LocalError) as error:
            logger.info("rpc_origination_not_stopped", extra={"call_id": self.origination.id, "reason": str(error)})

    def take(self, event: CallEvent) -> bool:
        """Take an event of the switch's; False where it means nothing before the answer."""
        if self._observer is None:
            return False
        if isinstance(event, HungUp):
            if self._request is not None:
                self.peer.give_up(self._request)
            self._refused(event.code or _UNAVAILABLE, event.reason)
        elif isinstance(event, LegEvent) and event.what == "ringing":
            self._observer.ringing()
        else:
            return False
        return True

    def _answered(self, error: SipioError | None, result: msgspec.Raw) -> None:
        if self._observer is None:
            return
        if error is not None:
            words = (error.message or error.code) if isinstance(error, RpcError) else str(error)
            if not isinstance(error, ConnectionLost):
                self._owner.counters.failed_actions += 1
            self._refused(_UNAVAILABLE, words)
            return
        try:
            answer: Originated = _ORIGINATED.decode(result, "result")
        except MalformedMessage as malformed:
            self._owner.counters.faults[CallFault.MALFORMED_RESULT] += 1
            logger.warning(
                "rpc_call_result_malformed", extra={"call_id": self.origination.id, "reason": str(malformed)}
            )
            self._refused(_UNAVAILABLE, "the switch's answer cannot be understood")
            return
        if answer.code >= 300:
            self._refused(answer.code, answer.reason)
            return
        observer, self._observer = self._observer, None
        self._end()
        self._owner.placed(self, observer)

    def _never_answered(self) -> None:
        observer = self._observer
        self.stop()
        if observer is not None:
            observer.refused(_NO_ANSWER, "no answer")

    def _refused(self, code: int, reason: str) -> None:
        observer, self._observer = self._observer, None
        self._end()
        if observer is not None:
            observer.refused(code, (reason or reason_phrase(code))[:REASON_CHARACTERS])

    def _end(self) -> None:
        self._owner.not_placed(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _stopped(error: SipioError | None, _result: msgspec.Raw) -> None:
    """Nothing is known of a call that is being given up."""
    if error is not None and not isinstance(error, ConnectionLost):
        logger.info("rpc_origination_not_stopped", extra={"reason": str(error)})
