"""What the tests of the sandbox share: a small adapter, a context driven in process, a pool asked one run at a time."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgpack

from sandbox.engine import Context, RunBounds, Status
from sandbox.host import Host, HostCall
from sandbox.outcome import Completion, Returned, Threw
from sandbox.parent import Parent
from sandbox.pool import Pool, PoolSettings, Run
from sandbox.process import WorkerProcess, WorkerSettings
from sandbox.program import Invocation, Limits, Program
from sandbox.stack import threw
from sandbox.status import Tag

ADAPTER = """({
  prepare: (input) => input,
  collect: (data, returned) => (returned === undefined ? data : returned),
  caught: (error) => (Array.isArray(error) ? { refused: error } : undefined),
})"""
HOST_ADAPTER = """(({ host }) => {
  globalThis.ask = (...values) => host("ask", values);
  return { prepare: (input) => input, collect: (data, returned) => returned, caught: () => undefined };
})"""
"""Grants ``ask(...)``, a host call."""

SUSPENDS = True
NATIVE_LOOP = "function main() { new Array(2**32-1).sort(); }"
"""The engine does not interrupt it."""
BUSY = "function main(ms) { const end = Date.now() + ms; while (Date.now() < end); return ms; }"
WAIT = "const main = (ms) => new Promise((resolve) => setTimeout(resolve, ms, ms))"
HOSTILE = "function main() { for (;;); }"
FINE = "function main(data) { return data; }"


def program(text: str, suspends: bool = False, *, key: str = "", adapter: str = ADAPTER, **more: Any) -> Program:
    """A program whose key is its text."""
    return Program(
        key=key or f"{suspends}:{text}", name="author.js", suspends=suspends, text=text, adapter=adapter, **more
    )


def packed(value: Any) -> bytes:
    """MessagePack of a value; half of a surrogate pair is a question mark."""
    made: bytes = msgpack.packb(value, unicode_errors="replace")
    return made


def unpacked(text: bytes) -> Any:
    """The value of MessagePack."""
    return msgpack.unpackb(text, strict_map_key=False)


def returned(value: Any) -> Returned:
    """The outcome of a run that returned this."""
    return Returned(packed(value))


def written(status: Status) -> str:
    """A status in one text: a tag, a flag, and a payload, of a result as JSON."""
    returned = status.tag is Tag.RETURNED and status.payload
    payload = (
        json.dumps(unpacked(status.payload), separators=(",", ":"), ensure_ascii=False)
        if returned
        else status.payload.decode()
    )
    return f"{status.tag}{status.lines + 2 * status.calls}{payload}"


ASKS = program("async function main(n) { return [n, await ask(n)]; }", SUSPENDS, adapter=HOST_ADAPTER)


def suspended(context: Context, most: int, owner: bytes) -> bytes | None:
    """The run in a context taken out as an image, whose it is; None where that has more than ``most`` bytes. The run is
    lost then."""
    size = context.take_out(most)
    if size is None:
        return None
    image = bytearray(size)
    context.write(memoryview(image), owner)
    return bytes(image)


class Driven:
    """One context, in this process, with a clock that the test moves."""

    def __init__(
        self,
        text: str,
        suspends: bool = False,
        *,
        adapter: str = ADAPTER,
        bounds: RunBounds | None = None,
        **more: Any,
    ) -> None:
        self.context = Context(suspends)
        self.bounds = bounds or RunBounds(1_000_000, 16_384, 1_000)
        self.now = 1000.0
        self.log: list[list[str]] = []
        self.calls: list[list[Any]] = []
        self.program = program(text, suspends, adapter=adapter, **more)
        loaded = self.context.load(self.program)
        self.loaded = written(loaded) if isinstance(loaded, Status) else ""

    def start(self, data: Any = None, *, cpu: float = 2.0, correlation_id: str = "") -> str:
        """Begin a run and go on until it has a status or waits."""
        if self.loaded:
            return self.loaded
        self.context.limit_time(cpu)
        return self._settled(self.context.start(packed(data), correlation_id, self.now, "main", self.bounds))

    def fire(self, milliseconds: float) -> str:
        """Let time pass and the next timer ring."""
        self.now += milliseconds
        self._wait()
        return self._settled(self.context.fire(self.now))

    def settle(self, call_id: int, value: Any, succeeded: bool = True) -> str:
        """Answer a host call."""
        self._wait()
        return self._settled(self.context.settle(call_id, succeeded, packed(value), self.now))

    def run(self, data: Any = None, **more: Any) -> Any:
        """A whole run: its result, or the Threw, or the raw status of anything else."""
        status = self.start(data, **more)
        while status[0] == "W" and len(status) > 2:
            status = self.fire(max(0.0, float(status[2:])))
        if status[0] == "R":
            return json.loads(status[2:])
        return threw("author.js", status[2:].encode()) if status[0] == "E" else status

    def _wait(self) -> None:
        """What waits in a worker is an image meanwhile."""
        image = suspended(self.context, 100_000_000, b"test")
        assert image is not None
        self.context.resume(image, b"test")

    def _settled(self, status: Status) -> str:
        while status.tag is Tag.WAITING and self.context.run_jobs(64):
            status = self.context.poll(self.context.idle)
        if status.tag is Tag.WAITING:
            status = self.context.poll(True)
        if status.lines:
            self.log += unpacked(self.context.take_log())
        if status.tag is Tag.WAITING and status.calls:
            self.calls += unpacked(self.context.take_outbox())
        return written(status)


def result(text: str, data: Any = None, suspends: bool = False, *, cpu: float = 2.0, **more: Any) -> Any:
    """What one run of a script in a fresh context gives."""
    return Driven(text, suspends, **more).run(data, cpu=cpu)


def thrown(text: str, data: Any = None, suspends: bool = False, **more: Any) -> Threw:
    """The error of one run in a fresh context."""
    error = result(text, data, suspends, **more)
    assert isinstance(error, Threw), error
    return error


class Asked:
    """A host that keeps what it is asked, or answers it as it is told to."""

    def __init__(self, answer: Callable[[HostCall], None] | None = None) -> None:
        self.calls: list[HostCall] = []
        self.ends = 0
        self._answer = answer

    def asked(self, call: HostCall) -> None:
        self.calls.append(call)
        if self._answer is not None:
            self._answer(call)

    def ended(self) -> None:
        self.ends += 1


SMALL = PoolSettings(workers=1, slow_workers=1)


@asynccontextmanager
async def running_pool(settings: PoolSettings = SMALL) -> AsyncIterator[Pool]:
    """A pool that serves, and is closed at the end."""
    pool = Pool(settings)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


def submit(
    pool: Pool,
    text: str | Program | Invocation,
    data: Any = None,
    suspends: bool = False,
    host: Host | None = None,
    **limits: Any,
) -> tuple[Run, asyncio.Future[Completion]]:
    """Submit and give the run with a future of its completion."""
    future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
    if isinstance(text, Invocation):
        return pool.submit(text, future.set_result, host), future
    invocation = Invocation(
        program=text if isinstance(text, Program) else program(text, suspends),
        input=packed(data),
        limits=Limits(**limits),
    )
    return pool.submit(invocation, future.set_result, host), future


def call(pool: Pool, customer: str, text: str = "const main = () => ask(1)", **limits: Any) -> Any:
    """A run that waits for its host, or does as it is told."""
    run = program(text, SUSPENDS, adapter=HOST_ADAPTER)
    limit = Limits(wall_seconds=600, turn_seconds=limits.pop("turn_seconds", 0.3), cpu_seconds=9)
    host = Asked()
    invocation = Invocation(program=run, input=packed(1), limits=limit, customer=customer)
    return submit(pool, invocation, host=host)[1], host


async def ask(pool: Pool, text: str | Program, data: Any = None, suspends: bool = False, **limits: Any) -> Completion:
    """Run once and wait for the completion."""
    async with asyncio.timeout(60):
        return await submit(pool, text, data, suspends, **limits)[1]


async def value(pool: Pool, text: str | Program, data: Any = None, suspends: bool = False, **limits: Any) -> Any:
    """What a run returned."""
    outcome = (await ask(pool, text, data, suspends, **limits)).outcome
    assert isinstance(outcome, Returned), outcome
    return unpacked(outcome.value)


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something that has no event of its own, such as the state of the kernel's process table."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.005)


def workers(pool: Pool) -> dict[int, Any]:
    """The pool's books by process id: what a test must kill or stop, it has to find."""
    return {process.pid: worker for process, worker in pool._supervisor._workers.items()}


def fast_pid(pool: Pool) -> int:
    return next(pid for pid, worker in workers(pool).items() if worker.lane == "fast")


async def running(pool: Pool, run: Run) -> int:
    """Wait until a worker is in this run, and give its process id."""
    await until(lambda: run.worker is not None and run.worker.process.running == run.id)
    assert run.worker is not None
    return run.worker.process.pid


async def begun(run: Run) -> None:
    """Wait until a run that waits has had its first turn."""

    def waits() -> bool:
        process = run.worker.process if run.worker is not None else None
        return process is not None and process.begun >= run.id > 0 and not process.running

    await until(waits)


def whole(pool: Pool) -> bool:
    """Whether a pool of SMALL has all of its workers."""
    state = pool.state()
    return (state.fast, state.slow, state.spare) == (1, 1, 1)


async def worker(forks: Parent) -> WorkerProcess:
    """A worker that serves, which the test ends."""
    process = WorkerProcess(lambda *_: None, lambda _: None)
    await process.start(forks, WorkerSettings(), 0)
    return process


async def end(process: WorkerProcess) -> None:
    """Of such a worker."""
    process.kill()
    await process.wait_gone()


def descriptors_of(pid: int) -> set[str]:
    """What a process has open."""
    return {entry.name for entry in Path(f"/proc/{pid}/fd").iterdir()}
