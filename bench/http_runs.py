"""What a run over HTTP costs: there and back, and how many a second, of an empty ``main`` by its uuid.

python -m bench.http_runs [--async] [RUNS]

Default: 5000. With --async of runs that are not waited for (202), while the platform does the jobs that they are. The
platform is one of its own, on a SQLite file; it, its workers and the client share this machine.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

from sidecar.catalog.compile import Rules
from sidecar.catalog.database import scripts
from sidecar.catalog.database.checks import Checks
from sidecar.catalog.database.tenants import ensure_operator
from sidecar.catalog.database.values import table_of
from sidecar.catalog.database.work import Actor, Store
from sidecar.catalog.directory.entries import ScriptTable
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade

TEXT: Final = "export function main() {}\n"
CLIENTS: Final = (1, 16)
MANY_CLIENTS: Final = 64
"""Who ask at the same time for runs that they do not wait for: what comes together is kept together."""
OPERATOR: Final = Actor("bench", "command line", operator=True)
UNLIMITED: Final = "1000000"


async def saved(address: str) -> str:
    """A public script in a new database; its uuid."""
    store = Store(Storage(DatabaseUrl.parse(address), create=True))
    try:
        await upgrade(store.storage)
        await ensure_operator(store, OPERATOR)
        table = table_of("script", {"file": "empty.js", "kind": "app", "public": True})
        assert isinstance(table, ScriptTable)
        rules = Rules()
        checked = await Checks(rules, 1_000_000).check(TEXT, table.kind, table.file)
        async with store.working(OPERATOR, "operator") as work:
            return (await scripts.put_script(work, table, checked, rules)).uuid
    finally:
        await store.close()


async def started(folder: Path, address: str) -> tuple[asyncio.subprocess.Process, int]:
    """The platform, and its port."""
    environment = {
        **os.environ,
        "SCRIPTFORGE_CATALOG__URL": address,
        "SCRIPTFORGE_PLATFORM__LISTEN": "127.0.0.1:0",
        "SCRIPTFORGE_PLATFORM__METRICS": "",
        "SCRIPTFORGE_PLATFORM__LOGS": str(folder / "logs"),
        "SCRIPTFORGE_PLATFORM__PUBLIC_RUNS_A_SECOND": UNLIMITED,
        "SCRIPTFORGE_PLATFORM__TENANT_RUNS_A_SECOND": UNLIMITED,
    }
    scriptforge = str(Path(sys.executable).with_name("scriptforge"))
    process = await asyncio.create_subprocess_exec(
        scriptforge, "platform", stderr=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stderr is not None
    while b'"action":"serving"' not in (line := await process.stderr.readline()):
        assert line, "the platform has not started"
    port = int(line.partition(b"http://127.0.0.1:")[2].partition(b'"')[0])
    return process, port


async def client(port: int, uuid: str, runs: int, times: list[float]) -> None:
    """Runs the script again and again on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET /run/{uuid} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    for _ in range(runs):
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head[:16], head
        await reader.readexactly(len(b"null"))
        times.append(time.perf_counter() - began)
    writer.close()
    await writer.wait_closed()


async def async_client(port: int, uuid: str, runs: int, times: list[float]) -> None:
    """The same, without waiting for the runs: each is kept once it is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET /run/{uuid} HTTP/1.1\r\nHost: x\r\nPrefer: respond-async\r\n\r\n".encode()
    for _ in range(runs):
        began = time.perf_counter()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert b" 202 " in head[:16], head
        await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r")[0]))
        times.append(time.perf_counter() - began)
    writer.close()
    await writer.wait_closed()


class Served(NamedTuple):
    """Runs of so many clients, each on a connection of its own and one after the other."""

    clients: int
    a_second: float
    p50_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return (
            f"{self.clients:>3} clients: {self.a_second:>7,.0f} a second,"
            f" median {self.p50_ms:.2f} ms, p99 {self.p99_ms:.2f} ms"
        )


async def measure(runs: int, *, waits: bool = True) -> list[Served]:
    """The figures, for each number of clients."""
    asks = client if waits else async_client
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        address = f"sqlite:///{folder / 'platform.db'}"
        uuid = await saved(address)
        process, port = await started(folder, address)
        assert process.stderr is not None
        # Its log is read as a service manager would: one line for each run.
        reading = asyncio.ensure_future(process.stderr.read())
        await asks(port, uuid, 200, [])
        for clients in CLIENTS if waits else (*CLIENTS, MANY_CLIENTS):
            times: list[float] = []
            began = time.perf_counter()
            await asyncio.gather(*(asks(port, uuid, runs // clients, times) for _ in range(clients)))
            seconds = time.perf_counter() - began
            times.sort()
            middle, late = times[len(times) // 2], times[len(times) * 99 // 100]
            found.append(Served(clients, len(times) / seconds, middle * 1000, late * 1000))
        process.send_signal(signal.SIGTERM)
        await reading
        await process.wait()
    return found


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument != "--async"]
    for served in asyncio.run(measure(numbers[0] if numbers else 5_000, waits="--async" not in sys.argv)):
        print(served)
