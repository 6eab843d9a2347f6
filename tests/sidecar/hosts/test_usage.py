"""What tenants use is counted by app and minute, and is in the database in the end."""

import asyncio
from pathlib import Path

import pytest

from sidecar.catalog.compile import make_script
from sidecar.catalog.database.usage import Used, read_usage
from sidecar.catalog.model import Script
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.host_sections import StorageSection
from sidecar.configuration.tree import CatalogSection, Configuration
from sidecar.hosts.services import Services
from sidecar.hosts.usage import UNWRITTEN, Usage, UsedInMinute
from sidecar.kind import Kind
from tests.sidecar.catalog.database.store_desk import made
from tests.sidecar.hosts.module_runs import scripts


class Clock:
    def __init__(self) -> None:
        self.now = 6_000.0

    def __call__(self) -> float:
        return self.now


def script(tenant: str = "acme", app: str = "9") -> Script:
    return make_script(id="s", name="s.js", kind=Kind.APP, text="", tenant=tenant, app=app)


def test_counts_are_those_of_an_app_and_its_minute() -> None:
    clock = Clock()
    usage = Usage(clock)
    usage.of(script()).run(700)
    usage.of(script()).run(300)
    usage.of(script()).host_call(20)
    usage.of(script(app="")).run(5)
    clock.now += 60
    first = [UsedInMinute("acme", "9", 100, 2, 1_000, 1, 20), UsedInMinute("acme", "", 100, 1, 5, 0, 0)]
    assert list(usage.take()) == first
    usage.of(script()).run(1)
    clock.now += 60
    again = usage.take()
    assert list(again) == [*first, UsedInMinute("acme", "9", 101, 1, 1, 0, 0)], "the first were not written"
    usage.written(len(again))
    assert list(usage.take()) == []


def test_what_waits_for_a_database_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    usage = Usage(Clock())
    for number in range(UNWRITTEN + 5):
        usage.of(script(app=str(number))).run(1)
    assert [one.app for one in usage.take()][:1] == ["5"]
    assert "usage_lost" in caplog.text


async def test_it_is_written_by_a_process_of_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    desk = await made(f"sqlite:///{tmp_path}/platform.db")
    url = DatabaseUrl.parse(f"sqlite:///{tmp_path}/platform.db")
    clock = Clock()
    usage = Usage(clock)
    usage.of(script()).run(700)
    usage.of(script(tenant="unknown")).run(1)
    await usage.write(DatabaseUrl.parse(f"sqlite:///{tmp_path}/none.db"))
    assert "there is no database" in caplog.records[-1].__dict__["error"]
    await usage.write(url)
    usage.of(script()).run(300)
    await usage.write(url)
    async with desk.store.reading("acme") as scope:
        assert list(await read_usage(scope, 0, 1_000)) == [
            Used(tenant="acme", app="9", minute=100, runs=2, cpu_us=1_000)
        ]
    await desk.close()


async def test_the_end_breaks_no_write_off(tmp_path: Path) -> None:
    desk = await made(f"sqlite:///{tmp_path}/platform.db")
    url = DatabaseUrl.parse(f"sqlite:///{tmp_path}/platform.db")
    clock = Clock()
    clock.now = 5_999.9
    services = Services(Configuration(catalog=CatalogSection(url=url)), clock=clock)
    services.usage.of(script()).run(700)
    await services.expect(())
    while not services.usage.writing.locked():  # noqa: ASYNC110 - nobody tells that it has begun
        await asyncio.sleep(0.001)
    services.usage.of(script()).run(300)
    await services.close()
    async with desk.store.reading("acme") as scope:
        (used,) = await read_usage(scope, 0, 1_000)
    assert (used.runs, used.cpu_us) == (2, 1_000)
    await desk.close()


async def test_what_runs_ask_is_counted_with_the_bytes_of_the_answers(tmp_path: Path) -> None:
    desk = await made(f"sqlite:///{tmp_path}/platform.db")
    await desk.close()
    url = DatabaseUrl.parse(f"sqlite:///{tmp_path}/platform.db")
    services = Services(Configuration(storage=StorageSection(url=url), catalog=CatalogSection(url=url)))
    async with scripts(services) as runs:
        await runs.run("import { kv } from 'cxKV'; export const main = () => kv.set('a', 'b').then(() => kv.get('a'));")
    (used,) = services.usage.take()
    assert (used.tenant, used.host_calls, used.bytes) == ("t", 2, len(b"\xc0") + len(b"\xa1b"))
    await services.close()
