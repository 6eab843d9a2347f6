"""What a question to cxKV costs, as a script sees it, and what it adds to a decision that asks one.

python -m bench.questions [SECONDS] [SHARED]

Default: 4, of each case. A daemon as shipped, two workers, and key-values in a SQLite file of their own; SHARED is the
address of a Valkey or Redis that has them instead, below a prefix of the bench.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import uvloop

from sidecar.bench.servers import Server, serve_command
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade
from sipio.rpc.client import RpcClient

ASKED: Final = 1_000
"""Questions of one run, one after the other; a run has no more than ten times as many."""
RUNS_AT_ONCE: Final = 16
IN_FLIGHT: Final = 64
ROUND_SECONDS: Final = 0.5
WORKERS: Final = 2
SCRIPTS: Final = {
    "nothing": "async function main(data) { for (let i = 0; i < data.routing.times; i++) await null; }\n",
    "get": """const { kv } = require('cxKV');
async function main(data) { for (let i = 0; i < data.routing.times; i++) await kv.get('a'); }
""",
    "incr": """const { incr } = require('cxKV');
async function main(data) {
  const key = 'count-' + data.routing.key;
  for (let i = 0; i < data.routing.times; i++) await incr(key);
}
""",
    "app": "async function main(data) { data.headers.push({ key: 'X-Calls', value: '1' }); }\n",
    "asks": """const { kv } = require('cxKV');
async function main(data) { data.headers.push({ key: 'X-Calls', value: String(await kv.get('a')) }); }
""",
}


class Questions(NamedTuple):
    """What was found."""

    get_micros: float
    """There and back, of a script's own time."""
    incr_micros: float
    incrs_a_second: float
    """Of several runs at once."""
    gets_a_second: float
    asking_ratio: float
    """Time of a decision whose App asks one question, against one that asks none, with many in flight."""
    asking_cpu_ratio: float
    """The same of processor time, of the daemon and its workers."""
    alone_ratio: float
    """The same of the time there and back, one in flight."""


async def measure(seconds: float, shared: str = "") -> Questions:
    """Take all figures from one daemon; ``shared`` is what has its key-values, in place of SQLite."""
    with tempfile.TemporaryDirectory(prefix="scriptforge-bench-") as name:
        folder = Path(name)
        server = await _started(folder, shared)
        try:
            client = await server.connect()
            return await _measured(client, server, seconds)
        finally:
            server.close()


async def _measured(client: RpcClient, server: Server, seconds: float) -> Questions:
    async def ask(script: str, times: int = 0, key: int = 0) -> None:
        routing = {"dest_number": "1", "times": times, "key": key}
        decision = await client.call("route", {"call_id": "x", "customer": script, "routing": routing})
        if decision["outcome"] != "returned":
            raise AssertionError(decision)

    async def each(script: str) -> float:
        """Microseconds of one question of a run that is alone."""
        found: list[float] = []
        end = time.perf_counter() + seconds
        while not found or time.perf_counter() < end:
            begun = time.perf_counter()
            await ask(script, ASKED)
            asked = time.perf_counter()
            await ask("nothing", ASKED)
            found.append((asked - begun - (time.perf_counter() - asked)) / ASKED * 1e6)
        return median(found)

    async def a_second(script: str) -> float:
        """Questions of several runs at once, in a second."""
        await _together(RUNS_AT_ONCE, seconds, lambda one: ask(script, 1, one))
        done, took = await _together(RUNS_AT_ONCE, seconds, lambda one: ask(script, ASKED, one))
        return done * ASKED / took

    for script in SCRIPTS:
        await ask(script, 10)
    get, incr = await each("get"), await each("incr")
    gets, incrs = await a_second("get"), await a_second("incr")
    busy, cpu = await _compared(server, seconds, IN_FLIGHT, ask)
    alone, _ = await _compared(server, seconds, 1, ask)
    return Questions(get, incr, incrs, gets, busy, cpu, alone)


async def _compared(
    server: Server, seconds: float, in_flight: int, ask: Callable[[str], Awaitable[None]]
) -> tuple[float, float]:
    """The time, and the processor time, of a decision that asks one question against one that asks none: medians of
    the ratios of short rounds, in which each of them has its turn."""
    times, cpus = [], []
    for _ in range(max(3, round(seconds / ROUND_SECONDS))):
        each: dict[str, tuple[float, float]] = {}
        for script in ("app", "asks"):
            before = server.processor_times()
            done, took = await _together(in_flight, ROUND_SECONDS, lambda _, script=script: ask(script))  # type: ignore[misc]
            each[script] = (took / done, sum(server.processor_times().since(before)) / done)
        times.append(each["asks"][0] / each["app"][0])
        cpus.append(each["asks"][1] / each["app"][1])
    return median(times), median(cpus)


async def _together(many: int, seconds: float, ask: Callable[[int], Awaitable[None]]) -> tuple[int, float]:
    """Ask again and again, so many at once; how often it was answered, in how many seconds."""
    begun = time.perf_counter()
    done = 0

    async def one(number: int) -> None:
        nonlocal done
        while time.perf_counter() - begun < seconds:
            await ask(number)
            done += 1

    await asyncio.gather(*map(one, range(many)))
    return done, time.perf_counter() - begun


async def _started(folder: Path, shared: str) -> Server:
    address = f"sqlite:///{folder / 'kept.db'}"
    storage = Storage(DatabaseUrl.parse(address), create=True)
    try:
        await upgrade(storage)
    finally:
        await storage.close()
    (folder / "catalog/scripts").mkdir(parents=True)
    tables = []
    for name, text in SCRIPTS.items():
        (folder / f"catalog/scripts/{name}.js").write_text(text, encoding="utf-8")
        tables.append(f'[[script]]\nfile = "{name}.js"\nkind = "app"\n')
        tables.append(f'[[route]]\ncustomer = "{name}"\nscript = "{name}"\ntimeout_ms = 60000\n')
    (folder / "catalog/assignments.toml").write_text("".join(tables), encoding="utf-8")
    settings: dict[str, dict[str, Any]] = {
        "sandbox": {"workers": WORKERS},
        "socket": {"unix": str(folder / "socket")},
        "catalog": {"directory": str(folder / "catalog"), "last_good": ""},
        "decisions": {"total_timeout_ms": 60_000},
        "storage": {"url": address},
        "shared": {"url": shared, "prefix": f"bench-{os.getpid()}"},
        "metrics": {"listen": ""},
        "voice": {"records": ""},
    }
    lines = []
    for section, keys in settings.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    configuration = folder / "sidecar.toml"
    configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Server("daemon", WORKERS, serve_command(configuration), folder, folder / "socket")


def told(found: Questions) -> str:
    """In words."""
    return (
        f"get {found.get_micros:.0f} us, incr {found.incr_micros:.0f} us;"
        f" {RUNS_AT_ONCE} runs at once: {found.gets_a_second:,.0f} gets, {found.incrs_a_second:,.0f} incrs a second\n"
        f"an App that asks one question against none: {found.asking_ratio:.2f} of the time and"
        f" {found.asking_cpu_ratio:.2f} of the processor time with {IN_FLIGHT} in flight,"
        f" {found.alone_ratio:.2f} of the time there and back alone"
    )


if __name__ == "__main__":
    arguments = [*sys.argv[1:], *("4", "")[len(sys.argv) - 1 :]]
    print(told(uvloop.run(measure(float(arguments[0]), arguments[1]))))
