"""What tenants use of what is limited by time, told to other processes and heard from them, beside whoever decides.

Nobody who begins a run waits for this: it is told and heard every quarter of a second what was used since. Until then a
process knows nothing of the others' last quarter, and each may let begin as much as the limit lets begin at once. What
was too much is waited for by all, so that in the long run no more is used than may be.
"""

import asyncio
from collections.abc import Callable
from itertools import islice
from typing import Final

import msgspec

from sidecar.hosts.allowance import Level
from sidecar.shared.connection import Script, Shared
from sidecar.shared.errors import SharedError

LOOK_SECONDS: Final = 0.25
"""Between two looks: for so long a process knows nothing of what others use."""
AT_ONCE: Final = 200
"""Levels in one question: the server answers nobody else for half a millisecond, and our loop goes on between two."""
_OF_A_ROLE: Final = "runs_a_second:"
_SCRIPT: Final = Script.beside(__file__)


class SharedLevels:
    """Keeps the levels of one process and those of all in step."""

    def __init__(
        self,
        shared: Shared,
        used: dict[Level, None],
        role: str,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """``used`` has the levels that were used lately. Of runs those of one ``role`` are counted together, since they
        have limits of their own. ``clock``, by default the server's."""
        self._shared = shared
        self._used = used
        self._role = role
        self._clock = clock
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._looking = asyncio.get_running_loop().create_task(self._look_again())

    async def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def look(self) -> None:
        """Tell and hear once."""
        levels = list(self._used)
        for start in range(0, len(levels), AT_ONCE):
            await self._step([level for level in islice(levels, start, start + AT_ONCE) if self._is_of_use(level)])

    def _is_of_use(self, level: Level) -> bool:
        if not level.empty and level.rate:
            return True
        level.told(level.untold, None)
        self._used.pop(level, None)
        return False

    def _name(self, level: Level) -> str:
        return f"{self._role}:{level.name}" if level.name.startswith(_OF_A_ROLE) else level.name

    async def _step(self, levels: list[Level]) -> None:
        if not levels:
            return
        new = [level.untold for level in levels]
        told = [(self._name(level), level.rate, amount) for level, amount in zip(levels, new, strict=True)]
        now = b"" if self._clock is None else str(int(self._clock() * 1_000_000)).encode()
        full: list[float] | list[None]
        try:
            answer = await self._shared.run(_SCRIPT, (now, msgspec.msgpack.encode(told)))
            full = msgspec.msgpack.decode(answer, type=list[float])
        except SharedError:
            # Each counts by itself meanwhile; told later it would be taken for used later.
            full = [None] * len(levels)
        for level, amount, one in zip(levels, new, full, strict=True):
            level.told(amount, one)

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()
