"""How often somebody may ask."""

import ipaddress
import math
import time
from http import HTTPStatus
from typing import Final

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from sidecar.http.problems import ApiError

FAILED_LOGINS_A_SECOND: Final = 50
"""Requests of one address with a token that is none. Good ones from there are answered all the same."""


class Rates:
    """What was asked in the second under way, by whom."""

    def __init__(self, *, requests: int, public_runs: int) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._limits = {
            "requests": RateLimitItemPerSecond(requests, namespace="requests"),
            "public": RateLimitItemPerSecond(public_runs, namespace="public"),
            "failed": RateLimitItemPerSecond(FAILED_LOGINS_A_SECOND, namespace="failed"),
        }
        self.refused: dict[str, int] = dict.fromkeys(self._limits, 0)
        """Since the start, by which limit."""

    def count(self, what: str, who: str) -> None:
        """Count one of ``requests``, ``public`` or ``failed``. Raises ApiError where it is one too many."""
        counted = _network_of(who)
        if not self._limiter.hit(self._limits[what], counted):
            self._refuse(what, counted)

    def _refuse(self, what: str, who: str) -> None:
        limit = self._limits[what]
        self.refused[what] += 1
        reset = self._limiter.get_window_stats(limit, who).reset_time
        seconds = max(1, math.ceil(reset - time.time()))
        raise too_many(f"more than {limit.amount} a second", seconds)


def too_many(detail: str, seconds: int = 1) -> ApiError:
    """429 with Retry-After."""
    return ApiError(HTTPStatus.TOO_MANY_REQUESTS, detail, kind="too-many", headers={"Retry-After": str(seconds)})


def _network_of(who: str) -> str:
    """Of an IPv6 address its /64, of which one who asks may have every address (RFC 7934); all else as it is."""
    if ":" not in who:
        return who
    try:
        return str(ipaddress.ip_network((who, 64), strict=False))
    except ValueError:
        return who
