"""Our connection to a Valkey or Redis: who asks is answered within a second, whatever has become of it.

It is lost by the first question that has no answer in time. From then on who asks is refused at once, and one task asks
whether it is there again; that, the loss and the return are in the log once each.
"""

import asyncio
import contextlib
import hashlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sidecar.configuration.shared_url import SharedUrl
from sidecar.logs.logger import ActionLogger
from sidecar.shared.errors import SharedError, SharedFull, SharedRefused, SharedUnavailable
from sidecar.shared.listening import Listening

if TYPE_CHECKING:
    from redis.asyncio import Redis

_log = ActionLogger(__name__)

ANSWER_SECONDS: Final = 0.7
"""Of a question and of a connection: a script catches the error within a second, on a busy machine too."""
AGAIN_SECONDS: Final = 0.5
"""After a loss it is asked so often whether it is there."""
KEEPS: Final = "noeviction"
"""The policy of a server that refuses what it has no memory for, and keeps what it has."""
CONNECTIONS: Final = 8
"""Of one process, for questions; who asks more at once waits for one of them."""
_GONE: Final = re.compile(
    "MISCONF|BUSY|NOREPLICAS|READONLY|MASTERDOWN|DB index is out of range"
    "|.*executing the script can't|.*ACL failure in script"
)
"""What answers begin with that say that nobody there does what is asked now, and are of no class of the client's."""
PACKAGES_MISSING: Final = "shared.url needs the package redis: pip install 'scriptforge-sidecar[platform]'"


@dataclass(frozen=True, slots=True)
class Script:
    """A program in Lua that the server runs as one step."""

    text: bytes
    sha: str

    @classmethod
    def beside(cls, file: str) -> "Script":
        """That of the same name as a Python file and beside it."""
        text = Path(file).with_suffix(".lua").read_bytes()
        return cls(text, hashlib.sha1(text, usedforsecurity=False).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSnapshot:
    """What is told of the connection."""

    available: bool
    losses: int
    """How often it was lost since the start."""
    refused: int
    """Questions that had no answer since the start."""
    why: str = ""
    """Why it is not available."""


class Shared:
    """One process's. Lives on one event loop. To be made in a thread: it imports the client."""

    def __init__(self, url: SharedUrl, prefix: str) -> None:
        """Nothing is connected yet. Raises SharedError where the client is not installed."""
        self.url = url
        self.prefix = prefix
        """Of every key and channel, with its colon behind it."""
        self._client = _client(url)
        self._get_connection: Callable[[], Awaitable[Any]] = self._client.connection_pool.get_connection
        self._execute: Callable[..., Awaitable[Any]] = self._client.execute_command
        self.changed: Callable[[], None] = _nobody
        """Called when it is lost, and when it is there again."""
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._why = ""
        self._losses = self._refused = 0
        self._looking: asyncio.Task[None] | None = None
        self._there = asyncio.Event()
        self._there.set()
        self._closed = False

    @property
    def available(self) -> bool:
        """Whether the last question was answered; before the first it is supposed to be."""
        return not self._why

    def snapshot(self) -> SharedSnapshot:
        """A picture of now."""
        return SharedSnapshot(available=self.available, losses=self._losses, refused=self._refused, why=self._why)

    async def run(self, script: Script, arguments: Sequence[bytes | str | int]) -> Any:
        """What a program gives of these arguments; the first is our prefix. Raises SharedError."""
        return await self._ask(("EVALSHA", script.sha, 0, self.prefix, *arguments), script)

    async def ask(self, *command: bytes | str | int | float) -> Any:
        """What a command gives. Raises SharedError."""
        return await self._ask(command, None)

    async def eviction(self) -> str:
        """The policy by which the server throws keys away once its memory is full; empty where it keeps them, and where
        this user may not ask. Raises SharedError."""
        self._require()
        from redis.exceptions import NoPermissionError  # noqa: PLC0415 - loaded by then

        try:
            async with self._free, asyncio.timeout(ANSWER_SECONDS):
                policy = str((await self._execute("INFO", "memory")).get("maxmemory_policy", KEEPS))
        except NoPermissionError:
            return ""
        except _failures() as error:
            self.lose(error)
            raise SharedUnavailable(_reason(error)) from error
        return "" if policy == KEEPS else policy

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Listening]:
        """A connection that hears channels; what ends it is SharedUnavailable."""
        self._require()
        pool, connection = self._client.connection_pool, None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                connection = await self._get_connection()
            yield Listening(connection)
        except _failures() as error:
            self.lose(error)
            raise SharedUnavailable(_reason(error)) from error
        finally:
            if connection is not None:
                with contextlib.suppress(*_failures()):
                    await connection.disconnect(nowait=True)
                await pool.release(connection)

    async def present(self) -> None:
        """Wait until it is there."""
        await self._there.wait()

    def lose(self, error: BaseException) -> None:
        """Take it for lost, by this error."""
        self._refused += 1
        if self._closed or self._why:
            return
        self._why = _reason(error)
        self._losses += 1
        self._there.clear()
        _log.error("shared_lost", server=str(self.url), error=self._why)
        self._looking = asyncio.get_running_loop().create_task(self._look())
        self.changed()

    async def close(self) -> None:
        """Let go of it. Nobody asks any more."""
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        with contextlib.suppress(*_failures()):
            await self._client.aclose()

    def _require(self) -> None:
        if self._why:
            self._refused += 1
            raise SharedUnavailable(self._why)

    async def _ask(self, command: Sequence[Any], script: Script | None) -> Any:
        self._require()
        from redis.exceptions import OutOfMemoryError, ResponseError  # noqa: PLC0415 - loaded by then

        try:
            async with self._free:
                self._require()  # or who waited would wait once more
                return await self._answer(command, script)
        except OutOfMemoryError as error:
            self._refused += 1
            raise SharedFull(_reason(error)) from error
        except ResponseError as error:
            if not _is_gone(error):
                _log.exception("shared_refused")
                raise SharedRefused(_reason(error)) from error
            self.lose(error)
            raise SharedUnavailable(_reason(error)) from error
        except _failures() as error:
            self.lose(error)
            raise SharedUnavailable(_reason(error)) from error

    async def _answer(self, command: Sequence[Any], script: Script | None) -> Any:
        from redis.exceptions import NoScriptError  # noqa: PLC0415 - loaded by then

        # Not by the client's own timeouts alone: each is of one step, and a connection has several.
        async with asyncio.timeout(ANSWER_SECONDS):
            try:
                return await self._execute(*command)
            except NoScriptError:
                if script is None:
                    raise
                return await self._execute("EVAL", script.text, *command[2:])

    async def _look(self) -> None:
        since = time.monotonic()
        while True:
            # Those to who does not answer are of no use, also once it does.
            with contextlib.suppress(*_failures()):
                await self._client.connection_pool.disconnect()
            await asyncio.sleep(AGAIN_SECONDS)
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._execute("PING")
                    await self._require_writable()
            except _failures() as error:
                self._why = _reason(error)
                continue
            self._why = ""
            self._there.set()
            self._looking = None
            _log.info("shared_found", server=str(self.url), seconds=round(time.monotonic() - since, 1))
            self.changed()
            return

    async def _require_writable(self) -> None:
        """Raises ReadOnlyError and the like where it answers, and keeps nothing; one that is full is there."""
        from redis.exceptions import OutOfMemoryError  # noqa: PLC0415 - loaded by then

        with contextlib.suppress(OutOfMemoryError):
            await self._execute("SET", f"{self.prefix}:alive", 1, "EX", 60)


def _nobody() -> None:
    """Who is told where nobody wants to be."""


def _client(url: SharedUrl) -> "Redis":
    try:
        from redis.asyncio import Redis  # noqa: PLC0415 - 0.1 s, which who does not share does not wait for
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
    except ImportError as error:
        raise SharedError(PACKAGES_MISSING) from error
    return Redis(
        host=url.host,
        port=url.port,
        unix_socket_path=None if url.path is None else str(url.path),
        db=url.database,
        username=url.user or None,
        password=url.password or None,
        ssl=url.tls,
        ssl_ca_certs=None if url.tls_ca is None else str(url.tls_ca),
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        max_connections=CONNECTIONS + 4,  # with those that hear and look, and that are being let go of
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


def _failures() -> tuple[type[Exception], ...]:
    from redis.exceptions import RedisError  # noqa: PLC0415 - loaded by then

    return RedisError, OSError, TimeoutError


def _is_gone(error: Exception) -> bool:
    """Whether an answer says that nobody there would do it now: a replica, one whose disk is full, one that does not
    let us. Any other is a mistake of ours."""
    from redis.exceptions import MasterDownError, NoPermissionError, ReadOnlyError  # noqa: PLC0415 - loaded by then

    known = isinstance(error, MasterDownError | NoPermissionError | ReadOnlyError)
    return known or _GONE.match(str(error)) is not None


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__ if not isinstance(error, TimeoutError) else "it does not answer in time"
