"""A connection and a FreeSWITCH channel, wired through memory, with a clock that the test moves."""

from collections.abc import Callable, Coroutine
from itertools import count
from pathlib import Path
from typing import Any

from sipio.call_control import (
    ActionResult,
    CallAction,
    CallControl,
    CallEvent,
    CallObserver,
    Hangup,
    HungUp,
    MediaFile,
    MediaText,
    MediaUrl,
    PendingAction,
)
from sipio.freeswitch.call import FreeswitchCall
from sipio.freeswitch.connection import Connection
from sipio.freeswitch.leg import Environment
from sipio.freeswitch.offer import Mode
from sipio.freeswitch.settings import FreeswitchSettings
from sipio.routing import Decision, Pending, RoutingRequest
from tests.sipio.freeswitch.freeswitch_double import FakeChannel
from tests.sipio.freeswitch.freeswitch_parties import Party

Script = Coroutine[Any, Any, None]

ONE = MediaFile("user/one.wav", Path("/s/one.wav"))
TWO = MediaFile("user/two.wav", Path("/s/two.wav"))


def parties(**given: Party) -> FakeChannel:
    """A channel with two sounds, on which these parties can be dialled by name."""
    dial = {f"sofia/internal/{name}@10.0.0.9": party for name, party in given.items()}
    return FakeChannel(files={"/s/one.wav": 1.0, "/s/two.wav": 2.0}, parties=dial)


class Taker:
    """A `CallHandler` and observer that takes each call and keeps its events."""

    def __init__(self, refusal: Hangup | None = None) -> None:
        self.refusal = refusal
        self.calls: list[CallControl] = []
        self.events: list[CallEvent] = []

    def offered(self, call: CallControl) -> CallObserver | Hangup:
        self.calls.append(call)
        return self.refusal or self

    def event(self, event: CallEvent) -> None:
        self.events.append(event)

    @property
    def hung_up(self) -> HungUp:
        (found,) = [event for event in self.events if isinstance(event, HungUp)]
        return found


class Studio:
    """A `MediaSource` that makes what it is told to when it is told to."""

    def __init__(self) -> None:
        self.asked: list[MediaText | MediaUrl] = []
        self.done: Callable[[Path | str], None] = lambda _found: None
        self.cancelled = 0

    def obtain(self, media: MediaText | MediaUrl, done: Callable[[Path | str], None]) -> "Studio":
        self.asked.append(media)
        self.done = done
        return self

    def cancel(self) -> None:
        self.cancelled += 1


class Decider:
    """A `Router` that answers when it is told to."""

    def __init__(self) -> None:
        self.requests: list[RoutingRequest] = []
        self.answer: Callable[[Decision], None] = lambda _decision: None
        self.cancelled = 0

    def route(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> Pending:
        self.requests.append(request)
        self.answer = answer
        return self

    def cancel(self) -> None:
        self.cancelled += 1


class Line:
    """Both ends."""

    def __init__(
        self,
        channel: FakeChannel | None = None,
        *,
        settings: FreeswitchSettings | None = None,
        refusal: Hangup | None = None,
        full: Callable[[Mode], Hangup | None] = lambda _mode: None,
        studio: Studio | None = None,
    ) -> None:
        self.freeswitch = channel or FakeChannel(files={"/s/one.wav": 1.0, "/s/two.wav": 2.0})
        self.taker = Taker(refusal)
        self.router = Decider()
        self.problems: list[str] = []
        self.lost = False
        uuids = count(1)
        environment = Environment(
            settings=settings or FreeswitchSettings(),
            clock=lambda: self.freeswitch.now,
            new_uuid=lambda: f"b-uuid-{next(uuids)}",
            problem=lambda _uuid, text: self.problems.append(text),
            media=studio,
        )
        self._call: FreeswitchCall | None = None
        """Of a connection that is lost."""
        self.connection = Connection(environment, self.taker, self.router, admit=full, wake=lambda: None)
        self.pump()

    def pump(self) -> None:
        """Carry bytes to and fro until both are silent."""
        while not self.lost:
            out = self.connection.take()
            if out:
                self.freeswitch.receive(out)
            back = self.freeswitch.take()
            if back:
                self.connection.receive(back)
            if not out and not back:
                break
        if (self.freeswitch.closed or self.connection.closing) and not self.lost:
            self.lose()

    def lose(self) -> None:
        """The connection ends."""
        self.lost = True
        self._call = self.connection.call
        self.connection.lost()

    def run(self, seconds: float) -> None:
        """Let time pass at both ends."""
        for _ in range(round(seconds / 0.01)):
            self.freeswitch.advance(0.01)
            self.pump()
            deadline = self.connection.deadline
            if deadline is not None and deadline <= self.freeswitch.now:
                self.connection.expire()
                self.pump()

    @property
    def call(self) -> FreeswitchCall:
        call = self._call if self.lost else self.connection.call
        assert call is not None
        return call

    @property
    def events(self) -> list[CallEvent]:
        return self.taker.events

    def perform(self, action: CallAction) -> "Performed":
        """Begin an action."""
        performed = Performed(self)
        performed.pending = self.call.perform(action, performed.results.append)
        self.pump()
        return performed

    @property
    def applications(self) -> list[str]:
        """What FreeSWITCH was told to execute, in order."""
        return [f"{name} {argument}".strip() for name, argument in self.freeswitch.executed]


class Performed:
    """An action and what came of it."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.results: list[ActionResult] = []
        self.pending: PendingAction | None = None

    @property
    def result(self) -> ActionResult | None:
        """What came of it, if anything yet."""
        assert len(self.results) <= 1, "told twice"
        return self.results[0] if self.results else None

    def stop(self) -> None:
        assert self.pending is not None
        self.pending.stop()
        self._line.pump()
