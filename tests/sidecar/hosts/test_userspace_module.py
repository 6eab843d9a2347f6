"""cxUserspace as scripts use it, in both of its dialects."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.catalog.database.tenants import ensure_operator
from sidecar.catalog.database.work import Actor, Store
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.host_sections import StorageSection
from sidecar.configuration.tree import Configuration
from sidecar.hosts.rows.model import ColumnType, RowColumn
from sidecar.hosts.services import Services
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade
from tests.sidecar.hosts.module_runs import Scripts, line_of, scripts

BLOCK_LIST = """
import { read } from 'cxUserspace';
export async function main(data) {
  const row = await read(data.list.db, data.routing.dest_number);
  if (row) return Promise.reject([604, 'Blocked: ' + row.value]);
  return data;
}
"""
REPORT = """
const { sql } = require('cxUserspace');
async function main() {
  const [{ n }] = await sql('select count(*) as n from porting where carrier = :carrier', { carrier: "O'Hara" });
  return n;
}
"""


@pytest.fixture
async def runs(tmp_path: Path) -> AsyncIterator[Scripts]:
    url = DatabaseUrl.parse(f"sqlite:///{tmp_path}/platform.db")
    store = Store(Storage(url, create=True))
    await upgrade(store.storage)
    await ensure_operator(store, Actor("t", "test", operator=True))
    await store.close()
    services = Services(Configuration(storage=StorageSection(url=url)))
    rows = await services.rows()
    await rows.inventory.make("operator", "blocked")
    columns = [RowColumn(name="carrier", type=ColumnType.STRING), RowColumn(name="company", type=ColumnType.INTEGER)]
    await rows.inventory.make("operator", "porting", columns)
    async with scripts(services) as made:
        yield made
    await services.close()


def call(number: str, database: str = "blocked") -> dict[str, object]:
    return {"list": {"db": database}, "routing": {"dest_number": number}}


async def test_a_block_list_refuses_the_numbers_in_it(runs: Scripts) -> None:
    fill = "import { create } from 'cxUserspace'; export const main = () => create('blocked', '491', 'fraud');"
    await runs.run(fill, tenant="operator")
    error = await runs.error(BLOCK_LIST, call("491"), tenant="operator")
    assert "604" in error.message
    assert "Blocked: fraud" in error.message
    assert await runs.run(BLOCK_LIST, call("492"), tenant="operator") == call("492")
    error = await runs.error(BLOCK_LIST, call("491", "none"), tenant="operator")
    assert (error.name, error.message, line_of(error)) == ("ReferenceError", "there is no database 'none'", 4)
    error = await runs.error(BLOCK_LIST, call("491"), tenant="other")
    assert error.message == "there is no database 'blocked'", "another tenant's is told as one that is not there"


async def test_a_report_counts_by_sql(runs: Scripts) -> None:
    assert await runs.run(REPORT, tenant="operator") == 0
    fill = """
    const userspace = require('cxUserspace');
    async function main() {
      await userspace.create('porting', 4420, { carrier: "O'Hara", company: 42 });
      await userspace.create('porting', '4421', { carrier: "O'Hara" });
      await userspace.update('porting', '4421', { company: 1 });
      await userspace.delete('porting', 'absent');
      const [one, all, some, page] = await Promise.all([
        userspace.get('porting', '4420'),
        userspace.get('porting', {}),
        userspace.get('porting', { company: 1 }),
        userspace.get('porting', { carrier: "O'Hara" }, { limit: 1, offset: 1 }),
      ]);
      const any = await userspace.random('porting', { company: 42 });
      return [one.company, all.length, some[0].key, page[0].key, any.key, await userspace.random('blocked')];
    }
    """
    assert await runs.run(fill, tenant="operator") == [42, 2, "4421", "4421", "4420", None]
    assert await runs.run(REPORT, tenant="operator") == 2


@pytest.mark.parametrize(
    ("asked", "name", "message"),
    [
        ("create('porting', '1', {})", "Error", "porting has a row '1' already"),
        ("create('porting', '2', { carier: 1 })", "TypeError", "porting has no column 'carier'; it has key, value, ca"),
        ("create('porting', '2', { company: 'x' })", "TypeError", "company is a number"),
        ("create('porting', '2', { company: 1.5 })", "TypeError", "company is a whole number"),
        ("create('porting', '2', { carrier: 'x'.repeat(300) })", "TypeError", "carrier is a text of at most 256 char"),
        ("create('porting', '', {})", "TypeError", "a key is a text of 1 to 512 characters"),
        ("create('porting')", "TypeError", "a key is a text"),
        ("create('porting', '\\ud800', {})", "TypeError", "the key is no Unicode text"),
        ("create('porting', '2', '\\ud800')", "TypeError", "the value is no Unicode text"),
        ("update('porting', '1', { carrier: 'a\\udc00' })", "TypeError", "the carrier is no Unicode text"),
        ("get('porting', { carrier: '\\ud800' })", "TypeError", "the carrier is no Unicode text"),
        ("random('porting', { '\\ud800': 1 })", "TypeError", "the name of a column is no Unicode text"),
        ("sql('select :a', { a: '\\ud800' })", "TypeError", "the a is no Unicode text"),
        ("read(7, '1')", "TypeError", "the name of a database is a text"),
        ("update('porting', '2', {})", "Error", "porting has no row '2'"),
        ("get('porting', { key: 7 })", "TypeError", "a key is a text"),
        ("get('porting', {}, { limit: -1 })", "TypeError", "find: this is no question to a database"),
        ("random('porting', 'x')", "TypeError", "random(db, {column: value})"),
        ("sql('drop table porting')", "SyntaxError", "sql takes select, insert, update and delete"),
        ("sql('select 1', [1])", "TypeError", "sql: this is no question to a database"),
        ("knex('porting')", "Error", "knex is not available here: sql(text, {name: value}) asks the same databases"),
    ],
)
async def test_what_cannot_be_is_an_error_at_the_author_s_line(
    asked: str, name: str, message: str, runs: Scripts
) -> None:
    text = f"""const {{ create, read, update, get, random, sql, knex }} = require('cxUserspace');
async function main() {{
  await create('porting', '1', {{}}).catch(() => 0);
  await {asked};
}}"""
    error = await runs.error(text, tenant="operator")
    assert error.name == name
    assert message in error.message
    assert line_of(error) == 4


async def test_without_a_database_a_script_is_told() -> None:
    services = Services(Configuration())
    async with scripts(services) as runs:
        error = await runs.error(REPORT)
    assert "there are no databases here" in error.message
