"""How long the event loop stands still while it follows a large catalog in a database, and when a save is live.

python bench/catalog_database.py [ASSIGNMENTS] [SCRIPTS] [ROUNDS]

Default: 100000 1000 20. SQLite in a temporary directory; the process that asks it is beside this one, as in the daemon.
"""

import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import uvloop

from bench.catalog_reload import LINES, QUIET_SECONDS, SCRIPT, SWITCH_MICROS, Clock, House, Runner, shown
from sidecar.catalog.compile import Rules
from sidecar.catalog.database import assignments, scripts
from sidecar.catalog.database.checks import Checks
from sidecar.catalog.database.source import DatabaseSource
from sidecar.catalog.database.tenants import ensure_operator
from sidecar.catalog.database.values import table_of
from sidecar.catalog.database.work import Actor, Store, insert_all
from sidecar.catalog.model import Snapshot
from sidecar.catalog.source import Loaded
from sidecar.catalog.watcher import CatalogWatcher
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.tree import Configuration
from sidecar.decisions.decisions import Decisions
from sidecar.kind import Kind
from sidecar.operations import memory
from sidecar.storage import tables
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade

ACTOR = Actor("bench", "command line", operator=True)
RULES = Rules()
CUSTOMER_ROUTES = 10
"""Routes of each customer."""


def text(number: int, version: int) -> str:
    """A script of some 2 KB."""
    lines = "".join(LINES.format(n=line) for line in range(20))
    return SCRIPT.format(number=number, version=version, lines=lines)


async def fill(store: Store, routes: int, number: int) -> None:
    """Scripts, and routes to them with vars of their own."""
    await upgrade(store.storage)
    await ensure_operator(store, ACTOR)
    checks = Checks(RULES, 1_000_000)
    checked = checks.check_now(text(0, 0), Kind.SCRIPT, "a.js")
    async with store.working(ACTOR, "operator") as work:
        for script in range(number):
            table: Any = table_of("script", {"file": f"{script}.js", "id": f"routing-{script}"})
            await scripts.put_script(work, table, checked, RULES)
        rows = []
        for route in range(routes):
            given = {
                "customer": f"customer-{route // CUSTOMER_ROUTES}",
                "route": f"route-{route}",
                "script": f"routing-{route % number}",
                "timeout_ms": 500 + route % 7,
                "vars": {"limits": {"rate": 0.05, "number": route}},
            }
            assigned: Any = table_of("route", given)
            rows.append({"tenant_id": work.tenant_id, **assignments.columns_of(assigned)})
        await insert_all(work.connection, tables.assignments, rows)
        work.change.changed_everything()


class Timed(House):
    """The same, which knows when it was given a catalog."""

    def __init__(self, decisions: Decisions) -> None:
        super().__init__(decisions, set())
        self.given = asyncio.Event()

    def accepted(self, snapshot: Snapshot, loaded: Loaded) -> None:
        """Take it over."""
        super().accepted(snapshot, loaded)
        self.given.set()


async def measure(store: Store, routes: int, rounds: int) -> None:
    """Follow, save, and see."""
    house = Timed(Decisions(Runner(), Configuration(), Snapshot(scripts={}, routes={}, dids={}), lambda _: None))
    source = DatabaseSource(store.storage.url, RULES)
    watcher = CatalogWatcher(source, accepted=house.accepted, refused=house.refused)
    began = time.perf_counter()
    await watcher.load()
    memory.keep()
    print(f"first load of {routes:,} assignments: {time.perf_counter() - began:.1f} s")
    watching = asyncio.create_task(watcher.run())
    clock = Clock()
    quiet = [await clock.during(lambda: asyncio.sleep(QUIET_SECONDS / rounds)) for _ in range(rounds)]
    print(f"stops of the loop, nothing saved:          {shown(quiet)}")

    async def followed(save: Callable[[int], Awaitable[None]], times: int, what: str) -> None:
        stops: list[tuple[float, float]] = []
        live: list[float] = []
        for number in range(times):
            await save(number + 1)
            saved = time.perf_counter()
            house.given.clear()
            stops.append(await clock.during(house.given.wait))
            live.append((time.perf_counter() - saved) * 1000)
        print(f"stops of the loop, {what} {shown(stops)}")
        print(f"    live {_range(live)} after it was saved; taken over in {house.taken_over:.2f} ms of processor time")

    # In a thread of its own, as the platform is another process: what it takes is not the loop's.
    def elsewhere(save: Callable[[Store, int], Awaitable[None]]) -> Callable[[int], Awaitable[None]]:
        async def one(number: int) -> None:
            own = Store(Storage(store.storage.url))
            try:
                await save(own, number)
            finally:
                await own.close()

        return lambda number: asyncio.to_thread(lambda: asyncio.run(one(number)))

    await followed(elsewhere(save_script), rounds, "one script saved:       ")
    await followed(elsewhere(save_route), rounds, "one assignment changed: ")
    await followed(elsewhere(save_customer), rounds, "a customer's vars:      ")
    await followed(elsewhere(save_everything), 2, "everything read anew:   ")
    watching.cancel()
    await asyncio.to_thread(source.close)


async def save_script(store: Store, number: int) -> None:
    """One text."""
    checked = Checks(RULES, 1_000_000).check_now(text(7, number), Kind.SCRIPT, "a.js")
    async with store.working(ACTOR, "operator") as work:
        await scripts.save_text(work, "routing-7", checked)


async def save_route(store: Store, number: int) -> None:
    """One assignment."""
    table: Any = table_of(
        "route", {"customer": "customer-1", "route": "route-12", "script": "routing-12", "timeout_ms": number}
    )
    async with store.working(ACTOR, "operator") as work:
        await assignments.assign(work, table, RULES.defaults)


async def save_customer(store: Store, number: int) -> None:
    """What ten assignments have."""
    table: Any = table_of("customer", {"customer": "customer-2", "vars": {"number": number}})
    async with store.working(ACTOR, "operator") as work:
        await assignments.put_customer(work, table, RULES.defaults)


async def save_everything(store: Store, _number: int) -> None:
    """As after an import of thousands."""
    async with store.changing(ACTOR) as change:
        change.changed_everything()


def _range(values: Sequence[float]) -> str:
    return f"{median(values):.0f} ms (at most {max(values):.0f})"


def main(routes: int = 100_000, number: int = 1_000, rounds: int = 20) -> None:
    """Make a catalog in a temporary directory and measure."""
    sys.setswitchinterval(SWITCH_MICROS / 1e6)
    with tempfile.TemporaryDirectory() as temporary:
        url = DatabaseUrl.parse(f"sqlite:///{Path(temporary) / 'platform.db'}")

        async def run() -> None:
            store = Store(Storage(url, create=True))
            await fill(store, routes, number)
            await store.close()
            gc.collect()
            await measure(store, routes, rounds)

        uvloop.run(run())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
