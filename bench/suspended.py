"""Scripts that wait for their calls: memory of each, and how long one takes to go on.

python bench/suspended.py [COUNT ...]        default: 1000 10000
"""

import asyncio
import sys
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import msgspec
import uvloop

from sandbox.host import HostCall
from sandbox.outcome import Completion
from sandbox.pool import Pool, PoolSettings
from sandbox.process import WorkerSettings
from sandbox.program import Invocation, Limits, Program
from sidecar import hosts

SCRIPT: Final = """
async function main(data, ctx) {
  await ctx.answer();
  for (;;) {
    const choice = await ctx.ivr('ivr/menu.wav', 5, 1, 1, '#');
    await ctx.tts('You chose ' + choice.value);
  }
}
"""
INPUT: Final = msgspec.json.encode(
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


def resident_bytes(pid: int) -> int:
    """What the process holds in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def children() -> list[int]:
    """The worker processes."""
    return [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


async def measure(count: int) -> None:
    pool = Pool(
        PoolSettings(
            workers=1,
            slow_workers=0,
            worker=WorkerSettings(memory_bytes=8_000_000_000, warm_contexts=0),
            queue_bytes=(count + 1) * 100_000,
        )
    )
    await pool.start()
    empty = {pid: resident_bytes(pid) for pid in children()}
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

    began = time.perf_counter()
    for _ in range(count):
        pool.submit(Invocation(program=program, input=INPUT, limits=limits), done, host)
        while len(waiting) < _ - 200:
            asked.clear()
            await asyncio.wait_for(asked.wait(), 30)
    while len(waiting) < count:
        asked.clear()
        await asyncio.wait_for(asked.wait(), 30)
    seconds = time.perf_counter() - began
    busy = max(children(), key=lambda pid: resident_bytes(pid) - empty.get(pid, 0))
    each = (resident_bytes(busy) - empty[busy]) / count
    micros = []
    for turn in range(2000):
        call = waiting[turn % len(waiting)]
        asked.clear()
        length = len(waiting)
        start = time.perf_counter()
        call.resolve(ANSWER)
        while len(waiting) == length:
            asked.clear()
            await asyncio.wait_for(asked.wait(), 5)
        micros.append((time.perf_counter() - start) * 1e6)
        waiting[turn % count] = waiting.pop()
    p99 = quantiles(micros, n=100)[98]
    print(
        f"{count:6d} waiting: {each / 1000:.0f} kB each, begun at {count / seconds:.0f}/s, "
        f"there and back p50 {median(micros):.0f} us, p99 {p99:.0f} us"
    )
    await pool.close()


if __name__ == "__main__":
    for asked_for in [int(text) for text in sys.argv[1:]] or [1000, 10_000]:
        uvloop.run(measure(asked_for))
