"""Scripts that wait for their calls: memory of each, what one costs to begin, and how long it takes to go on.

    python -m bench.suspended [COUNT ...]        default: 1000 10000
    python -m bench.suspended --moved [MB ...]   default: 1 8 32 127

With ``--moved`` a run with an image of so many megabytes waits in a worker that is killed, and goes on in another one:
how long the event loop that moves it does nothing else meanwhile, in its thread's own processor time and by the clock.

Memory is all that the pool's own process and those below it hold more than before, which root alone may read. Each
count is measured in a process of its own.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Final

import uvloop

from bench.memory import proportional_bytes
from sandbox import values
from sandbox.host import HostCall
from sandbox.outcome import Completion, Returned
from sandbox.pool import Pool, PoolSettings
from sandbox.process import WorkerSettings
from sandbox.program import Invocation, Limits, Program
from sidecar import hosts
from sidecar.bench.servers import descendants, processor_times

SCRIPT: Final = """
async function main(data, ctx) {
  await ctx.answer();
  for (;;) {
    const choice = await ctx.ivr('ivr/menu.wav', 5, 1, 1, '#');
    await ctx.tts('You chose ' + choice.value);
  }
}
"""
INPUT: Final = values.encode(
    {
        "call": {
            "id": "c",
            "actions": 100_000,
            "headers": [["X-A", "b"]] * 10,
            "variables": {},
            "known": {"sip_from_user": "44207"},
        },
        "data": {"cli": "44207", "dest_number": "100"},
        "vars": {},
    }
)
ANSWER: Final = {"status": "success", "value": "1"}
TURNS: Final = 2_000

HOLDER: Final = """
async function main(bytes) {
  const held = new Uint8Array(bytes).fill(7);
  await ask('how long?');
  let sum = 0;
  for (let at = 0; at < bytes; at += 4096) sum += held[at];
  return sum;
}
"""
HOLDER_ADAPTER: Final = """(({ host }) => {
  globalThis.ask = (...values) => host("ask", values);
  return { prepare: (input) => input, collect: (data, returned) => returned, caught: () => undefined };
})"""
MOVES: Final = 5


class Asked:
    """A host that answers nothing by itself."""

    def __init__(self) -> None:
        self.waiting: list[HostCall] = []
        self.event = asyncio.Event()

    def asked(self, call: HostCall) -> None:
        self.waiting.append(call)
        self.event.set()

    def ended(self) -> None:
        """Do nothing: of a call that ended, nothing is kept here."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """So many scripts that wait."""

    count: int
    daemon_bytes: float
    """Each, in the process that keeps the pool."""
    workers_bytes: float
    """Each, in its workers and their parent."""
    begun_seconds: float
    """Until all waited."""
    begun_micros: float
    """Processor time of the workers to begin one."""
    there_and_back: list[float]
    """Microseconds from an answer to the script's next question, in order."""

    @property
    def bytes_each(self) -> float:
        """All told."""
        return self.daemon_bytes + self.workers_bytes

    @property
    def p50_micros(self) -> float:
        """Of there and back."""
        return median(self.there_and_back)

    def __str__(self) -> str:
        p99 = quantiles(self.there_and_back, n=100)[98]
        return (
            f"{self.count:6d} waiting: {self.bytes_each / 1e3:.0f} kB each, of which workers "
            f"{self.workers_bytes / 1e3:.0f}; {self.bytes_each * self.count / 1e9:.2f} GB; "
            f"begun at {self.count / self.begun_seconds:.0f}/s, "
            f"{self.begun_micros:.0f} us of worker each; there and back p50 {self.p50_micros:.0f} us, p99 {p99:.0f} us"
        )


def _memory() -> tuple[int, int]:
    """Bytes of this process and of those below it."""
    own = os.getpid()
    return proportional_bytes(own), sum(map(proportional_bytes, descendants(own)))


async def _waiting(count: int) -> Waiting:
    pool = Pool(
        PoolSettings(
            workers=1,
            slow_workers=0,
            worker=WorkerSettings(memory_bytes=8_000_000_000),
            queue_bytes=(count + 1) * 100_000,
        )
    )
    await pool.start()
    program = Program(
        key="menu",
        name="menu.js",
        suspends=True,
        text=SCRIPT,
        adapter=hosts.source("call"),
        memory_bytes=20_000_000,
        shared_memory=False,
    )
    limits = Limits(wall_seconds=3600, turn_seconds=2.0, cpu_seconds=60.0)
    host = Asked()
    waiting, asked = host.waiting, host.event

    def done(completion: Completion) -> None:
        if completion.run_micros:
            print("ended:", completion.outcome)

    async def until_waiting(least: int) -> None:
        while len(waiting) < least:
            asked.clear()
            await asyncio.wait_for(asked.wait(), 30)

    memory, times, began = _memory(), processor_times(os.getpid()), time.perf_counter()
    for number in range(count):
        pool.submit(Invocation(program=program, input=INPUT, limits=limits), done, host)
        await until_waiting(number - 200)
    await until_waiting(count)
    seconds = time.perf_counter() - began
    _, used = processor_times(os.getpid()).since(times)
    daemon, workers = (now - before for now, before in zip(_memory(), memory, strict=True))
    micros = []
    for turn in range(TURNS):
        call = waiting[turn % count]
        start = time.perf_counter()
        call.resolve(ANSWER)
        await until_waiting(count + 1)
        micros.append((time.perf_counter() - start) * 1e6)
        waiting[turn % count] = waiting.pop()
    await pool.close()
    return Waiting(count, daemon / count, workers / count, seconds, used / count * 1e6, micros)


@dataclass(frozen=True, slots=True)
class Moved:
    """Runs with an image of one size that each went on in another worker."""

    megabytes: int
    busy: list[float]
    """Milliseconds of its thread's processor time that the event loop was at one thing at most, of each move."""
    still: list[float]
    """The same by the clock."""
    seconds: list[float]
    """From the end of the worker to the end of the run."""

    def __str__(self) -> str:
        return (
            f"{self.megabytes:4d} MB moved: the loop at one thing for {median(self.busy):.1f} ms of its processor time"
            f" (at most {max(self.busy):.1f}), {median(self.still):.1f} by the clock; {median(self.seconds):.2f} s"
        )


class Standstill:
    """The longest that an event loop was at one thing."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.begin()
        self._tick()

    def begin(self) -> None:
        self.busy = self.still = 0.0
        self._busy, self._clock = time.thread_time(), time.perf_counter()

    def _tick(self) -> None:
        busy, clock = time.thread_time(), time.perf_counter()
        self.busy, self.still = max(self.busy, busy - self._busy), max(self.still, clock - self._clock)
        self._busy, self._clock = busy, clock
        self._loop.call_soon(self._tick)


async def _moved(megabytes: int) -> Moved:
    worker = WorkerSettings(memory_bytes=2_000_000_000)
    pool = Pool(PoolSettings(workers=2, slow_workers=0, worker=worker))
    await pool.start()
    program = Program(
        key="holder",
        name="holder.js",
        suspends=True,
        text=HOLDER,
        adapter=HOLDER_ADAPTER,
        memory_bytes=300_000_000,
    )
    limits = Limits(wall_seconds=3600, turn_seconds=30.0, cpu_seconds=60.0)
    standstill = Standstill()
    moved = Moved(megabytes, [], [], [])
    for _ in range(MOVES):
        host, loop = Asked(), asyncio.get_running_loop()
        done: asyncio.Future[Completion] = loop.create_future()
        invocation = Invocation(program=program, input=values.encode(megabytes * 1_000_000), limits=limits)
        run = pool.submit(invocation, done.set_result, host)
        await asyncio.wait_for(host.event.wait(), 60)
        assert run.worker is not None
        began = time.perf_counter()
        os.kill(run.worker.process.pid, signal.SIGKILL)
        standstill.begin()
        host.waiting[0].resolve(ANSWER)
        completion = await asyncio.wait_for(done, 60)
        moved.busy.append(standstill.busy * 1e3)
        moved.still.append(standstill.still * 1e3)
        moved.seconds.append(time.perf_counter() - began)
        if not isinstance(completion.outcome, Returned):
            print("ended:", completion.outcome)
    await pool.close()
    return moved


def measure_moved(megabytes: int) -> Moved:
    """Measure in a process of its own, whose memory nothing was in before."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_measure_moved, megabytes).result()


def _measure_moved(megabytes: int) -> Moved:
    measured: Moved = uvloop.run(_moved(megabytes))
    return measured


def measure(count: int) -> Waiting:
    """Measure in a process of its own, whose memory nothing was in before."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_measure, count).result()


def _measure(count: int) -> Waiting:
    measured: Waiting = uvloop.run(_waiting(count))
    return measured


if __name__ == "__main__":
    if sys.argv[1:2] == ["--moved"]:
        for asked_for in [int(text) for text in sys.argv[2:]] or [1, 8, 32, 127]:
            print(measure_moved(asked_for))
    else:
        for asked_for in [int(text) for text in sys.argv[1:]] or [1_000, 10_000]:
            print(measure(asked_for))
