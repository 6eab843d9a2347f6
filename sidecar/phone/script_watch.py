"""Between a call and its script: what the script waits for, and when it has nothing left to do."""

import asyncio
import contextlib
import functools
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from typing import Final

import msgspec

from sandbox.host import Host, HostCall
from sandbox.outcome import Completion
from sandbox.program import Invocation
from sidecar.hosts.modules.pubsub import HEARING
from sidecar.phone.clock import Clock, Timer
from sidecar.runs.clock import since_1970
from sidecar.runs.runner import Running, ScriptRunner

_AROUND: Final = (files(__package__) / "virtual_time.js").read_text(encoding="utf-8")

RELEASE_SECONDS: Final = 2.0
"""How long the engine has to end a script that waits for nothing."""


class ScriptWatch:
    """A `sidecar.runs.runner.ScriptRunner` around another, for one call, and the `Host` between the two."""

    def __init__(
        self,
        runner: ScriptRunner,
        clock: Clock,
        logged: Callable[[str], None],
        *,
        own_time: bool,
        changed: asyncio.Event,
        begin: datetime | None = None,
    ) -> None:
        """``begin`` is the script's time when the call comes; None for the real one."""
        self._runner = runner
        self._clock = clock
        self._logged = logged
        self._own_time = own_time
        self._changed = changed
        self._given = own_time
        """Whether the script's time is the call's: as long as it runs, while its own time may end before."""
        self._began = since_1970(begin or datetime.now(UTC)) if begin or own_time else None
        self._host: Host | None = None
        self._waiting: set[HostCall] = set()
        """What the script asked of the call and has no answer to."""
        self._timers: dict[int, tuple[HostCall, Timer]] = {}
        self._probe: HostCall | None = None
        self._probe_came = asyncio.Event()
        self._answers = 0
        self.over = False

    @property
    def listening(self) -> bool:
        """Whether the script waits for keys."""
        return any(call.name == "digits" for call in self._waiting)

    @property
    def waits_for_hangup(self) -> bool:
        """Whether the script waits for the call's end."""
        return any(call.name == "hangup" for call in self._waiting)

    async def idle(self) -> None:
        """Return once the script has nothing left to do until something happens; at once if it has ended.

        A worker takes messages in their order. So when the answer to a question comes back, all that went before has
        been done, and what that asked for has been heard.
        """
        while not self.over and self._own_time:
            await self._modules_answered()
            await self._probe_back()
            if self.over or self._probe is None:
                return
            answers = self._answers
            self._ask(True)
            await self._probe_back()
            if self._answers == answers and self._modules_are_silent():
                return

    def _modules_are_silent(self) -> bool:
        """Whether no module of the host has a question of the script's to answer; their calls alone have a dot. What it
        hears comes when it comes."""
        return not any("." in call.name and call.name != HEARING for call in self._waiting)

    async def _modules_answered(self) -> None:
        # What a module of the host takes is no time of the call's, of which there may be none.
        while not self._modules_are_silent() and not self.over:
            self._probe_came.clear()
            await self._probe_came.wait()

    async def _probe_back(self) -> None:
        while self._probe is None and not self.over:
            self._probe_came.clear()
            await self._probe_came.wait()

    async def release(self) -> bool:
        """Ask no more whether it is idle, so that the engine finds out that nothing can happen and ends it. False where
        it does not."""
        if self._probe is not None:
            self._own_time = False
            self._ask(False)
            with contextlib.suppress(TimeoutError), self._clock.stopped(False):
                async with asyncio.timeout(RELEASE_SECONDS):
                    while not self.over:
                        self._probe_came.clear()
                        await self._probe_came.wait()
        return self.over

    def _ask(self, again: bool) -> None:
        probe, self._probe = self._probe, None
        if probe is not None:
            probe.resolve(again, self._now)

    def submit(self, invocation: Invocation, done: Callable[[Completion], None], host: Host | None = None) -> Running:
        """Run a script."""
        program = invocation.program
        if self._own_time:
            # An adapter is a statement of its own, with a semicolon where its formatter has put one.
            adapter = f"({program.adapter.rstrip().removesuffix(';')})"
            program = msgspec.structs.replace(program, adapter=_AROUND.replace("ADAPTER", adapter))
        invocation = msgspec.structs.replace(invocation, program=program, clock=self._began, clock_given=self._own_time)

        def over(completion: Completion) -> None:
            done(completion)
            self._tell()

        self._host = host
        return self._runner.submit(invocation, over, self)

    def asked(self, call: HostCall) -> None:
        """The script asks for its own time, or something of the call."""
        if call.name == "idle":
            self._probe = call
        elif call.name == "timer":
            self._timer(call, *call.arguments)
        elif call.name == "clear":
            self._clear(call, call.arguments[0])
        elif self._host is not None:
            if call.name == "log" and call.arguments:
                self._logged(str(call.arguments[0]))
            watched = HostCall(call.name, call.arguments, functools.partial(self._answered, call))
            self._waiting.add(call)
            self._host.asked(watched)
        self._tell()

    def ended(self) -> None:
        """The script is over."""
        self.over = True
        for _, timer in self._timers.values():
            timer.cancel()
        if self._host is not None:
            self._host.ended()

    def _answered(self, call: HostCall, succeeded: bool, value: bytes, _: float | None) -> None:
        self._answers += 1
        self._waiting.discard(call)
        call.answer(succeeded, value, self._now)
        self._tell()

    def _timer(self, call: HostCall, number: int, milliseconds: float) -> None:
        def due() -> None:
            del self._timers[number]
            self._answers += 1
            call.resolve(clock=self._now)
            self._tell()

        self._timers[number] = (call, self._clock.call_later(milliseconds / 1000, due))

    def _clear(self, call: HostCall, number: int) -> None:
        self._answers += 1
        call.resolve(clock=self._now)
        found = self._timers.pop(number, None)
        if found is not None:
            timer_call, timer = found
            timer.cancel()
            timer_call.resolve(clock=self._now)

    @property
    def _now(self) -> float | None:
        """The script's time, where that is the call's."""
        return None if self._began is None or not self._given else self._began + self._clock.now * 1000

    def _tell(self) -> None:
        self._probe_came.set()
        self._changed.set()
