"""When to connect again. Sans-IO."""

from random import Random
from typing import Final

from sipio.kamailio.limits import KamailioLimits

_STABLE_SECONDS: Final = 1.0
"""A connection that lived this long was a success; one closed sooner (address refused) counts as a failure."""


class Backoff:
    """Counts the attempts that failed in a row, and waits longer after each."""

    __slots__ = ("_failures", "_limits", "_random", "_since")

    def __init__(self, limits: KamailioLimits, random: Random) -> None:
        self._limits = limits
        self._random = random
        self._failures = 0
        self._since: float | None = None

    def connected(self, now: float) -> None:
        """A connection was made."""
        self._since = now

    def failed(self, now: float) -> float:
        """An attempt failed or a connection was lost. Returns the seconds to wait before the next attempt."""
        if self._since is not None and now - self._since >= _STABLE_SECONDS:
            self._failures = 0
        self._since = None
        longest = self._limits.reconnect_max_seconds
        wait = min(self._limits.reconnect_min_seconds * 2 ** min(self._failures, 30), longest)
        self._failures += 1
        # Half of it at random, so that the sidecars of a restarted Kamailio do not all come in the same instant.
        return float(wait * self._random.uniform(0.5, 1.0))
