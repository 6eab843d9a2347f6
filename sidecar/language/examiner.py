"""Who has scripts examined without a stop of its event loop: short ones in a thread, long ones in a process."""

import asyncio
import contextlib
import sys
from typing import Final

import msgspec

from sidecar.language.check import CHECK_SECONDS
from sidecar.language.examination import Examination, Examined, examine
from sidecar.language.examination_messages import LENGTH, MESSAGE_BYTES, Answering, asking
from sidecar.language.prepared import PREPARE_SECONDS
from sidecar.logs.logger import ActionLogger
from sidecar.problem import Problem, Severity

_log = ActionLogger(__name__)

LONG_CHARACTERS: Final = 16_384
"""Of all texts together, from which on a thread would hold the interpreter for more than a millisecond at a time. What
is shorter waits for no long one of somebody else's."""
EXAMINE_SECONDS: Final = CHECK_SECONDS + PREPARE_SECONDS + 5
"""For one script: what takes longer keeps no deadline of its own."""
START_SECONDS: Final = 20.0
_PROCESS: Final = "sidecar.language.examining"


class Examiner:
    """Has one process beside its own, which begins with `start` or with the first long text, and is replaced where it
    has died or has not answered in its time."""

    def __init__(self, *, module: str = _PROCESS, seconds: float = EXAMINE_SECONDS) -> None:
        self._module = module
        self._seconds = seconds
        self._process: asyncio.subprocess.Process | None = None
        self._is_ready = False
        """Whether the process has said that it is there."""
        self._turn = asyncio.Lock()
        self.replaced = 0
        """Processes that died or were too slow."""

    async def start(self) -> None:
        """Have the process begin before it is needed, which takes it some 0.3 s; they are not waited for. Raises
        OSError where there can be none."""
        async with self._turn:
            await self._begin()

    async def examine(self, asked: Examination) -> Examined:
        """As `sidecar.language.examination.examine`; a text at which the process dies, or which it does not get through
        in its time, has that for a problem. Where there can be no process it is done in a thread."""
        if asked.characters < LONG_CHARACTERS:
            return await asyncio.to_thread(examine, asked)
        async with self._turn:
            try:
                process = await self._begun()
            except OSError as error:
                _log.warning("examiner_not_started", error=str(error))
                return await asyncio.to_thread(examine, asked)
            try:
                async with asyncio.timeout(self._seconds):
                    return await _answered(process, asked)
            except TimeoutError:
                why = f"is too complex: looking through it took longer than {self._seconds:g} s"
            except (OSError, EOFError, msgspec.MsgspecError):
                why = "is too complex: the process that looked through it has ended"
            except asyncio.CancelledError:
                # It would give its answer to who asks next.
                await self._end()
                raise
            self.replaced += 1
            await self._end()
        return Examined((Problem(asked.path, 0, 0, Severity.ERROR, why),), None)

    async def close(self) -> None:
        """End the process; whoever waits for it is told that it has ended."""
        await self._end()

    async def _begin(self) -> asyncio.subprocess.Process:
        process = self._process
        if process is not None and process.returncode is None:
            return process
        await self._end()
        self._is_ready = False
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            # What lies where the platform was started is no module of ours.
            *("-P", "-m", self._module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Ctrl-C is told to the group of the terminal: it is ended by us.
            start_new_session=True,
        )
        return process

    async def _begun(self) -> asyncio.subprocess.Process:
        process = await self._begin()
        if self._is_ready:
            return process
        try:
            async with asyncio.timeout(START_SECONDS):
                await _read(process)
        except (TimeoutError, EOFError) as error:
            await self._end()
            raise OSError(f"the process that looks through scripts has not started: {error}") from error
        except asyncio.CancelledError:
            await self._end()
            raise
        self._is_ready = True
        return process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()
            with contextlib.suppress(OSError):
                await process.stdin.wait_closed()


async def _answered(process: asyncio.subprocess.Process, asked: Examination) -> Examined:
    asks = process.stdin
    if asks is None:
        raise EOFError
    for message in asking(asked):
        asks.write(message)
        await asks.drain()
    answering = Answering()
    while True:
        found = answering.take(await _read(process))
        if found is not None:
            return found


async def _read(process: asyncio.subprocess.Process) -> bytes:
    """One message. Raises EOFError, or OSError for one that is too long."""
    answers = process.stdout
    if answers is None:
        raise EOFError
    (length,) = LENGTH.unpack(await answers.readexactly(LENGTH.size))
    if length > MESSAGE_BYTES:
        raise OSError("too long a message")
    return await answers.readexactly(length)
