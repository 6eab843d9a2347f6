"""Scripts that decide, in no time: their timers and ``Date`` are put forward over all that they wait for."""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import datetime

import msgspec
from msgspec import structs

from sandbox.host import Host
from sandbox.outcome import Completion
from sandbox.program import Invocation
from sidecar.phone.clock import Clock
from sidecar.phone.script_watch import ScriptWatch
from sidecar.runs.clock import since_1970
from sidecar.runs.runner import Running, ScriptRunner


class DistinctRuns:
    """A `sidecar.runs.runner.ScriptRunner` around another, for one version of a script with now these modules around it
    and now those: its workers load each as a program of its own."""

    def __init__(self, runner: ScriptRunner) -> None:
        self._runner = runner

    def submit(self, invocation: Invocation, done: Callable[[Completion], None], host: Host | None = None) -> Running:
        """Run a script."""
        program = invocation.program
        around = msgspec.json.encode([program.adapter, program.modules, program.environment])
        key = f"{program.key}#{hashlib.sha256(around).hexdigest()}"
        invocation = structs.replace(invocation, program=structs.replace(program, key=key))
        return self._runner.submit(invocation, done, host)


class VirtualRuns:
    """A `sidecar.runs.runner.ScriptRunner` around another, on a `SkippingLoop`.

    A run's time limit is one of the time that it sees: what it waits for, and no machine's business.
    """

    def __init__(self, runner: ScriptRunner, begin: datetime) -> None:
        """``begin`` is the scripts' time when a run begins."""
        self._runner = runner
        self._begin = begin
        self._plays: set[asyncio.Task[None]] = set()

    def submit(self, invocation: Invocation, done: Callable[[Completion], None], host: Host | None = None) -> Running:
        """Run a script."""
        if not invocation.program.suspends:
            now = structs.replace(invocation, clock=since_1970(self._begin))
            return self._runner.submit(now, done, host)
        clock, changed = Clock(skips=True), asyncio.Event()
        watch = ScriptWatch(self._runner, clock, lambda _line: None, own_time=True, changed=changed, begin=self._begin)
        # Of a run that ends at once, as one without a worker does, there is nothing to play.
        running = watch.submit(invocation, done, host)
        play = asyncio.get_running_loop().create_task(_play(watch, clock, changed, running))
        self._plays.add(play)
        play.add_done_callback(self._plays.discard)
        return running


async def _play(watch: ScriptWatch, clock: Clock, changed: asyncio.Event, running: Running) -> None:
    with clock.stopped():
        while not watch.over:
            await watch.idle()
            if watch.over:
                return
            if clock.waits:
                await clock.advance(changed)
            elif not await watch.release():
                running.cancel()
