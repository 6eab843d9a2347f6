"""A call whose driver is the test: it sees each action and says when it is complete."""

from collections.abc import Callable
from typing import Any

from sipio.call_control import (
    ActionResult,
    CallAction,
    CallHandler,
    CallObserver,
    CallOffer,
    Digits,
    Done,
    Hangup,
    HangupBy,
    HungUp,
    HungUpDuring,
    Stopped,
)


class MemoryAction:
    """An action that has begun."""

    def __init__(self, action: CallAction, done: Callable[[ActionResult], None]) -> None:
        self.action = action
        self._done = done
        self.complete = False

    def end(self, result: ActionResult | None = None) -> None:
        assert not self.complete
        self.complete = True
        self._done(result if result is not None else Done())

    def stop(self) -> None:
        if not self.complete:
            self.end(Stopped())


class MemoryCall:
    """A `CallControl`. A hang-up is complete at once and the call's end follows, as on a real call."""

    def __init__(self, handler: CallHandler, **offer: Any) -> None:
        self._offer = CallOffer(**({"id": "c1", "driver": "memory", "from_user": "44207", "to_user": "100"} | offer))
        self.actions: list[MemoryAction] = []
        self.variables: dict[str, str] = {}
        self.ended = False
        self.refused: Hangup | None = None
        self._observer: CallObserver | None = None
        self._early: list[Any] = []
        taken = handler.offered(self)
        if isinstance(taken, Hangup):
            self.refused = taken
        else:
            self._observer = taken
            for event in self._early:
                taken.event(event)

    @property
    def offer(self) -> CallOffer:
        return self._offer

    def perform(self, action: CallAction, done: Callable[[ActionResult], None]) -> MemoryAction:
        begun = MemoryAction(action, done)
        if self.ended:
            begun.end(HungUpDuring())
            return begun
        self.actions.append(begun)
        if isinstance(action, Hangup):
            begun.end()
            self.hang_up(by=HangupBy.SCRIPT, code=action.code, cause=action.cause, reason=action.reason)
        return begun

    def set_variable(self, name: str, value: str) -> None:
        self.variables[name] = value

    def tell(self, event: Any) -> None:
        if self._observer is None:
            self._early.append(event)
        else:
            self._observer.event(event)

    def hang_up(self, **how: Any) -> None:
        if self.ended:
            return
        self.ended = True
        for begun in self.actions:
            if not begun.complete:
                begun.end(HungUpDuring())
        self.tell(HungUp(**({"by": HangupBy.CALLER} | how)))

    @property
    def under_way(self) -> MemoryAction:
        """The one action that is under way."""
        (only,) = [begun for begun in self.actions if not begun.complete]
        return only

    @property
    def names(self) -> list[str]:
        """What was done, by name."""
        return [type(begun.action).__name__ for begun in self.actions]

    def digits(self, status: Any, value: str = "") -> None:
        self.under_way.end(Done(Digits(status=status, value=value)))
