"""What one machine asks of PostgreSQL and of Valkey or Redis, and what a second platform is worth.

python -m bench.scaling [SECONDS] [JOBS]

Default: 10 200. Starts a PostgreSQL and a Valkey of its own. First what they do with nobody there, with a daemon, and
with a daemon and a platform, that rest: transactions and commands a second, processor time, connections. Then JOBS
jobs, and what each costs PostgreSQL. Then the same jobs by one platform and by two.

A job waits for 500 ms, and a platform has room for ten at once (`jobs.at_once`): so it is that room, and not the cores
that both platforms, PostgreSQL and this program share, which bounds one platform, as it would on machines of their own.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import text

from bench.goals import machine_load
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.storage.engine import Storage
from tests.acceptance.processes import wait_until
from tests.acceptance.serving import Serving
from tests.database_servers import Server, new_database, postgresql, valkey
from tests.shared_connection import new_shared, shared_address
from tests.sidecar.http.platform_desk import PlatformDesk

WAIT_MS: Final = 500
ROOM: Final = 10
WORK: Final = f"export async function main() {{ await new Promise((resolve) => setTimeout(resolve, {WAIT_MS})) }}"


class Used(NamedTuple):
    """What both servers have done until now."""

    transactions: int
    database_seconds: float
    connections: int
    commands: int
    shared_seconds: float
    clients: int


class Servers:
    """One PostgreSQL and one Valkey."""

    def __init__(self) -> None:
        self.database: Server = postgresql()
        self.shared: Server = valkey()
        self.address = new_database("postgresql", self.database)

    def used(self) -> Used:
        """As they say, and as the kernel does of PostgreSQL's processes, those that have ended among them."""
        return asyncio.run(self._used())

    async def _used(self) -> Used:
        storage = Storage(DatabaseUrl.parse(self.address))
        shared = new_shared(self.shared)
        try:
            async with storage.reading() as connection:
                name = self.address.rpartition("/")[2]
                of_database = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = :name"
                transactions = (await connection.execute(text(of_database), {"name": name})).scalar_one()
                of_others = "SELECT count(*) FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()"
                connections = (await connection.execute(text(of_others), {"name": name})).scalar_one()
            told = await shared.ask("INFO")
        finally:
            await storage.close()
            await shared.close()
        return Used(
            transactions,
            _processor_seconds(self.database.program.process.pid),
            connections,
            told["total_commands_processed"],
            told["used_cpu_user"] + told["used_cpu_sys"],
            told["connected_clients"] - 1,
        )

    def close(self) -> None:
        """End both."""
        self.database.close()
        self.shared.close()


def _processor_seconds(pid: int) -> float:
    """Of a process and of all that it has started and that it has seen end."""
    children = " ".join(one.read_text() for one in Path(f"/proc/{pid}/task").glob("*/children")).split()
    found = [(int(one), False) for one in children] + [(pid, True)]
    ticks = 0
    for process, with_ended in found:
        with suppress(FileNotFoundError):  # it has ended meanwhile
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11 : 15 if with_ended else 13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def at_rest(servers: Servers, seconds: float, what: str) -> None:
    """Print what is asked of the servers while nobody asks anything of who asks."""
    before, began = servers.used(), time.monotonic()
    time.sleep(seconds)
    after, took = servers.used(), time.monotonic() - began
    print(
        f"{what:28} PostgreSQL {(after.transactions - before.transactions) / took:6.1f} transactions/s"
        f" {(after.database_seconds - before.database_seconds) / took * 1000:7.2f} ms/s"
        f" {after.connections:3} connections; Valkey {(after.commands - before.commands) / took:6.1f} commands/s"
        f" {(after.shared_seconds - before.shared_seconds) / took * 1000:6.2f} ms/s {after.clients:3} clients"
    )


@contextmanager
def platforms(folder: Path, servers: Servers, number: int) -> Iterator[list[PlatformDesk]]:
    """So many on the same database."""
    more = f'[shared]\nurl = "{shared_address(servers.shared)}"\n[jobs]\nat_once = {ROOM}\ntenant_at_once = 0\n'
    desks = []
    try:
        for _ in range(number):
            own = Path(tempfile.mkdtemp(dir=folder))
            desks.append(PlatformDesk(own, servers.address, more=more))
        desks[0].script("work", WORK, kind="app")
        yield desks
    finally:
        for desk in desks:
            desk.stop()


def jobs_a_second(folder: Path, servers: Servers, number: int, jobs: int) -> float:
    """Jobs through so many platforms, from when the queue is let go until the last is over."""
    with platforms(folder, servers, number) as desks:
        asker = desks[0].acme
        queue = {"app": "", "name": "default"}
        asker.put("/api/v1/queues/default", json={"paused": True}, params=queue).raise_for_status()
        for _ in range(jobs):
            asker.post("/api/v1/jobs", json={"script": "work"}).raise_for_status()
        before, began = servers.used(), time.monotonic()
        asker.put("/api/v1/queues/default", json={"paused": False}, params=queue).raise_for_status()

        def left() -> bool:
            (own,) = asker.get("/api/v1/queues").raise_for_status().json()
            return not any(own["counts"].get(state) for state in ("waiting", "active", "delayed"))

        wait_until(left, "all are over", seconds=300)
        took, after = time.monotonic() - began, servers.used()
        cost = (after.database_seconds - before.database_seconds) / jobs
        print(
            f"{number} of them: {jobs / took:7.1f} jobs/s, each {cost * 1e6:6.0f} us of PostgreSQL and"
            f" {(after.transactions - before.transactions) / jobs:4.1f} transactions"
        )
        return jobs / took


def main(seconds: float, jobs: int) -> None:
    """Print what was found."""
    servers = Servers()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            print(f"load {machine_load():.1f}")
            with platforms(folder, servers, 1):
                at_rest(servers, seconds, "a platform")
                environment = {
                    "SCRIPTFORGE_CATALOG__DIRECTORY": "/etc/scriptforge",
                    "SCRIPTFORGE_CATALOG__URL": servers.address,
                }
                (folder / "daemon").mkdir()
                text = f'[shared]\nurl = "{shared_address(servers.shared)}"\n'
                daemon = Serving(folder / "daemon", {}, "", text, environment).ready()
                try:
                    at_rest(servers, seconds, "a platform and a daemon")
                finally:
                    daemon.stop()
            at_rest(servers, seconds, "nobody")
            found = {number: jobs_a_second(folder, servers, number, jobs) for number in (1, 2)}
            print(f"two platforms do {found[2] / found[1]:.2f} times what one does; wanted at least 1.6")
    finally:
        servers.close()


if __name__ == "__main__":
    given = sys.argv[1:]
    os.chdir(Path(__file__).parents[1])
    main(float(given[0]) if given else 10.0, int(given[1]) if len(given) > 1 else 200)
