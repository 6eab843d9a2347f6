"""How often a tenant may do something in a minute."""

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from sidecar.hosts.errors import HostError


class Rate:
    """So many a minute for each tenant, in this process."""

    def __init__(self, what: str, per_minute: int) -> None:
        self._what = what
        self._item = RateLimitItemPerMinute(per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def require(self, tenant: str) -> None:
        """Count one. Raises HostError past the rate, which is not counted then."""
        if not await self._limiter.hit(self._item, tenant):
            raise HostError(f"more than {self._item.amount} {self._what} in a minute", "RangeError")
