"""What scripts wrote in their runs over HTTP, kept for their authors: a folder for each tenant, bounded in size and
days.

A file holds a part of a day's lines, one JSON object each; the oldest files go first.
"""

import asyncio
import datetime
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from sandbox.outcome import LogLine
from sidecar.catalog.model import Script
from sidecar.file_name import file_name_of
from sidecar.lifecycle import PartState
from sidecar.logs.logger import ActionLogger
from sidecar.runs.answers import Answer
from sidecar.runs.outcomes import FAILURES
from sidecar.text import safe_json

_log = ActionLogger(__name__)

FILES: Final = 10
"""Into which what is kept of one tenant is parted: so much of it goes at once."""
UNWRITTEN: Final = 20_000
"""Lines kept while the disk is slow or full; the oldest goes first, counted."""
UNWRITTEN_BYTES: Final = 16_000_000
"""The same of their texts."""
GATHERING_SECONDS: Final = 0.25
LOOK_SECONDS: Final = 1.0
"""How often it is looked for lines of runs that are under way: a web socket's may last for hours."""
FOLLOWERS: Final = 100
"""At once."""
BEHIND: Final = 2_000
"""Lines kept for a follower who does not read; the oldest goes first, and it is told how many went."""
BEHIND_BYTES: Final = 1_000_000
"""The same of their texts."""
_DAY_SECONDS: Final = 86_400
_STEP: Final = 1e-6


class ScriptLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line."""

    at: float
    """Unix time."""
    script: str
    run: str
    function: str
    level: str
    """``log``, ``info``, ``warn``, ``error`` or ``debug``; ``failed`` for how a run ended that failed."""
    text: str


_decode = msgspec.json.Decoder(ScriptLine).decode


class Follower:
    """Who is told of a tenant's lines as they come."""

    def __init__(self, tenant: str, script: str | None) -> None:
        self.tenant = tenant
        self.script = script
        self._waiting: deque[ScriptLine] = deque()
        self._bytes = 0
        self._lost = 0
        self._told = asyncio.Event()
        self._over = False

    def tell(self, line: ScriptLine) -> None:
        """Give it a line."""
        self._waiting.append(line)
        self._bytes += len(line.text)
        while len(self._waiting) > BEHIND or self._bytes > BEHIND_BYTES:
            self._bytes -= len(self._waiting.popleft().text)
            self._lost += 1
        self._told.set()

    def end(self) -> None:
        """There are no more."""
        self._over = True
        self._told.set()

    async def next_lines(self) -> tuple[int, list[ScriptLine]] | None:
        """How many lines were lost, and what has come since; None for the end."""
        while not self._waiting:
            if self._over:
                return None
            self._told.clear()
            await self._told.wait()
        lost, self._lost = self._lost, 0
        lines = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        return lost, lines


class WatchedRun:
    """A run whose lines are kept as they come, and the rest of them once it is over."""

    def __init__(
        self, log: "ScriptLog", script: Script, run: str, function: str, lines: Callable[[], Sequence[LogLine]]
    ) -> None:
        self._log = log
        self._script = script
        self._run = run
        self._function = function
        self._lines = lines
        self._kept = 0

    def look(self) -> None:
        """Keep what it has written since the last look."""
        lines = self._lines()
        # Of one that begins again there are fewer for a while: it writes them again.
        if len(lines) > self._kept:
            self._log.keep(self._script, self._run, self._function, lines[self._kept :])
            self._kept = len(lines)

    def end(self, lines: Sequence[LogLine], answer: Answer) -> None:
        """It is over: keep the rest of all its lines, and how it failed if it did."""
        self._log.forget(self)
        self._log.add(self._script, self._run, self._function, lines[self._kept :], answer)


class ScriptLog:
    """The part of the platform that keeps them. Without a folder it keeps nothing, and tells followers all the same."""

    name = "script_log"
    drain_seconds = 0.0

    def __init__(
        self,
        folder: Path | None,
        most_bytes: int,
        days: int,
        own_most: Callable[[str], int | None] = lambda _tenant: None,
    ) -> None:
        """``most_bytes`` are kept of a tenant for whom ``own_most`` says nothing else."""
        self._folder = folder
        self._most_bytes = most_bytes
        self._own_most = own_most
        self._days = days
        self._unwritten: deque[tuple[str, ScriptLine]] = deque()
        self._unwritten_bytes = 0
        self._writing: asyncio.Task[None] | None = None
        self._watched: set[WatchedRun] = set()
        self._looking: asyncio.Task[None] | None = None
        self._followers: set[Follower] = set()
        self._ending = False
        self.dropped = 0
        """Lines that the disk had no time or no room for."""
        self._said = False
        self._last = 0.0

    def watch(self, script: Script, run: str, function: str, lines: Callable[[], Sequence[LogLine]]) -> WatchedRun:
        """Keep what a run writes as it goes on: ``lines`` gives all so far. Until its `WatchedRun.end`."""
        watched = WatchedRun(self, script, run, function, lines)
        self._watched.add(watched)
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())
        return watched

    def forget(self, watched: WatchedRun) -> None:
        """Look at a run no more."""
        self._watched.discard(watched)

    async def _look(self) -> None:
        try:
            while self._watched:
                await asyncio.sleep(LOOK_SECONDS)
                for watched in tuple(self._watched):
                    watched.look()
        finally:
            self._looking = None

    def add(self, script: Script, run: str, function: str, lines: Sequence[LogLine], answer: Answer) -> None:
        """Keep what a run that is over has written, and how it failed if it did."""
        if answer.outcome in FAILURES:
            where = f" ({answer.location})" if answer.location else ""
            lines = [*lines, LogLine("failed", f"{answer.message}{where}")]
        self.keep(script, run, function, lines)

    def keep(self, script: Script, run: str, function: str, lines: Sequence[LogLine]) -> None:
        """Keep lines of a run."""
        for one in lines:
            # No two lines have the same time: it says where a page ends.
            self._last = max(time.time(), self._last + _STEP)
            line = ScriptLine(
                at=self._last, script=script.id, run=run, function=function, level=one.level, text=one.text
            )
            for follower in self._followers:
                if follower.tenant == script.tenant and follower.script in (None, script.id):
                    follower.tell(line)
            if self._folder is not None:
                self._unwritten.append((script.tenant, line))
                self._unwritten_bytes += len(line.text)
                while len(self._unwritten) > UNWRITTEN or self._unwritten_bytes > UNWRITTEN_BYTES:
                    self._unwritten_bytes -= len(self._unwritten.popleft()[1].text)
                    self.dropped += 1
        if self._unwritten and self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def newest(self, tenant: str, script: str | None, before: float | None, most: int) -> list[ScriptLine]:
        """A tenant's last lines, the newest first: of one script, and from before a time, if that is asked for."""
        if self._folder is None:
            return []
        return await asyncio.to_thread(self._newest, self._folder / file_name_of(tenant), script, before, most)

    async def follow(self, tenant: str, script: str | None) -> AsyncGenerator[tuple[int, list[ScriptLine]], None]:
        """Lines as they come. Ends with the platform."""
        follower = Follower(tenant, script)
        if self._ending or len(self._followers) >= FOLLOWERS:
            return
        self._followers.add(follower)
        try:
            while (told := await follower.next_lines()) is not None:
                yield told
        finally:
            self._followers.discard(follower)

    @property
    def has_room(self) -> bool:
        """Whether one more may follow."""
        return len(self._followers) < FOLLOWERS and not self._ending

    # ---- files ----

    async def _write(self) -> None:
        try:
            while self._unwritten:
                lines = list(self._unwritten)
                self._unwritten.clear()
                self._unwritten_bytes = 0
                lost = await asyncio.to_thread(self._append, lines)
                self.dropped += lost[0]
                if lost[0] and not self._said:
                    _log.error("script_log_not_written", error=lost[1], dropped=self.dropped)
                self._said = bool(lost[0])
                if not self._ending:
                    await asyncio.sleep(GATHERING_SECONDS)
        finally:
            self._writing = None

    def _append(self, lines: list[tuple[str, ScriptLine]]) -> tuple[int, str]:
        """Write lines; how many could not be, and why."""
        assert self._folder is not None  # noqa: S101 - nothing is added without one
        by_tenant: dict[str, list[bytes]] = {}
        for tenant, line in lines:
            by_tenant.setdefault(tenant, []).append(safe_json(line))
        lost, why = 0, ""
        for tenant, encoded in by_tenant.items():
            folder = self._folder / file_name_of(tenant)
            try:
                # What a tenant's scripts write is for nobody else on the machine.
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                own = self._own_most(tenant)
                most = self._most_bytes if own is None else own
                file = self._file(folder, most // FILES)
                with file.open("ab") as output:
                    output.write(b"".join(encoded))
                self._prune(folder, most)
            except OSError as error:
                lost += len(encoded)
                why = str(error)
        return lost, why

    def _file(self, folder: Path, most: int) -> Path:
        """The file that goes on, or the next one."""
        now = datetime.datetime.now(datetime.UTC)
        last = max(folder.glob("*.jsonl"), default=None)
        day = now.strftime("%Y-%m-%d")
        if last is not None and last.name.startswith(day) and last.stat().st_size < most:
            return last
        return folder / f"{day}T{now.strftime('%H%M%S.%f')}.jsonl"

    def _prune(self, folder: Path, most: int) -> None:
        files = sorted(folder.glob("*.jsonl"), reverse=True)
        oldest = time.time() - self._days * _DAY_SECONDS
        size = 0
        for file in files:
            found = file.stat()
            size += found.st_size
            if (file is not files[0] or not most) and (size > most or found.st_mtime < oldest):
                file.unlink(missing_ok=True)

    def _newest(self, folder: Path, script: str | None, before: float | None, most: int) -> list[ScriptLine]:
        found: list[ScriptLine] = []
        oldest = time.time() - self._days * _DAY_SECONDS
        for file in sorted(folder.glob("*.jsonl"), reverse=True):
            for line in _lines(file):
                if line.at < oldest:
                    return found
                if (script is None or line.script == script) and (before is None or line.at < before):
                    found.append(line)
                    if len(found) >= most:
                        return found
        return found

    # ---- its life ----

    async def start(self) -> None:
        """Nothing to be done: folders are made with the first line."""

    def refuse_calls(self) -> None:
        """Nothing: no call comes here."""

    def stop_accepting(self) -> None:
        """End those who follow."""
        self._ending = True
        for follower in self._followers:
            follower.end()

    async def drain(self) -> None:
        """Return at once."""

    def cancel_rest(self) -> None:
        """Nothing is being done for anybody."""

    async def close(self) -> None:
        """Write what is left. To be called once the workers have ended."""
        self._ending = True
        if self._looking is not None:
            self._looking.cancel()
        if self._writing is not None:
            await self._writing
        if self._unwritten:
            await self._write()

    def state(self) -> PartState:
        """Never a fault: no run depends on it."""
        return PartState()


def _lines(file: Path) -> Iterable[ScriptLine]:
    """A file's lines, the newest first; one that cannot be read, as after a disk that was full, is passed over."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return
    for line in reversed(lines):
        try:
            yield _decode(line)
        except msgspec.MsgspecError:
            continue
