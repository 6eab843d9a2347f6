"""A handler that takes calls and remembers all that it is told of them."""

import asyncio
from collections.abc import Callable
from typing import Any

from sipio.call_control import (
    ActionResult,
    CallAction,
    CallControl,
    CallEvent,
    CallObserver,
    Hangup,
    PendingAction,
)
from tests.sipio.rpc.voice_switch import SECONDS


class Taken:
    """A call that the handler took, with all it was told in order."""

    def __init__(self, control: CallControl, changed: asyncio.Event) -> None:
        self.control = control
        self.events: list[CallEvent] = []
        self.results: list[ActionResult] = []
        self.told: list[Any] = []
        self._changed = changed

    def event(self, event: CallEvent) -> None:
        self.events.append(event)
        self.told.append(event)
        self._changed.set()

    def perform(self, action: CallAction) -> PendingAction:
        return self.control.perform(action, self._done)

    def _done(self, result: ActionResult) -> None:
        self.results.append(result)
        self.told.append(result)
        self._changed.set()


class TestHandler:
    """Takes every call but those to ``404``; those to ``at-once`` are hung up before it returns."""

    __test__ = False

    def __init__(self) -> None:
        self.calls: list[Taken] = []
        self.changed = asyncio.Event()

    def offered(self, call: CallControl) -> CallObserver | Hangup:
        if call.offer.to_user == "404":
            return Hangup(code=404, cause=1, headers=[("X-Why", "no")])
        if call.offer.to_user == "cause":
            return Hangup(cause=17)
        if call.offer.to_user == "raises":
            raise ZeroDivisionError
        taken = Taken(call, self.changed)
        self.calls.append(taken)
        if call.offer.to_user == "at-once":
            call.set_variable("a", "b")
            taken.perform(Hangup(code=486, cause=17))
        self.changed.set()
        return taken

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(SECONDS):
            while not condition():
                self.changed.clear()
                await self.changed.wait()
