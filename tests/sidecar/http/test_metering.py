"""What was used is added to what is known, once, whatever becomes of the database meanwhile."""

from pathlib import Path

from sidecar.catalog.compile import make_script
from sidecar.catalog.database.usage import read_usage
from sidecar.catalog.model import Script
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.http.metering import MOST, Metering, _Count
from sidecar.kind import Kind
from sidecar.storage.engine import Storage
from tests.sidecar.catalog.database.store_desk import Desk, made

FAR = 2**40


async def total(desk: Desk, tenant: str) -> tuple[int, int]:
    async with desk.store.reading(tenant) as scope:
        found = await read_usage(scope, 0, FAR)
    return sum(one.runs for one in found), sum(one.cpu_us for one in found)


def script(tenant: str, app: str = "") -> Script:
    return make_script(id="a", name="a.js", kind=Kind.APP, text="", tenant=tenant, app=app)


async def test_runs_are_added_once(tmp_path: Path) -> None:
    desk = await made(f"sqlite:///{tmp_path / 'platform.db'}")
    metering = Metering(desk.storage)
    for tenant, cpu_us in (("acme", 5), ("acme", 6), ("beta", 7), ("nobody", 8)):
        metering.add(script(tenant), cpu_us)
    await metering.write()
    await metering.write()
    metering.add(script("acme"), 1)
    await metering.close()
    assert await total(desk, "acme") == (3, 12)
    assert await total(desk, "beta") == (1, 7)
    await desk.close()


async def test_while_the_database_is_gone_it_is_kept(tmp_path: Path) -> None:
    storage = Storage(DatabaseUrl.parse(f"sqlite:///{tmp_path / 'platform.db'}"))
    metering = Metering(storage)
    metering.add(script("acme"), 5)
    await metering.write()
    desk = await made(f"sqlite:///{tmp_path / 'platform.db'}")
    metering.add(script("acme"), 6)
    await metering.write()
    assert await total(desk, "acme") == (2, 11)
    await storage.close()
    await desk.close()


async def test_no_more_is_kept_than_there_is_room_for(tmp_path: Path) -> None:
    metering = Metering(Storage(DatabaseUrl.parse(f"sqlite:///{tmp_path / 'none.db'}")))
    metering._counts = {("acme", str(number), 0): _Count() for number in range(MOST)}
    metering.add(script("acme", "one more"), 1)
    assert (metering.lost, len(metering._counts)) == (1, MOST)
