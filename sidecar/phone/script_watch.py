"""Between a call and its script: what the script waits for, and when it has nothing left to do."""

import asyncio
import contextlib
from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final

import msgspec

from sandbox.outcome import Completion
from sandbox.program import Invocation
from sidecar.calls.script_run import Script, ScriptRunner
from sidecar.phone.clock import Clock, Timer

_AROUND: Final = (files(__package__) / "virtual_time.js").read_text(encoding="utf-8")

RELEASE_SECONDS: Final = 2.0
"""For the engine to end a script that waits for nothing."""


class WatchedScript:
    """A run whose answers are counted."""

    def __init__(self, watch: "ScriptWatch", script: Script) -> None:
        self._watch = watch
        self._script = script

    def cancel(self) -> None:
        """Give it up."""
        self._script.cancel()

    def settle(self, call_id: int, value: bytes) -> None:
        """Answer a host call."""
        self._watch.answering(call_id)
        self._script.settle(call_id, value)

    def fail_call(self, call_id: int, error: bytes) -> None:
        """Answer a host call with an error."""
        self._watch.answering(call_id)
        self._script.fail_call(call_id, error)


class ScriptWatch:
    """A `sidecar.calls.script_run.ScriptRunner` around another, for one call."""

    def __init__(
        self,
        runner: ScriptRunner,
        clock: Clock,
        logged: Callable[[str], None],
        *,
        own_time: bool,
        changed: asyncio.Event,
    ) -> None:
        self._runner = runner
        self._clock = clock
        self._logged = logged
        self._own_time = own_time
        self._changed = changed
        self._script: Script | None = None
        self._waiting: dict[int, str] = {}
        self._timers: dict[int, tuple[int, Timer]] = {}
        self._probe: int | None = None
        self._probe_came = asyncio.Event()
        self._firing = False
        self._answers = 0
        self.over = False

    @property
    def listening(self) -> bool:
        """Whether the script waits for keys."""
        return "digits" in self._waiting.values()

    @property
    def waits_for_hangup(self) -> bool:
        """Whether the script waits for the call's end."""
        return "hangup" in self._waiting.values()

    async def idle(self) -> None:
        """Return once the script has nothing left to do until something happens; at once if it has ended.

        A worker takes messages in their order. So when the answer to a question comes back, all that went before has
        been done, and what that asked for has been heard.
        """
        while not self.over and self._own_time:
            await self._probe_back()
            if self.over or self._probe is None or self._script is None:
                return
            answers = self._answers
            self._ask(b"true")
            await self._probe_back()
            if self._answers == answers and not self._firing:
                return

    async def _probe_back(self) -> None:
        while self._probe is None and not self.over:
            self._probe_came.clear()
            await self._probe_came.wait()

    async def release(self) -> bool:
        """Ask no more whether it is idle, so that the engine finds out that nothing can happen and ends it. False where
        it does not."""
        if self._probe is not None:
            self._own_time = False
            self._ask(b"false")
            with contextlib.suppress(TimeoutError), self._clock.stopped(False):
                async with asyncio.timeout(RELEASE_SECONDS):
                    while not self.over:
                        self._probe_came.clear()
                        await self._probe_came.wait()
        return self.over

    def _ask(self, again: bytes) -> None:
        probe, self._probe = self._probe, None
        if self._script is not None and probe is not None:
            self._script.settle(probe, again)

    def submit(
        self,
        invocation: Invocation,
        done: Callable[[Completion], None],
        on_call: Callable[[Any, int, str, list[Any]], None] | None = None,
    ) -> Script:
        """Run a script."""
        if self._own_time:
            program = invocation.program
            adapter = _AROUND.replace("ADAPTER", program.adapter)
            invocation = msgspec.structs.replace(invocation, program=msgspec.structs.replace(program, adapter=adapter))

        def ended(completion: Completion) -> None:
            self.over = True
            for _, timer in self._timers.values():
                timer.cancel()
            done(completion)
            self._tell()

        def called(script: Script, call_id: int, name: str, arguments: list[Any]) -> None:
            self._script = script
            if name == "idle":
                self._probe = call_id
                self._firing = bool(arguments[0])
            elif name == "timer":
                self._timer(script, call_id, *arguments)
            elif name == "clear":
                self._clear(script, call_id, arguments[0])
            elif on_call is not None:
                if name == "log" and arguments:
                    self._logged(str(arguments[0]))
                self._waiting[call_id] = name
                on_call(WatchedScript(self, script), call_id, name, arguments)
            self._tell()

        return WatchedScript(self, self._runner.submit(invocation, ended, called))

    def answering(self, call_id: int) -> None:
        """A host call is being answered."""
        self._answers += 1
        self._waiting.pop(call_id, None)

    def _timer(self, script: Script, call_id: int, number: int, milliseconds: float) -> None:
        def due() -> None:
            del self._timers[number]
            self._answers += 1
            script.settle(call_id, b"null")
            self._tell()

        self._timers[number] = (call_id, self._clock.call_later(milliseconds / 1000, due))

    def _clear(self, script: Script, call_id: int, number: int) -> None:
        self._answers += 1
        script.settle(call_id, b"null")
        found = self._timers.pop(number, None)
        if found is not None:
            timer_call, timer = found
            timer.cancel()
            script.settle(timer_call, b"null")

    def _tell(self) -> None:
        self._probe_came.set()
        self._changed.set()
