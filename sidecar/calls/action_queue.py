"""The actions of one call: done strictly in the order in which they were asked for, one at a time."""

import asyncio
import functools
from collections import deque
from typing import Protocol

import msgspec

from sandbox.host import HostCall
from sidecar.calls.type_ahead import TypeAhead
from sidecar.hosts.call import RequestedAction
from sidecar.runs.limits import QUEUED_ACTIONS
from sipio.call_control import ActionResult, CallAction, CallControl, Hangup, PendingAction, Record


class Queued(msgspec.Struct, frozen=True):
    """An action and the host call that is answered when it is complete, if the script asked for it."""

    call: HostCall | None
    asked: RequestedAction


class QueueOwner(Protocol):
    """The call whose actions are queued: it is told how each of them went."""

    def hanging_up(self) -> None:
        """A hang-up is about to be performed. The queue is held."""
        ...

    def recording(self, action: Record) -> Record:
        """Give the recording that is to be performed the file that it is written to."""
        ...

    def performed(self, queued: Queued, began: float, result: ActionResult) -> None:
        """An action is complete, and none is under way."""
        ...


class ActionQueue:
    """The action under way and those that wait for it."""

    __slots__ = ("_advancing", "_began", "_control", "_current", "_loop", "_owner", "_pending", "_type_ahead",
                 "_waiting", "held")  # fmt: skip

    def __init__(self, control: CallControl, type_ahead: TypeAhead, owner: QueueOwner) -> None:
        self._control = control
        self._type_ahead = type_ahead
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
        """The action under way; None between two."""
        return self._current.asked.action if self._current is not None else None

    def add(self, queued: Queued) -> bool:
        """Perform it after all others. False, and it is not performed, where too many wait already."""
        if len(self._waiting) >= QUEUED_ACTIONS:
            return False
        self._waiting.append(queued)
        self._advance()
        return True

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

    def _begin(self, queued: Queued) -> None:
        self._current = queued
        self._began = self._loop.time()
        action = self._type_ahead.before(queued.asked.action, wanted=queued.asked.type_ahead)
        if isinstance(action, Hangup):
            self.held = True
            self._owner.hanging_up()
        elif isinstance(action, Record):
            action = self._owner.recording(action)
        pending = self._control.perform(action, functools.partial(self._completed, queued))
        if self._current is queued:
            self._pending = pending

    def _completed(self, queued: Queued, result: ActionResult) -> None:
        if self._current is not queued:
            return
        self._current = self._pending = None
        self._owner.performed(queued, self._began, result)
        self._advance()
