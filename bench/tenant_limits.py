"""What a tenant at its limit costs the others: their answers alone, beside it, and beside the same without a limit.

python -m bench.tenant_limits [ROUNDS] [SECONDS]

Default: 20 2. A daemon that decides and a platform that runs scripts over HTTP, each on its own; in each round every
case has its slice, and ratios are taken within a round. The quiet tenant asks 100 times a second; the loud one asks 100
times as well, for a script of some 10 ms of processor time, and may have one run a second.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from bench.http_runs import OPERATOR, started
from sidecar.catalog.compile import Rules
from sidecar.catalog.database import scripts
from sidecar.catalog.database.checks import Checks
from sidecar.catalog.database.tenants import ensure_operator, make_tenant, put_limits
from sidecar.catalog.database.values import table_of
from sidecar.catalog.database.work import Store
from sidecar.catalog.directory.entries import ScriptTable
from sidecar.catalog.limits import TenantLimits
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade
from sipio.rpc.client import RpcClient

A_SECOND: Final = 100
"""Questions of each tenant."""
LIMITS: Final = TenantLimits(runs_a_second=1)
QUIET: Final = "export function main(data) { return data }\n"
LOUD: Final = """export function main(data) {
  let sum = 0;
  for (let round = 0; round < 150_000; round++) sum += round % 7;
  return { ...data, sum };
}
"""
CASES: Final = {"alone": None, "beside a tenant at its limit": "limited", "beside the same without a limit": "loud"}

Ask = Callable[[str], Awaitable[None]]
"""Of a tenant; returns with the answer, whatever that is."""


class Slice(NamedTuple):
    """One case in one round."""

    p50: float
    p99: float
    cpu: float
    """Seconds of processor time of the process that serves."""


async def paced(ask: Ask, tenant: str, seconds: float, times: list[float]) -> None:
    """Ask at the rate, whether or not the last one is answered."""
    begun = time.perf_counter()
    asked = []

    async def one(due: float) -> None:
        await ask(tenant)
        times.append(time.perf_counter() - due)

    for number in range(int(seconds * A_SECOND)):
        due = begun + number / A_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        asked.append(asyncio.ensure_future(one(due)))
    await asyncio.gather(*asked)


def cpu_of(pid: int) -> float:
    """User and system time of a process, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def compare(title: str, ask: Ask, pid: int, rounds: int, seconds: float) -> float:
    """Print the medians of every case, and of the ratios to the tenant alone; gives that of the median answer beside a
    tenant at its limit."""
    await paced(ask, "quiet", 1.0, [])
    found: dict[str, list[Slice]] = {name: [] for name in CASES}
    for number in range(rounds):
        names = list(CASES)
        for name in names[number % 3 :] + names[: number % 3]:
            other, times = CASES[name], list[float]()
            before = cpu_of(pid)
            asking = [paced(ask, "quiet", seconds, times)]
            if other is not None:
                asking.append(paced(ask, other, seconds, []))
            await asyncio.gather(*asking)
            times.sort()
            found[name].append(Slice(times[len(times) // 2], times[len(times) * 99 // 100], cpu_of(pid) - before))
    print(title)
    of_alone: dict[str | None, float] = {}
    for name, slices in found.items():
        alone = found["alone"]
        ratios = [median(one[part] / other[part] for one, other in zip(slices, alone, strict=True)) for part in (0, 1)]
        of_alone[CASES[name]] = ratios[0]
        print(
            f"  {name:<32} p50 {median(one.p50 for one in slices) * 1000:6.2f} ms"
            f" p99 {median(one.p99 for one in slices) * 1000:7.2f} ms"
            f" of alone {ratios[0]:5.2f} {ratios[1]:6.2f}"
            f"   served with {median(one.cpu for one in slices) / seconds * 100:5.1f} % of a core"
        )
    return of_alone["limited"]


async def filled(address: str) -> dict[str, str]:
    """A database with the tenants and a script of each; their uuids."""
    store = Store(Storage(DatabaseUrl.parse(address), create=True))
    uuids, rules = {}, Rules()
    try:
        await upgrade(store.storage)
        await ensure_operator(store, OPERATOR)
        for tenant in ("quiet", "limited", "loud"):
            table: Any = table_of("script", {"file": f"{tenant}.js", "kind": "app", "public": True})
            assert isinstance(table, ScriptTable)
            checked = await Checks(rules, 1_000_000).check(QUIET if tenant == "quiet" else LOUD, table.kind, table.file)
            async with store.changing(OPERATOR) as change:
                work = await make_tenant(change, tenant)
                uuids[tenant] = (await scripts.put_script(work, table, checked, rules)).uuid
                if tenant == "limited":
                    await put_limits(work, LIMITS)
    finally:
        await store.close()
    return uuids


async def over_http(folder: Path, rounds: int, seconds: float) -> float:
    """Runs over HTTP; as `compare`."""
    address = f"sqlite:///{folder / 'platform.db'}"
    uuids = await filled(address)
    process, port = await started(folder, address)
    assert process.stderr is not None
    reading = asyncio.ensure_future(process.stderr.read())
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(tenant: str) -> None:
        reader, writer = free.pop() if free else await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /run/{uuids[tenant]}?a=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
        await reader.readexactly(length)
        free.append((reader, writer))

    ratio = await compare("runs over HTTP", ask, process.pid, rounds, seconds)
    for _, writer in free:
        writer.close()
    process.send_signal(signal.SIGTERM)
    await reading
    await process.wait()
    return ratio


async def of_calls(folder: Path, rounds: int, seconds: float) -> float:
    """Decisions; as `compare`."""
    (folder / "catalog/scripts").mkdir(parents=True)
    tables = ['[[tenant]]\ntenant = "limited"\nlimits = { runs_a_second = 1 }\n']
    for tenant in ("quiet", "limited", "loud"):
        text = QUIET if tenant == "quiet" else LOUD
        (folder / f"catalog/scripts/{tenant}.js").write_text(text.replace("export ", ""))
        tables.append(f'[[script]]\nfile = "{tenant}.js"\ntenant = "{tenant}"\n')
        tables.append(f'[[route]]\ncustomer = "{tenant}"\nscript = "{tenant}"\n')
    (folder / "catalog/assignments.toml").write_text("".join(tables))
    environment = {
        **os.environ,
        "SCRIPTFORGE_SOCKET__UNIX": str(folder / "daemon.sock"),
        "SCRIPTFORGE_CATALOG__DIRECTORY": str(folder / "catalog"),
        "SCRIPTFORGE_CATALOG__LAST_GOOD": "",
        "SCRIPTFORGE_METRICS__LISTEN": "",
        "SCRIPTFORGE_VOICE__RECORDS": "",
    }
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("scriptforge")), "serve", stderr=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stderr is not None
    while b'"action":"serving"' not in (line := await process.stderr.readline()):
        assert line, "the daemon has not started"
    reading = asyncio.ensure_future(process.stderr.read())
    client = await RpcClient.connect(f"unix:{folder}/daemon.sock")

    async def ask(tenant: str) -> None:
        await client.call("route", {"call_id": "x", "customer": tenant, "routing": {"dest_number": "1"}})

    ratio = await compare("decisions", ask, process.pid, rounds, seconds)
    await client.close()
    process.send_signal(signal.SIGTERM)
    await reading
    await process.wait()
    return ratio


async def measure(rounds: int, seconds: float) -> tuple[float, float]:
    """Print the figures; the ratios of decisions and of runs over HTTP, as `compare` gives them."""
    ratios = []
    for what in (of_calls, over_http):
        with tempfile.TemporaryDirectory() as name:
            ratios.append(await what(Path(name), rounds, seconds))
    of_decisions, of_runs = ratios
    return of_decisions, of_runs


if __name__ == "__main__":
    given = sys.argv[1:]
    asyncio.run(measure(int(given[0]) if given else 20, float(given[1]) if len(given) > 1 else 2.0))
