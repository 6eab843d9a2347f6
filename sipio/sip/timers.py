"""Deadlines of everything that waits, in one heap."""

import heapq
import math
from collections.abc import Callable
from itertools import count
from typing import Final

_COMPACT_OVER: Final = 4_096
"""Cancelled timers stay in the heap until their time; past this many entries it is rebuilt once half are cancelled."""

_STEPS_A_SECOND: Final = 10
"""Of what `Timers.start_about` rounds up to."""


class Timer:
    """A deadline and what is to be done then."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[float], None]) -> None:
        self.when: Final = when
        self.callback: Callable[[float], None] | None = callback


class Timers:
    """Deadlines by an injected clock: whoever owns it calls `run` when `next_deadline` has come."""

    __slots__ = ("_cancelled", "_heap", "_sequence")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._sequence = count()
        self._cancelled = 0

    def start(self, when: float, callback: Callable[[float], None]) -> Timer:
        """Call ``callback(now)`` at ``when``."""
        timer = Timer(when, callback)
        heapq.heappush(self._heap, (when, next(self._sequence), timer))
        return timer

    def start_about(self, when: float, callback: Callable[[float], None]) -> Timer:
        """Call ``callback(now)`` at ``when`` or up to a tenth of a second later, together with others.

        For what only forgets: where a hundred calls a second end, each with two to four such timers, to be woken for
        each one takes as long as the rest of a tenth of a call.
        """
        return self.start(math.ceil(when * _STEPS_A_SECOND) / _STEPS_A_SECOND, callback)

    def cancel(self, timer: Timer | None) -> None:
        """Never mind; also of None, of one that has run and of one cancelled before."""
        if timer is None or timer.callback is None:
            return
        timer.callback = None
        self._cancelled += 1
        if len(self._heap) > _COMPACT_OVER and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def next_deadline(self) -> float | None:
        """The earliest deadline, or None."""
        heap = self._heap
        while heap and heap[0][2].callback is None:
            heapq.heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else None

    def run(self, now: float) -> None:
        """Call everything that is due, in order of time."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            timer = heapq.heappop(heap)[2]
            callback = timer.callback
            if callback is None:
                self._cancelled -= 1
                continue
            timer.callback = None
            callback(now)
            heap = self._heap
