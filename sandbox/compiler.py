"""A worker that compiles authors' texts and runs none of them: what the engine itself says of their syntax."""

import asyncio
import time
from types import TracebackType
from typing import Any, Final, Self

from sandbox import exit_status, link, messages_down
from sandbox.answers import read_outcome
from sandbox.errors import SandboxError, WorkerFailed
from sandbox.installation import require_engine
from sandbox.messages_up import DoneMessage, FailedMessage, MessageUp
from sandbox.outcome import Threw
from sandbox.parent import Parent
from sandbox.process import WorkerProcess, WorkerSettings
from sandbox.program import Invocation, Limits, Program

COMPILE_SECONDS: Final = 3.0
"""The engine gives up after one second of processor time."""
_NEVER_BEGUN: Final = (
    "({prepare: () => { throw 0 }, collect: (data, returned) => returned,"
    " caught: (thrown) => thrown === 0 ? null : undefined})"
)
"""A run of it ends when the text has been compiled, before any of it is run."""


class Compiler:
    """Used as a context manager, in one thread that has no event loop running: each call blocks until it is answered.

    The worker is started with the first text and ended with the context; one that it dies of is followed by another.
    """

    def __init__(self, settings: WorkerSettings, parent: Parent | None = None) -> None:
        """``parent`` is what the worker is forked from, another's to close; without one there is one for as long, and
        the thread has to be the main one."""
        self._settings = settings
        self._parent = parent or Parent()
        self._owns_parent = parent is None
        self._runner: asyncio.Runner | None = None
        self._process: WorkerProcess | None = None
        self._answer: asyncio.Future[MessageUp] | None = None
        self._compiled = 0
        self._packages: set[str] = set()
        """Keys of those that the worker has been sent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            with runner:
                runner.run(self._close())

    def compile(self, text: str, name: str, *, suspends: bool, **more: Any) -> Threw | None:
        """What the engine says is wrong with a text, None where it compiles it or has no time to. ``more`` is what else
        there is to say of its `Program`.

        Raises EngineMissing, ConfinementRefused, WorkerFailed or OSError where there is no worker to ask.
        """
        if self._runner is None:
            # It has Ctrl-C end what is under way, and not break off wherever in it.
            self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        return self._runner.run(self._compile(text, name, suspends=suspends, **more))

    async def _compile(self, text: str, name: str, *, suspends: bool, **more: Any) -> Threw | None:
        process = self._process or await self._start()
        self._compiled += 1
        key = f"{self._compiled}"
        program = Program(key=key, name=name, suspends=suspends, text=text, adapter=_NEVER_BEGUN, **more)
        invocation = Invocation(program=program, input=link.NIL, limits=Limits(wall_seconds=COMPILE_SECONDS))
        for package in program.packages.values():
            if package.key not in self._packages:
                self._packages.add(package.key)
                process.send(messages_down.package(package))
        process.send(messages_down.load(program))
        process.begin(self._compiled, invocation, time.monotonic() + COMPILE_SECONDS, 0, 0.0)
        process.send(messages_down.forget(program.key))
        try:
            message = await self._next(2 * COMPILE_SECONDS)
        except (TimeoutError, WorkerFailed):
            await self._end()
            return None
        if not isinstance(message, DoneMessage):
            return None
        outcome = read_outcome(invocation, message.tag, message.payload)
        return outcome if isinstance(outcome, Threw) else None

    async def _start(self) -> WorkerProcess:
        require_engine()
        process = self._process = WorkerProcess(self._message, self._exited)
        try:
            if self._owns_parent:
                self._parent.start()
            await process.start(self._parent, self._settings, 0)
        except (SandboxError, OSError):
            await self._end()
            raise
        return process

    async def _next(self, seconds: float) -> MessageUp:
        self._answer = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(seconds):
            return await self._answer

    async def _close(self) -> None:
        await self._end()
        if self._owns_parent:
            self._parent.close()

    async def _end(self) -> None:
        process, self._process = self._process, None
        self._packages.clear()
        if process is not None and process.ordered:
            process.kill()
            await process.wait_gone()

    def _message(self, process: WorkerProcess, message: MessageUp) -> None:
        answer = self._answer
        if process is not self._process or answer is None or answer.done():
            return
        if isinstance(message, FailedMessage):
            answer.set_exception(WorkerFailed(message.reason))
        elif isinstance(message, DoneMessage):
            answer.set_result(message)

    def _exited(self, process: WorkerProcess) -> None:
        answer = self._answer
        if process is self._process and answer is not None and not answer.done():
            answer.set_exception(WorkerFailed(f"a worker ended: {exit_status.cause(process.exit_code or 0)}"))
