"""One call of a switch that speaks MessagePack-RPC: its actions asked for, its events taken, its end seen to."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from sipio.call_control import (
    ActionResult,
    Bridge,
    CallAction,
    CallObserver,
    CallOffer,
    Collect,
    Done,
    Echo,
    Failed,
    Hangup,
    HangupBy,
    HungUp,
    HungUpDuring,
    PendingAction,
    Play,
    Record,
    RecordingFinished,
    Stopped,
)
from sipio.errors import LocalError, MalformedMessage, SipioError
from sipio.rpc.call_messages import read_result, request_of
from sipio.rpc.counters import CallCounters, CallFault
from sipio.rpc.errors import ConnectionLost, RpcError
from sipio.rpc.peer import RpcPeer

logger = logging.getLogger(__name__)

HANGUP_SECONDS: Final = 5.0
"""After a hang-up has been asked for or hinted at, the switch has this long to say ``hungup``; then it is taken as
said. A call that is over and still counted would fill the limit."""
RECORDINGS_SECONDS: Final = 30.0
"""An ended call is remembered this long for its recordings to be finished."""

_MEDIA: Final = (Play, Echo, Collect)
_STOPPABLE: Final = (*_MEDIA, Bridge)


class CallOwner(Protocol):
    """The part of `sipio.rpc.call_methods.RpcCalls` that each of its calls needs."""

    @property
    def counters(self) -> CallCounters: ...

    def over(self) -> None:
        """Take note that a call is up no more."""
        ...

    def forget(self, call: "RpcCall") -> None:
        """Let a call go: nothing is expected of it any more."""
        ...


class _Action:
    """One request under way on a switch."""

    __slots__ = ("_call", "_done", "action", "request")

    def __init__(self, call: "RpcCall", action: CallAction, done: Callable[[ActionResult], None]) -> None:
        self._call = call
        self._done: Callable[[ActionResult], None] | None = done
        self.action = action
        self.request: int | None = None

    def stop(self) -> None:
        self._call.stop(self)

    def complete(self, result: ActionResult) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(result)


class RpcCall:
    """One call of a switch. A `sipio.call_control.CallControl`."""

    def __init__(self, owner: CallOwner, peer: RpcPeer, offer: CallOffer) -> None:
        self._owner = owner
        self.peer = peer
        self._offer = offer
        self._observer: CallObserver | None = None
        self._ended = False
        self._gone = False
        self._held: list[Callable[[], None]] = []
        """Requests made before the switch knows that its call was taken."""
        self._actions: list[_Action] = []
        self._recordings = 0
        self._hangup_asked = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def offer(self) -> CallOffer:
        """The call as it came."""
        return self._offer

    @property
    def ended(self) -> bool:
        """Whether HungUp has been told."""
        return self._ended

    def begin(self, observer: CallObserver) -> None:
        """Tell the call that the switch knows it was taken: what was asked of it before goes out now."""
        self._observer = observer
        held, self._held = self._held, []
        for send in held:
            send()

    # ---- what the handler does ----

    def perform(self, action: CallAction, done: Callable[[ActionResult], None]) -> PendingAction:
        """Ask the switch for an action; its answer completes it."""
        pending = _Action(self, action, done)
        if self._ended:
            pending.complete(HungUpDuring())
            return pending
        if isinstance(action, _MEDIA):
            for other in [one for one in self._actions if isinstance(one.action, _MEDIA)]:
                self.stop(other)
        self._actions.append(pending)
        if self._observer is None:
            self._held.append(lambda: self._send(pending))
        else:
            self._send(pending)
        return pending

    def set_variable(self, name: str, value: str) -> None:
        """Set a variable of the switch's."""
        if self._ended:
            return
        if self._observer is None:
            self._held.append(lambda: self.set_variable(name, value))
            return
        self._tell("call.set_variable", {"call_id": self._offer.id, "name": name, "value": value})

    def stop(self, pending: _Action) -> None:
        """Stop an action: it is over for us at once, and an answer that still comes is of no interest."""
        if pending not in self._actions:
            return
        self._actions.remove(pending)
        if pending.request is not None:
            self.peer.give_up(pending.request)
            if isinstance(pending.action, _STOPPABLE):
                method, _ = request_of(self._offer.id, pending.action)
                self._tell("call.stop", {"call_id": self._offer.id, "action": method.removeprefix("call.")})
        pending.complete(Stopped())

    def _send(self, pending: _Action) -> None:
        if pending not in self._actions:
            return
        method, fields = request_of(self._offer.id, pending.action)
        if isinstance(pending.action, Hangup):
            self._hangup_asked = True
            self._expect_end()
        try:
            pending.request = self.peer.request(
                method, (fields,), lambda error, result: self._answered(pending, error, result)
            )
        except ConnectionLost:
            self.lost()
        except LocalError as error:
            self._complete(pending, Failed(str(error)))

    def _tell(self, method: str, fields: dict[str, Any]) -> None:
        """A request whose answer changes nothing."""
        try:
            self.peer.request(method, (fields,), self._told)
        except ConnectionLost:
            self.lost()
        except LocalError as error:
            logger.warning(
                "rpc_call_request_failed",
                extra={"call_id": self._offer.id, "method": method, "reason": str(error)},
            )

    def _told(self, error: SipioError | None, _result: msgspec.Raw) -> None:
        if error is not None and not isinstance(error, ConnectionLost):
            self._owner.counters.failed_actions += 1

    # ---- what the switch says ----

    def _answered(self, pending: _Action, error: SipioError | None, result: msgspec.Raw) -> None:
        if pending not in self._actions:
            return
        if isinstance(error, ConnectionLost):
            self.lost()
        elif error is None:
            try:
                value = read_result(pending.action, result)
            except MalformedMessage as malformed:
                self._owner.counters.faults[CallFault.MALFORMED_RESULT] += 1
                logger.warning("rpc_call_result_malformed", extra={"call_id": self._offer.id, "reason": str(malformed)})
                self._complete(pending, Failed(f"the switch's answer cannot be understood: {malformed}"))
                return
            if isinstance(pending.action, Record):
                self._recordings += 1
            self._complete(pending, Done(value))
        elif isinstance(error, RpcError) and error.code == "hangup":
            # Complete only once the end has been told, so that who ended it is known first.
            self._expect_end()
        else:
            # "stopped" among them: of what we had stopped nothing waits here any more.
            self._owner.counters.failed_actions += 1
            words = (error.message or error.code) if isinstance(error, RpcError) else str(error)
            self._complete(pending, Failed(words or "the switch could not do it, and did not say why"))

    def take(self, event: Any) -> bool:
        """Take an event of the switch's; False where the call is over and it means nothing any more."""
        if self._ended:
            if not isinstance(event, RecordingFinished) or not self._recordings:
                return False
            self._recordings -= 1
            self._tell_observer(event)
            if not self._recordings:
                self.forget()
        elif isinstance(event, HungUp):
            self.end(event)
        else:
            if isinstance(event, RecordingFinished) and self._recordings:
                self._recordings -= 1
            self._tell_observer(event)
        return True

    def lost(self) -> None:
        """End the call because the switch's connection is gone."""
        if not self._ended:
            self._owner.counters.faults[CallFault.CONNECTION_LOST] += 1
            self.end(HungUp(by=HangupBy.SYSTEM, cause=41, reason="the switch's connection was lost"))
        self.forget()

    def end(self, hung_up: HungUp) -> None:
        """End the call: tell its observer, then complete its actions."""
        if self._ended:
            return
        self._ended = True
        self._owner.over()
        actions, self._actions = self._actions, []
        self._held.clear()
        for pending in actions:
            if pending.request is not None:
                self.peer.give_up(pending.request)
        # The end comes before the ends of its actions: who ended it is known by then.
        self._tell_observer(hung_up)
        for pending in actions:
            pending.complete(Done() if isinstance(pending.action, Hangup) else HungUpDuring())
        if self._recordings:
            self._set_timer(RECORDINGS_SECONDS, self.forget)
        else:
            self.forget()

    def forget(self) -> None:
        """Let the call go: nothing is expected of it any more."""
        if self._gone:
            return
        self._gone = True
        if not self._ended:
            self._ended = True
            self._owner.over()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._owner.forget(self)

    def _complete(self, pending: _Action, result: ActionResult) -> None:
        if pending in self._actions:
            self._actions.remove(pending)
            pending.complete(result)

    def _tell_observer(self, event: Any) -> None:
        if self._observer is not None:
            self._observer.event(event)

    def _expect_end(self) -> None:
        self._set_timer(HANGUP_SECONDS, self._end_unannounced)

    def _end_unannounced(self) -> None:
        self._owner.counters.faults[CallFault.UNANNOUNCED_END] += 1
        by = HangupBy.SCRIPT if self._hangup_asked else HangupBy.SYSTEM
        self.end(HungUp(by=by, reason="the switch did not announce the end"))

    def _set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)
