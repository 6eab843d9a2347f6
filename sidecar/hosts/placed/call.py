"""One call that a script has placed: one party is called, and once it has answered it is connected to the other."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, Protocol

from msgspec import structs

from sidecar.hosts.call import end_of_bridge
from sidecar.hosts.errors import HostError
from sidecar.hosts.placed.ended import EndedPlacedCall, PartyEvent, PlacedOutcome
from sidecar.hosts.placed.hearing import WAITING, Hearing
from sidecar.hosts.placed.placing import CallRequest
from sipio.call_control import (
    ActionResult,
    Bridge,
    Bridged,
    CallControl,
    CallEvent,
    CallObserver,
    Done,
    Failed,
    Hangup,
    HangupBy,
    HungUp,
    LegEvent,
    Origination,
    Originator,
    PendingAction,
    PendingOrigination,
)
from sipio.reasons import reason_phrase

END_SECONDS: Final = 10.0
"""After this long without the driver's word that a call has ended, it is over without."""
PARTY_EVENTS: Final = 1_000
"""Kept of one call for its record: of one that is transferred again and again, the first."""
GIVEN_UP: Final = (487, "given up")
_UNAVAILABLE: Final = 503


class State(StrEnum):
    """How far a call has come."""

    CALLING = "calling"
    RINGING = "ringing"
    ANSWERED = "answered"
    """The first party is there, and the second one is being called."""
    CONNECTED = "connected"
    ENDED = "ended"


class UpCall(Protocol):
    """A call of a tenant's that is up, whoever placed or brought it."""

    @property
    def id(self) -> str: ...

    def described(self) -> dict[str, Any]:
        """What a script is told of it."""
        ...

    def hang_up(self, hangup: Hangup) -> None:
        """End it."""
        ...

    def transfer(self, destination: Callable[[str], str]) -> None:
        """Connect the party that was called first to another one. ``destination`` is given the name of the call's
        server. Raises HostError where that cannot be."""
        ...


class PlacedCall:
    """A `sipio.call_control.OriginationObserver`, a `CallObserver` and an `UpCall`."""

    def __init__(
        self,
        origination: Origination,
        request: CallRequest,
        carried_by: str,
        *,
        longest_seconds: float,
        over: Callable[["PlacedCall", EndedPlacedCall], None],
    ) -> None:
        """``request`` has both parties as drivers know them; ``over`` is told of the end."""
        self.origination: Final = origination
        self.request = request
        self.carried_by: Final = carried_by
        self._longest_seconds = longest_seconds
        self._over = over
        self._loop = asyncio.get_running_loop()
        self.state = State.CALLING
        self._pending: PendingOrigination | None = None
        self._call: CallControl | None = None
        self._bridging: PendingAction | None = None
        self._bridged_to = 0
        self._hearings: list[Hearing] = []
        self._told: deque[tuple[str, dict[str, Any]]] = deque(maxlen=WAITING)
        self._timer: asyncio.TimerHandle | None = None
        self._never_ended: asyncio.TimerHandle | None = None
        self._began = self._loop.time()
        self._began_unix = time.time()
        self._answered_at: float | None = None
        self._connected = False
        self._error = ""
        self._parties: list[PartyEvent] = []
        self._ended_by: HangupBy | None = None
        """Who of us ended it; None while nobody has."""

    @property
    def id(self) -> str:
        """The call's."""
        return self.origination.id

    @property
    def tenant(self) -> str:
        """Whose script placed it."""
        return self.origination.customer

    def begin(self, originator: Originator) -> None:
        """Call the first party."""
        pending = originator.originate(self.origination, self)
        if self.state is not State.ENDED:
            self._pending = pending

    # ---- what its script does ----

    def hearing(self) -> Hearing:
        """Hear of it, from its beginning."""
        hearing = Hearing()
        for name, detail in self._told:
            hearing.hear(name, detail)
        self._hearings.append(hearing)
        if self.state is State.ENDED:
            hearing.end()
        return hearing

    def unless_answered(self, hearing: Hearing) -> None:
        """Its run is over: a party that has not answered is not waited for any more."""
        if hearing in self._hearings:
            self._hearings.remove(hearing)
        hearing.end()
        if self._call is None:
            self.give_up()

    def give_up(self) -> None:
        """End it, however far it has come."""
        self.hang_up(Hangup(cause=16))

    def described(self) -> dict[str, Any]:
        """What a script is told of it."""
        now = self._loop.time()
        return {
            "id": self.id,
            "server": self.request.server,
            "destination": self.origination.destination,
            "extension": self.request.extension,
            "cli": self.origination.cli,
            "state": self.state.value,
            "seconds": round(now - self._answered_at, 3) if self._answered_at is not None else 0,
            "placed": True,
        }

    def hang_up(self, hangup: Hangup, by: HangupBy = HangupBy.SCRIPT) -> None:
        """End it."""
        if self.state is State.ENDED:
            return
        self._ended_by = by
        call = self._call
        if call is not None:
            self._bridged_to += 1
            call.perform(hangup, _nothing)
            if self._never_ended is None:
                self._never_ended = self._loop.call_later(END_SECONDS, self._nobody_said)
            return
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.stop()
        self.refused(*GIVEN_UP)

    def transfer(self, destination: Callable[[str], str]) -> None:
        """Connect the first party to another one, in place of the second, which is hung up."""
        extension = destination(self.request.server)
        if self._call is None or self.state is State.ENDED:
            raise HostError(f"the call is {self.state.value}: nobody is there to be transferred")
        self.request = structs.replace(self.request, extension=extension)
        self._connect()

    # ---- an OriginationObserver ----

    def ringing(self) -> None:
        """The first party's phone rings."""
        if self.state is State.CALLING:
            self.state = State.RINGING
            self._note(self.origination.destination, "ringing", 0)
            self._tell("ringing", {})

    def answered(self, call: CallControl) -> CallObserver:
        """The first party has answered."""
        self._pending = None
        self._call = call
        self.state = State.ANSWERED
        self._answered_at = self._loop.time()
        self._note(self.origination.destination, "answered", 200)
        self._timer = self._loop.call_later(self._longest_seconds, self._lasted_too_long)
        self._tell("answered", {})
        # Not before whoever carries it knows who is told of it.
        self._loop.call_soon(self._connect_first)
        return self

    def refused(self, code: int, reason: str) -> None:
        """It did not come to a call."""
        self._pending = None
        code = code if 300 <= code <= 699 else _UNAVAILABLE
        reason = reason or reason_phrase(code)
        self._note(self.origination.destination, "ended", code)
        self._end({"by": self._by(HangupBy.CALLEE), "code": code, "cause": 0, "reason": reason, "seconds": 0})

    # ---- connecting the two ----

    def _connect_first(self) -> None:
        if not self._bridged_to:
            self._connect()

    def _connect(self) -> None:
        call = self._call
        if call is None or self.state is State.ENDED:
            return
        self._bridged_to += 1
        turn = self._bridged_to
        former, self._bridging = self._bridging, None
        if former is not None:
            former.stop()
        self.state = State.ANSWERED
        bridge = Bridge(
            destinations=[self.request.extension],
            # Whom the second party can call back: the first one.
            cli=self.origination.destination.rpartition("/")[2],
            timeout_seconds=self.origination.timeout_seconds,
        )
        self._bridging = call.perform(bridge, lambda result: self._bridged(turn, result))

    def _bridged(self, turn: int, result: ActionResult) -> None:
        if turn != self._bridged_to or self._call is None:
            return
        if isinstance(result, Done) and isinstance(result.value, Bridged):
            hangup, by = end_of_bridge(result.value)
            self.hang_up(hangup, by)
        elif isinstance(result, Failed):
            self._error = result.message
            self.hang_up(Hangup(cause=41), HangupBy.SYSTEM)

    # ---- a CallObserver ----

    def event(self, event: CallEvent) -> None:
        """Something happened on the call."""
        if self.state is State.ENDED:
            return
        if isinstance(event, LegEvent):
            self._note(event.destination, event.what, event.code)
            if event.what == "answered":
                self.state = State.CONNECTED
                self._connected = True
                self._tell("connected", {"destination": event.destination})
        elif isinstance(event, HungUp):
            seconds = round(self._loop.time() - self._answered_at, 3) if self._answered_at is not None else 0
            by = self._by(event.by) if event.by in (HangupBy.SCRIPT, HangupBy.SYSTEM) else event.by.value
            self._note(self.origination.destination, "ended", 0)
            self._end({"by": by, "code": 0, "cause": event.cause, "reason": event.reason, "seconds": seconds})

    def _lasted_too_long(self) -> None:
        self.hang_up(Hangup(cause=102, reason="it lasted too long"), HangupBy.SYSTEM)

    # ---- the end ----

    def _by(self, known: HangupBy) -> str:
        return (self._ended_by or known).value

    def _tell(self, name: str, detail: dict[str, Any]) -> None:
        self._told.append((name, detail))
        for hearing in self._hearings:
            hearing.hear(name, detail)

    def _note(self, destination: str, what: str, code: int) -> None:
        if len(self._parties) < PARTY_EVENTS:
            self._parties.append(PartyEvent(at=self._seconds(), destination=destination, what=what, code=code))

    def _seconds(self) -> float:
        return round(self._loop.time() - self._began, 3)

    def _nobody_said(self) -> None:
        self.event(HungUp(by=HangupBy.SYSTEM, cause=41, reason="the driver did not say that the call ended"))

    def _end(self, detail: dict[str, Any]) -> None:
        if self.state is State.ENDED:
            return
        self.state = State.ENDED
        for timer in (self._timer, self._never_ended):
            if timer is not None:
                timer.cancel()
        self._tell("ended", detail)
        for hearing in self._hearings:
            hearing.end()
        self._call = None
        self._bridging = None
        answered = self._answered_at
        ended = EndedPlacedCall(
            origination=self.origination,
            request=self.request,
            carried_by=self.carried_by,
            began=self._began_unix,
            answered=round(answered - self._began, 3) if answered is not None else None,
            ended=self._seconds(),
            by=detail["by"],
            code=detail["code"],
            cause=detail["cause"],
            reason=detail["reason"],
            outcome=self._outcome(),
            error=self._error,
            parties=self._parties,
        )
        self._over(self, ended)

    def _outcome(self) -> PlacedOutcome:
        if self._connected:
            return PlacedOutcome.CONNECTED
        if self._answered_at is not None:
            return PlacedOutcome.NOT_CONNECTED
        return PlacedOutcome.GIVEN_UP if self._ended_by is not None else PlacedOutcome.NOT_ANSWERED


def _nothing(_result: ActionResult) -> None:
    """What comes of a hang-up is the call's end, which is told."""
