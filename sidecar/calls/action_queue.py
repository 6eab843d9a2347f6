"""The actions of one call: done strictly in the order in which they were asked for, one at a time."""

import asyncio
import functools
from collections import deque
from typing import Protocol

import msgspec

from sandbox.host import HostCall
from sidecar.hosts.call import RequestedAction
from sipio.call_control import ActionResult, CallAction, CallControl, Hangup, PendingAction


class Queued(msgspec.Struct, frozen=True):
    """An action and the host call that is answered when it is complete, if the script asked for it."""

    call: HostCall | None
    asked: RequestedAction


class QueueOwner(Protocol):
    """Whoever's actions they are."""

    def beginning(self, asked: RequestedAction) -> CallAction:
        """An action is about to be performed; gives it as it is to be."""
        ...

    def hanging_up(self) -> None:
        """A hang-up is about to be performed. The queue is held."""
        ...

    def performed(self, queued: Queued, began: float, result: ActionResult) -> None:
        """An action is complete."""
        ...

    def emptied(self) -> None:
        """Nothing is under way and nothing waits."""
        ...


class ActionQueue:
    """The action under way and those that wait for it."""

    __slots__ = ("_advancing", "_began", "_control", "_current", "_loop", "_owner", "_pending",
                 "_waiting", "held")  # fmt: skip

    def __init__(self, control: CallControl, owner: QueueOwner) -> None:
        self._control = control
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Queued] = deque()
        self._current: Queued | None = None
        self._began = 0.0
        self._pending: PendingAction | None = None
        self._advancing = False
        self.held = False
        """Nothing more is begun: the call is being ended."""

    @property
    def idle(self) -> bool:
        """Whether nothing is under way and nothing waits."""
        return self._current is None and not self._waiting

    @property
    def current(self) -> CallAction | None:
        """What is under way."""
        return self._current.asked.action if self._current is not None else None

    @property
    def waiting(self) -> int:
        """Actions not begun."""
        return len(self._waiting)

    def add(self, queued: Queued) -> None:
        """Perform it after all others."""
        self._waiting.append(queued)
        self._advance()

    def add_first(self, queued: Queued) -> None:
        """Perform it next, once the action that is just complete has been dealt with."""
        self._waiting.appendleft(queued)

    def stop(self) -> None:
        """End what is under way and begin nothing more."""
        self.held = True
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.stop()

    def drop(self) -> tuple[Queued | None, float, list[Queued]]:
        """Forget everything: what was under way, when it had begun, and what waited."""
        self.held = True
        current, self._current, self._pending = self._current, None, None
        waiting = list(self._waiting)
        self._waiting.clear()
        return current, self._began, waiting

    def _advance(self) -> None:
        if self._advancing:
            # An action that was complete at once: the loop below goes on, however many of them there are.
            return
        self._advancing = True
        while self._current is None and self._waiting and not self.held:
            self._begin(self._waiting.popleft())
        self._advancing = False
        if self.idle:
            self._owner.emptied()

    def _begin(self, queued: Queued) -> None:
        self._current = queued
        self._began = self._loop.time()
        action = self._owner.beginning(queued.asked)
        if isinstance(action, Hangup):
            self.held = True
            self._owner.hanging_up()
        pending = self._control.perform(action, functools.partial(self._completed, queued))
        if self._current is queued:
            self._pending = pending

    def _completed(self, queued: Queued, result: ActionResult) -> None:
        if self._current is not queued:
            return
        self._current = self._pending = None
        self._owner.performed(queued, self._began, result)
        self._advance()
