"""What one tenant has used of what it may: here, and in other processes where they tell each other."""

import logging
import time
from typing import Final, NamedTuple

from sidecar.catalog.limits import NO_LIMITS, TenantLimits

logger = logging.getLogger(__name__)

MINUTE: Final = 60.0
LONGEST_WAIT: Final = 60.0
"""Told to who asks again: by then a limit may be another one."""
TOLD_SECONDS: Final = 60.0
"""A limit that is reached all the time is told of so often in the log."""
_now = time.monotonic


class OverLimit(NamedTuple):
    """Why something is not done now."""

    limit: str
    """Its name in `TenantLimits`."""
    why: str
    seconds: float
    """After which there is room again, if nobody else takes it."""


class Level:
    """How full an allowance is: what is used flows in, and drains as fast as it may be used.

    So much may be used at once, and in the long run so much in each period. What is used is known only afterwards, as
    of processor time, and may be more than there was room for: then it takes longer to drain. (A window of the package
    ``limits`` takes nothing that is too much, and takes longer than the rest of a decision's way.)
    """

    __slots__ = ("_amount", "_at", "_used", "most", "name", "rate", "untold")

    def __init__(self, most: int, period: float, name: str = "", used: "dict[Level, None] | None" = None) -> None:
        """``name`` is what processes that share it know it by, and ``used`` where it puts itself when it is used: for
        whoever tells the others."""
        self.most = most
        self.rate = most / period
        """Of what drains in a second."""
        self.name = name
        self.untold = 0.0
        """What was used here, and the others were not told."""
        self._used = used
        self._amount = 0.0
        self._at = _now()

    def add(self, amount: float) -> None:
        """Count what was used."""
        self._drain()
        self._amount += amount
        if self._used is not None:
            self.untold += amount
            self._used[self] = None

    @property
    def empty(self) -> bool:
        """Whether nothing is left of what was used."""
        self._drain()
        return not self._amount and not self.untold

    def told(self, amount: float, level: float | None) -> None:
        """The others were told of so much, and this is what all have used; None where that is not known."""
        self.untold -= amount
        if level is not None:
            self._amount, self._at = level + self.untold, _now()

    def wait(self) -> float:
        """Seconds until there is room for one more; 0 where there is."""
        if not self.rate:
            return LONGEST_WAIT
        self._drain()
        return max(0.0, (self._amount + 1 - self.most) / self.rate)

    def take_over(self, former: "Level") -> None:
        """Go on from what was used of another limit."""
        self._amount, self._at, self.untold = former._amount, former._at, former.untold
        if self._used is not None and former in self._used:
            del self._used[former]
            self._used[self] = None

    def _drain(self) -> None:
        now = _now()
        self._amount = max(0.0, self._amount - (now - self._at) * self.rate)
        self._at = now


_PERIODS: Final = {
    "runs_a_second": (1.0, "runs a second"),
    "cpu_ms_a_minute": (MINUTE, "ms of processor time a minute"),
    "host_calls_a_minute": (MINUTE, "questions to the host a minute"),
    "host_bytes_a_minute": (MINUTE, "bytes of the host's answers a minute"),
}
_OF_RUNS: Final = ("runs_a_second", "cpu_ms_a_minute")
_OF_QUESTIONS: Final = ("host_calls_a_minute", "host_bytes_a_minute")


class Allowance:
    """One tenant's. What is not limited need not be counted, but for what is under way over HTTP."""

    __slots__ = ("_at_once", "_levels", "_told", "_used", "limited", "limits", "refused", "running", "tenant")

    def __init__(self, tenant: str, limits: TenantLimits = NO_LIMITS, used: dict[Level, None] | None = None) -> None:
        """``used``: where levels are put that are used, for whoever tells other processes."""
        self.tenant = tenant
        self._used = used
        self.running = 0
        """Runs under way."""
        self.refused: dict[str, int] = {}
        """Since the start, by the limit's name."""
        self._levels: dict[str, Level] = {}
        self._told: dict[str, float] = {}
        self.limit(limits)

    def limit(self, limits: TenantLimits) -> None:
        """Have these limits from now on."""
        self.limits = limits
        self.limited = any(getattr(limits, name) is not None for name in ("runs_at_once", *_PERIODS))
        """Whether anything is refused of what is run: who decides asks nothing else where it is not."""
        self._at_once = limits.runs_at_once
        former, self._levels = self._levels, {}
        for name, (period, _) in _PERIODS.items():
            most = getattr(limits, name)
            if most is None:
                continue
            if name in former and former[name].most == most:
                self._levels[name] = former[name]
                continue
            level = self._levels[name] = Level(most, period, f"{name}:{self.tenant}", self._used)
            if name in former:
                level.take_over(former[name])

    def begin(self) -> OverLimit | None:
        """Count a run that begins, which is ended by `ended`; or why it must not."""
        if self._at_once is not None and self.running >= self._at_once:
            return self._refuse("runs_at_once", f"more than {self._at_once} runs at once", 1.0)
        if self._levels:
            over = self._full(_OF_RUNS)
            if over is not None:
                return over
            level = self._levels.get("runs_a_second")
            if level is not None:
                level.add(1)
        self.running += 1
        return None

    @property
    def has_room(self) -> bool:
        """Whether a run may begin, of what it uses; it is not counted yet."""
        return all(self._levels[name].wait() == 0 for name in _OF_RUNS if name in self._levels)

    def ended(self) -> None:
        """A run that has begun is over."""
        self.running -= 1

    def question(self) -> OverLimit | None:
        """Count a question to the host; or why it is not asked."""
        if not self._levels:
            return None
        over = self._full(_OF_QUESTIONS)
        level = self._levels.get("host_calls_a_minute")
        if over is None and level is not None:
            level.add(1)
        return over

    def used_cpu(self, micros: int) -> None:
        """Count processor time."""
        level = self._levels.get("cpu_ms_a_minute") if self._levels else None
        if level is not None:
            level.add(micros / 1_000)

    def answered(self, size: int) -> None:
        """Count the bytes of an answer."""
        level = self._levels.get("host_bytes_a_minute") if self._levels else None
        if level is not None:
            level.add(size)

    def _full(self, names: tuple[str, ...]) -> OverLimit | None:
        for name in names:
            level = self._levels.get(name)
            seconds = level.wait() if level is not None else 0.0
            if level is not None and seconds:
                return self._refuse(name, f"more than {level.most:_} {_PERIODS[name][1]}", seconds)
        return None

    def _refuse(self, limit: str, why: str, seconds: float) -> OverLimit:
        self.refused[limit] = self.refused.get(limit, 0) + 1
        now = _now()
        if now >= self._told.get(limit, 0.0):
            self._told[limit] = now + TOLD_SECONDS
            logger.warning("tenant_over_limit", extra={"tenant": self.tenant, "limit": limit, "error": why})
        return OverLimit(limit, why, min(seconds, LONGEST_WAIT))
