"""One clock of 20 ms for all sessions, in four phases so that they do not all send at once."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

logger = logging.getLogger(__name__)

_PHASES: Final = 4
_STEP_SECONDS: Final = 0.020 / _PHASES
_CATCH_UP: Final = 5 * _PHASES
"""Steps made up for at once after a hold-up: 100 ms, as much as jitter buffers of peers bear. What is past it is left
out."""

Tick = Callable[[], None]


class Ticker:
    """Calls every session back each 20 ms. It runs only while there is somebody to tick."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop: Final = loop
        self._phases: Final[list[dict[Tick, None]]] = [{} for _ in range(_PHASES)]
        self._step = 0
        self._due = 0.0
        """When the next step is due, whether anybody ticks in it or not."""
        self._timer: asyncio.TimerHandle | None = None
        self._rings = 0.0
        """When that timer is due: at the next step in which anybody ticks."""
        self._empty = 0
        """Steps before that one."""
        self._running = False
        self.skipped = 0
        """Steps of 5 ms left out because the process was held up."""
        self.lateness = 0.0
        """How late the last step was, in seconds."""

    def add(self, tick: Tick) -> None:
        """Call it every 20 ms."""
        now = self._loop.time()
        if self._timer is None and not self._running:
            self._due = now + _STEP_SECONDS
        while not self._running and self._due < now and not self._phases[self._step % _PHASES]:
            # Nobody was woken for it.
            self._step += 1
            self._due += _STEP_SECONDS
        min(self._phases, key=len)[tick] = None
        if not self._running:
            self._arm()

    def remove(self, tick: Tick) -> None:
        """No more. It may be called once yet, where this is called from another's tick. Idempotent."""
        for phase in self._phases:
            phase.pop(tick, None)
        if self._timer is not None and not any(self._phases):
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        """Be woken for the next step in which anybody ticks."""
        self._empty = next(steps for steps in range(_PHASES) if self._phases[(self._step + steps) % _PHASES])
        rings = self._due + self._empty * _STEP_SECONDS
        if self._timer is not None:
            if self._rings == rings:
                return
            self._timer.cancel()
        self._rings = rings
        self._timer = self._loop.call_at(rings, self._run)

    def _run(self) -> None:
        self._timer = None
        self._running = True
        now = self._loop.time()
        self.lateness = now - self._rings
        self._step += self._empty
        self._due = self._rings
        behind = int(self.lateness / _STEP_SECONDS)
        if behind > _CATCH_UP:
            left_out = behind - _CATCH_UP
            self.skipped += left_out
            self._step += left_out
            self._due += left_out * _STEP_SECONDS
            behind = _CATCH_UP
        for _ in range(behind + 1):
            phase = self._phases[self._step % _PHASES]
            self._step += 1
            self._due += _STEP_SECONDS
            for tick in tuple(phase):
                try:
                    tick()
                except Exception:
                    # A fault in one session must not silence all the others.
                    phase.pop(tick, None)
                    logger.exception("media_tick_failed", extra={"others": sum(map(len, self._phases))})
        self._running = False
        if any(self._phases):
            self._arm()
