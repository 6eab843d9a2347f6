"""Key-values in memory, for as long as the process lives: for trying scripts at a desk."""

from collections.abc import Callable, Sequence
from itertools import islice

from sidecar.hosts.key_values.batch import Answer, Batch, Operation, Place, Space, Spaces, Value, is_live
from sidecar.hosts.key_values.store import KeptKey


class MemoryKeeper:
    """A `sidecar.hosts.key_values.store.Keeper`."""

    def __init__(self, limits: Spaces, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._values: dict[Place, Value] = {}
        self._spaces: dict[str, Space] = {}

    async def do(self, operation: Operation) -> Answer:
        """Do one operation."""
        batch = Batch(
            {place: value for place in [(operation.tenant, operation.key)] if (value := self._values.get(place))},
            {tenant: space for tenant in [operation.tenant] if (space := self._spaces.get(tenant))},
            self._limits,
            self._now(),
        )
        answer = batch.apply(operation)
        for place, value in batch.changed.items():
            if value is None:
                del self._values[place]
            else:
                self._values[place] = value
        self._spaces |= batch.changed_spaces
        return answer

    async def page(self, tenant: str, after: str, limit: int) -> Sequence[KeptKey]:
        """A tenant's keys behind one."""
        now = self._now()
        keys = sorted(
            key for (owner, key), one in self._values.items() if owner == tenant and key > after and is_live(one, now)
        )
        found = [(key, self._values[tenant, key]) for key in keys[:limit]]
        return [KeptKey(key, len(one.text.encode()), one.expires, one.created, one.updated) for key, one in found]

    async def space(self, tenant: str) -> Space:
        """How much a tenant keeps."""
        return self._spaces.get(tenant, Space())

    async def ended(self, limit: int) -> Sequence[Place]:
        """Some of what has ended."""
        now = self._now()
        return list(islice((place for place, value in self._values.items() if not is_live(value, now)), limit))

    async def close(self) -> None:
        """Nothing is under way."""

    def _now(self) -> int:
        return int(self._clock() * 1_000_000)
