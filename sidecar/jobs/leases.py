"""What this process has of the queue, each until a lease ends: how that is kept, lost and let go of."""

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from sidecar.logs.logger import ActionLogger
from sidecar.queue.errors import LeaseLost
from sidecar.queue.queue import StorageError
from sidecar.runs.under_way import UnderWay

if TYPE_CHECKING:
    from sidecar.catalog.model import Script

_log = ActionLogger(__name__)

CANCEL_SECONDS: Final = 1.0
"""What runs that were ended have to be given back."""
AGAIN_SECONDS: Final = 0.5
"""After which a database that could not be asked is asked again."""
RENEWALS: Final = 3
"""In the time of one lease: two may fail."""


class Leased(ABC):
    """Something that is ours, from when it is taken until the queue knows what came of it."""

    def __init__(self, name: str, said: Mapping[str, str]) -> None:
        """``name`` is what nothing else of the process has, and ``said`` what its lines in the log have of it."""
        self.name = name
        self.said = said
        self.began = time.monotonic()
        self.renewed = self.began
        """When its lease was begun or renewed last, as far as we know."""
        self.is_lost = False
        """Whether it is somebody else's now."""
        self.script: Script | None = None
        self.program_key = ""

    @abstractmethod
    def cancel(self) -> None:
        """Give up what is done about it."""

    def lose(self) -> None:
        """It is somebody else's: its end would count for nothing."""
        self.is_lost = True
        self.cancel()


Own = TypeVar("Own", bound=Leased)
Answer = TypeVar("Answer")


class Leases(Generic[Own]):
    """Lives on one event loop."""

    def __init__(self, lease_seconds: float) -> None:
        self.lease_seconds = lease_seconds
        self.under_way: UnderWay[Own] = UnderWay(CANCEL_SECONDS)
        self.lost = 0
        """Those that were somebody else's before they were over."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._saying: set[asyncio.Task[None]] = set()
        self._closing = False

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Go on with something until the end of the process."""
        self._task(work, self._tasks)

    def say(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin to tell the queue something, which has a little time even at the end of the process."""
        self._task(work, self._saying)

    def _task(self, work: Coroutine[Any, Any, None], among: "set[asyncio.Task[None]]") -> None:
        task = asyncio.get_running_loop().create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)

    async def told(self, own: Own, tell: Callable[[], Awaitable[Answer]]) -> Answer:
        """Tell the queue something, however long its database is away: while nobody else has taken it, it is ours
        still. Raises LeaseLost, and StorageError where the process ends before."""
        while not own.is_lost:
            try:
                return await tell()
            except LeaseLost:
                own.lose()
                raise
            except StorageError:
                if self._closing:
                    raise
                await asyncio.sleep(AGAIN_SECONDS)
        raise LeaseLost(f"{own.name} is not yours any more")

    def over(self, own: Own) -> None:
        """It is nothing of ours any more."""
        self.lost += own.is_lost
        self.under_way.end(own.name, own)

    async def renew(self, own: Own, tell: Callable[[], Awaitable[object]]) -> None:
        """Keep one for longer, once. Raises nothing of the database's."""
        if own.is_lost:
            return  # what is told of its end still is
        asked = time.monotonic()
        telling = asyncio.ensure_future(tell())
        ends = own.renewed + self.lease_seconds
        try:
            await asyncio.wait({telling}, timeout=max(0.0, ends - asked))
        except asyncio.CancelledError:
            telling.cancel()
            raise
        if not telling.done():
            # A database that is stopped, or behind a network that is cut, says nothing for long: see below.
            self.say(_heard(telling))
            if self.under_way.has(own.name, own):
                _log.warning("lease_not_renewed", **own.said, error="the database has not answered in the lease's time")
                own.lose()
            return
        try:
            telling.result()
        except LeaseLost:
            # Its end may have been told meanwhile.
            if self.under_way.has(own.name, own):
                own.lose()
        except StorageError as error:
            _log.warning("lease_not_renewed", **own.said, error=str(error))
            if time.monotonic() - own.renewed >= self.lease_seconds:
                # By now somebody else may have it: what it does is done twice, and here for nothing.
                own.lose()
        else:
            own.renewed = asked

    async def drain(self, seconds: float, left: str) -> None:
        """Wait for what is under way, so long at most; then have it given back. ``left`` is the action that is logged
        where that takes too long."""
        if not await self.under_way.drain(seconds):
            _log.warning(left, number=len(self.under_way))

    async def close(self) -> None:
        """Have what is under way still given back, where the database can be asked at once. Else its leases end by
        themselves."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._saying:
            await asyncio.wait(self._saying, timeout=CANCEL_SECONDS)
        for task in list(self._saying):
            task.cancel()


async def _heard(telling: "asyncio.Future[object]") -> None:
    """Whatever comes of it now counts for nothing."""
    with contextlib.suppress(LeaseLost, StorageError):
        await telling
