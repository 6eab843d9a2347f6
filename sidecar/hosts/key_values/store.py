"""Key-values as those who ask know them, whatever keeps them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from sidecar.configuration.database_url import Database, DatabaseUrl
from sidecar.hosts.errors import HostFull, HostUnavailable
from sidecar.hosts.key_values.batch import (
    Answer,
    Operation,
    Place,
    Space,
    Spaces,
    Sweep,
    check_operation,
)
from sidecar.shared.errors import SharedError, SharedFull
from sidecar.storage.errors import DatabaseFull, StorageError

if TYPE_CHECKING:
    from sidecar.shared.connection import Shared

logger = logging.getLogger(__name__)

PAGE_KEYS: Final = 1_000
SWEPT: Final = 500
"""Values that have ended and are let go of in one transaction."""

Clock = Callable[[], float]
"""Seconds since 1970."""


class KeptKey(msgspec.Struct, frozen=True):
    """A key, and what is known of its value without reading it. Times are microseconds since 1970."""

    key: str
    bytes: int
    expires: int | None
    created: int
    updated: int


class Keeper(Protocol):
    """What keeps them. Its methods raise StorageError or SharedError."""

    def do(self, operation: Operation) -> Awaitable[Answer]:
        """Do one operation, which is kept when this is answered. Raises HostError where it cannot be, with nothing
        changed."""
        ...

    async def page(self, tenant: str, after: str, limit: int) -> Sequence[KeptKey]:
        """A tenant's keys behind one, in one order; what has ended is left out."""
        ...

    async def space(self, tenant: str) -> Space:
        """How much a tenant keeps."""
        ...

    async def ended(self, limit: int) -> Sequence[Place]:
        """Some of what has ended."""
        ...

    async def close(self) -> None:
        """Finish what is under way, and let go."""
        ...


class KeyValues:
    """The key-values of every tenant. Lives on one event loop."""

    def __init__(self, keeper: Keeper, limits: Spaces) -> None:
        self._keeper = keeper
        self.limits = limits

    async def do(self, operation: Operation) -> Answer:
        """Do one operation, which is kept when this returns: the truth is what the keeper has, for every process.

        Raises HostError where it cannot be, with nothing changed.
        """
        check_operation(operation)
        with _TRANSLATED:
            return await self._keeper.do(operation)

    async def page(self, tenant: str, after: str = "", limit: int = PAGE_KEYS) -> Sequence[KeptKey]:
        """A tenant's keys behind one, in an order that stays. Raises HostUnavailable."""
        with _TRANSLATED:
            return await self._keeper.page(tenant, after, min(limit, PAGE_KEYS))

    async def space(self, tenant: str) -> Space:
        """How much a tenant keeps. Raises HostUnavailable."""
        with _TRANSLATED:
            return await self._keeper.space(tenant)

    async def sweep(self) -> int:
        """Let go of what has ended; how many there were. Raises HostUnavailable."""
        swept = 0
        with _TRANSLATED:
            while True:
                places = await self._keeper.ended(SWEPT)
                await asyncio.gather(*(self._keeper.do(Sweep(tenant, key)) for tenant, key in places))
                swept += len(places)
                if len(places) < SWEPT:
                    return swept

    async def close(self) -> None:
        """Finish what is under way, and let go. Nobody asks any more."""
        await self._keeper.close()


class _Translated:
    """What the keeper raises as what a script is told. No generator, which would cost each question a microsecond."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, SharedFull):
            logger.warning("key_values_failed", extra={"error": str(error)})
            raise HostFull("there is no room left") from error
        if isinstance(error, SharedError):
            # Not logged for each who asks: that it is lost is.
            raise HostUnavailable("the key-value store does not answer; ask again later") from error
        if isinstance(error, StorageError):
            logger.warning("key_values_failed", extra={"error": str(error)})
            if isinstance(error, DatabaseFull):
                raise HostFull("there is no room left") from error
            raise HostUnavailable("the database does not answer") from error


_TRANSLATED: Final = _Translated()


def keeper_of(
    url: DatabaseUrl | None, limits: Spaces, clock: Clock | None = None, shared: "Shared | None" = None
) -> Keeper:
    """What keeps key-values: what several machines share, or else this database, or else memory."""
    if shared is not None:
        from sidecar.hosts.key_values.shared import SharedKeeper  # noqa: PLC0415 - one of four is needed

        return SharedKeeper(shared, limits, clock)
    clock = clock or time.time
    if url is None:
        from sidecar.hosts.key_values.memory import MemoryKeeper  # noqa: PLC0415

        return MemoryKeeper(limits, clock)
    if url.database is Database.SQLITE:
        from sidecar.hosts.key_values.sqlite import SqliteKeeper  # noqa: PLC0415

        return SqliteKeeper(url, limits, clock)
    from sidecar.hosts.key_values.server import ServerKeeper  # noqa: PLC0415 - imports SQLAlchemy

    return ServerKeeper(url, limits, clock)
