"""Scripts of scripts.md that decide calls: what each is to do, with real workers, a real database and a real server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from sidecar.catalog.database.tenants import ensure_operator, make_tenant
from sidecar.catalog.database.work import Store
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.host_sections import RestSection, StorageSection
from sidecar.configuration.tree import Configuration, SandboxSection
from sidecar.hosts.rows.model import ColumnType, RowColumn
from sidecar.hosts.services import Services
from sidecar.runs.pool_settings import decision_pool
from sidecar.runs.runner import PoolName, Runner, ScriptRunner
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade
from tests.sidecar.authors.written_scripts import SCRIPTS, Switch
from tests.sidecar.catalog.database.store_desk import OPERATOR
from tests.sidecar.hosts.module_runs import Scripts, scripts
from tests.sidecar.hosts.web_site import Site, serve

BASIC_SCRIPTS = "Basic c2NyaXB0czpzM2NyZXQ="  # scripts:s3cret


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    runner = await serve(made)
    yield made
    await runner.cleanup()


@pytest.fixture
async def services(tmp_path: Path, clock: Clock, site: Site) -> AsyncIterator[Services]:
    url = DatabaseUrl.parse(f"sqlite:///{tmp_path}/platform.db")
    store = Store(Storage(url, create=True))
    await upgrade(store.storage)
    await ensure_operator(store, OPERATOR)
    async with store.changing(OPERATOR) as change:
        await make_tenant(change, "other")
    await store.close()
    users = tmp_path / "users.toml"
    users.write_text('[scripts]\npassword = "s3cret"\ntenants = ["operator"]\n')
    rest = RestSection(url=site.url("/api"), users_file=users)
    made = Services(Configuration(storage=StorageSection(url=url), rest=rest), clock=clock)
    yield made
    await made.close()


@pytest.fixture
async def pool() -> AsyncIterator[ScriptRunner]:
    runner = Runner({PoolName.DECISIONS: decision_pool(Configuration(sandbox=SandboxSection(workers=1)))})
    await runner.start(PoolName.DECISIONS)
    yield runner.pool(PoolName.DECISIONS)
    await runner.close()


# ---- too many calls ----


async def test_the_fifth_call_of_a_number_is_blocked_until_the_fourth_is_ten_minutes_ago(
    pool: ScriptRunner, services: Services, clock: Clock
) -> None:
    switch = Switch(pool, services, "too_many_calls.js")
    assert [await switch.answer() for _ in range(5)] == ["route"] * 4 + ["603 Blocked"]
    assert await switch.answer(cli="4930124") == "route"
    clock.now += 599
    assert await switch.answer() == "603 Blocked"
    clock.now += 1
    assert await switch.answer() == "route"


async def test_a_minute_is_counted_from_the_last_call(pool: ScriptRunner, services: Services, clock: Clock) -> None:
    switch = Switch(pool, services, "too_many_calls.js")
    began = clock.now
    for second in (0, 50, 100, 161):
        clock.now = began + second
        assert await switch.answer() == "route"


async def test_two_hundred_at_once_in_four_workers_count_each_once(services: Services) -> None:
    async with scripts(services, workers=4) as runs:
        counted = await asyncio.gather(*(runs.run(SCRIPTS["counting.js"], tenant="operator") for _ in range(200)))
        assert sorted(counted) == list(range(1, 201))
        reads = "import { kv } from 'cxKV'; export const main = () => kv.get('n');"
        assert await runs.run(reads, tenant="operator") == "200"
        assert await runs.run(reads, tenant="other") is None


# ---- a block list of one's own ----


async def test_a_number_of_the_list_is_refused_with_what_the_list_says(pool: ScriptRunner, services: Services) -> None:
    rows = await services.rows()
    await rows.inventory.make("operator", "blocked")
    await rows.create("operator", "blocked", "491", "fraud")
    switch = Switch(pool, services, "own_block_list.js", variables={"list": {"db": "blocked"}})
    assert await switch.answer(dest_number="491") == "604 Blocked: fraud"
    routed = await switch.call(dest_number="492")
    assert routed.decision.routing == routed.request.routing
    assert routed.failure is None


async def test_without_the_list_the_call_gets_its_error_action(pool: ScriptRunner, services: Services) -> None:
    switch = Switch(pool, services, "own_block_list.js", variables={"list": {"db": "blocked"}})
    decided = await switch.call()
    assert (decided.decision.code, decided.decision.reason) == (500, "Script Error")
    assert decided.failure is not None
    assert decided.failure.message == "ReferenceError: there is no database 'blocked'"
    assert decided.failure.location.startswith("own_block_list.js:3:")


# ---- caller ids of the customer's own ----


async def test_the_caller_id_is_one_of_the_customers_numbers(
    pool: ScriptRunner, services: Services, site: Site
) -> None:
    switch = Switch(pool, services, "own_numbers.js", environment={"cx_api_user": "scripts"}, timeout_ms=400)
    site.answers(b'[{"did": "4420100"}, {"did": "4420101"}]', content_type="application/json")
    decided = await switch.call(dest_number="493012345678")
    assert msgspec.msgpack.decode(decided.decision.routing)["cli"] == "4420100"
    method, path, headers, _ = site.requests[0]
    assert (method, path, headers["Authorization"]) == ("GET", "/api/did?customer_id=1207", BASIC_SCRIPTS)
    site.answers(b"[]", content_type="application/json")
    assert await switch.answer() == "403 No Number"
    site.answers(b'{"error": "down"}', 500, content_type="application/json")
    assert await switch.answer() == "500 Script Error"

    async def silent(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    site.handler = silent
    assert await switch.answer() == "504 Script Timeout"


# ---- a report ----


@pytest.fixture
async def runs(services: Services) -> AsyncIterator[Scripts]:
    async with scripts(services) as made:
        yield made


async def test_a_report_counts_rows_and_sends_nothing_where_there_are_none(runs: Scripts, services: Services) -> None:
    rows = await services.rows()
    await rows.inventory.make("operator", "porting", [RowColumn(name="carrier", type=ColumnType.STRING)])
    assert await runs.run(SCRIPTS["nightly_report.js"], tenant="operator") == 0
    await rows.create("operator", "porting", "4420", {"carrier": "O'Hara"})
    failed = await runs.error(SCRIPTS["nightly_report.js"], tenant="operator")
    assert failed.message == "there is no mail here: the operator has named no server (mail.server)"


async def test_another_accounts_table_is_not_there(runs: Scripts, services: Services) -> None:
    await (await services.rows()).inventory.make("operator", "porting")
    failed = await runs.error(SCRIPTS["nightly_report.js"], tenant="other")
    assert failed.message == "there is no database 'porting'"
