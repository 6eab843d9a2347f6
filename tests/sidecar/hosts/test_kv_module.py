"""cxKV as scripts use it, in both of its dialects."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.host_sections import StorageSection
from sidecar.configuration.tree import Configuration
from sidecar.hosts.services import Services
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade
from tests.sidecar.hosts.module_runs import Scripts, line_of, scripts
from tests.sidecar.hosts.moved_clock import MovedClock

TOO_MANY_CALLS = """
const { kv, incr } = require('cxKV');
async function main(data) {
  const key = 'calls:' + data.routing.cli;
  if (await kv.get(key) >= 1000) throw new Error('603 Blocked');
  if (await incr(key, 1, 60) > 3) await incr(key, 1000, 600);
  return 'route';
}
"""
CALL = {"routing": {"cli": "4930123"}}


@pytest.fixture
async def services(tmp_path: Path, clock: MovedClock) -> Services:
    url = DatabaseUrl.parse(f"sqlite:///{tmp_path}/values.db")
    storage = Storage(url, create=True)
    await upgrade(storage)
    await storage.close()
    section = StorageSection(url=url, keys_per_tenant=1_500, key_bytes_per_tenant=100_000)
    return Services(Configuration(storage=section), clock=clock)


@pytest.fixture
async def runs(services: Services) -> AsyncIterator[Scripts]:
    async with scripts(services) as made:
        yield made
    await services.close()


async def test_too_many_calls_of_one_number_block_it(runs: Scripts, clock: MovedClock) -> None:
    for _ in range(4):
        assert await runs.run(TOO_MANY_CALLS, CALL) == "route"
    for wait in (0, 300, 299):
        clock.now += wait
        assert (await runs.error(TOO_MANY_CALLS, CALL)).message == "603 Blocked"
    assert await runs.run(TOO_MANY_CALLS, {"routing": {"cli": "1"}}) == "route"
    clock.now += 1
    assert await runs.run(TOO_MANY_CALLS, CALL) == "route"


async def test_the_life_is_counted_from_the_last_call(runs: Scripts, clock: MovedClock) -> None:
    for wait in (0, 50, 50, 61):
        clock.now += wait
        assert await runs.run(TOO_MANY_CALLS, CALL) == "route"


async def test_runs_at_once_count_each_once(runs: Scripts) -> None:
    counts = "import { incr } from 'cxKV'; export const main = () => incr('n');"
    numbers = await asyncio.gather(*(runs.run(counts) for _ in range(200)))
    assert sorted(numbers) == list(range(1, 201))
    reads = "import { kv } from 'cxKV'; export const main = () => kv.get('n');"
    assert await runs.run(reads) == "200"
    assert await runs.run(reads, tenant="u") is None


async def test_all_that_there_is(runs: Scripts) -> None:
    text = """
    import cxKV, { kv, ko, incr, keys, usage } from 'cxKV';
    export async function main() {
      await kv.set('text', 'ä');
      await kv.set('number', 1.5);
      await kv.set(12, true, 60);
      await ko.set('object', { list: [1, null], __proto__: null });
      const asked = [kv.get('absent'), kv.get('text'), ko.get('number'), kv.get('12'), ko.get('object')];
      const [absent, text, number, boolean, object] = await Promise.all(asked);
      await kv.del('text');
      await ko.del('absent');
      const count = await incr('count', -3);
      const same = cxKV.kv === kv;
      return { absent, text, number, boolean, object, count, keys: await keys(), usage: await usage(), same };
    }
    """
    assert await runs.run(text) == {
        "absent": None,
        "text": "ä",
        "number": 1.5,
        "boolean": "true",
        "object": {"list": [1, None]},
        "count": -3,
        "keys": ["12", "count", "number", "object"],
        "usage": {"keys": 4, "bytes": 45, "limit_keys": 1_500, "limit_bytes": 100_000},
        "same": True,
    }


async def test_more_keys_than_a_page_has_are_given(runs: Scripts) -> None:
    text = """
    const { kv, keys } = require('cxKV');
    async function main() {
      for (let begin = 0; begin < 1200; begin += 50)
        await Promise.all(Array.from({ length: 50 }, (_, index) => kv.set(`k${begin + index}`, '')));
      const all = await keys();
      return [all.length, new Set(all).size, all[0], all.at(-1)];
    }
    """
    assert await runs.run(text) == [1200, 1200, "k0", "k999"]


@pytest.mark.parametrize(
    ("call", "name", "message"),
    [
        ("kv.set('k', {})", "TypeError", "kv.set keeps a text, a number or a boolean: ko.set keeps objects"),
        ("kv.set('k')", "TypeError", "kv.set keeps a text, a number or a boolean: ko.set keeps objects"),
        ("kv.get()", "TypeError", "a key is a text"),
        ("kv.get('a\\ud800')", "TypeError", "the key is no Unicode text: half of a surrogate pair is in it"),
        ("ko.set('\\udc00', {})", "TypeError", "the key is no Unicode text"),
        ("incr('\\ud800')", "TypeError", "the key is no Unicode text"),
        ("kv.set('a', '\\ud83d')", "TypeError", "the value is no Unicode text"),
        ("kv.get('')", "TypeError", "the key is empty"),
        ("kv.set('k', 'v', '60')", "RangeError", "a life is a number of seconds, and 0 is for ever"),
        ("kv.set('k', 'v', -1)", "RangeError", "a life is a number of seconds, and 0 is for ever"),
        ("ko.set('k', () => 1)", "TypeError", "ko.set keeps what JSON can say"),
        ("ko.get('text')", "Error", 'ko.get: what "text" has is not JSON: kv.get reads it'),
        ("incr('k', 1.5)", "TypeError", "incr counts by a whole number"),
        ("incr('k', '1')", "TypeError", "incr counts by a whole number"),
        ("incr('text')", "TypeError", "its value is no integer: 'no number'"),
        ("kv.set('big', 'x'.repeat(100000))", "RangeError", "bytes are kept already, and no more than 100_000 may be"),
    ],
)
async def test_what_cannot_be_is_an_error_at_the_author_s_line(
    runs: Scripts, call: str, name: str, message: str
) -> None:
    text = f"""const {{ kv, ko, incr }} = require('cxKV');
async function main() {{
  await kv.set('text', 'no number');
  await {call};
}}"""
    error = await runs.error(text)
    assert error.name == name
    assert line_of(error) == 4
    assert message in error.message


async def test_what_an_author_does_to_the_language_does_not_reach_in(runs: Scripts) -> None:
    text = """
    const { kv, ko } = require('cxKV');
    async function main() {
      JSON.parse = JSON.stringify = () => 'mine';
      globalThis.String = () => 'mine';
      Object.prototype.toJSON = function () { return 'mine' };
      Array.prototype.toJSON = () => ['mine'];
      await kv.set('k', 7);
      delete Object.prototype.toJSON;
      delete Array.prototype.toJSON;
      await ko.set('o', { a: 1 });
      return [await kv.get('k'), await ko.get('o')];
    }
    """
    assert await runs.run(text) == ["7", {"a": 1}]


async def test_without_a_database_a_script_is_told(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    text = "const { kv } = require('cxKV');\nasync function main() {\n  return await kv.get('k');\n}"
    none = Services(Configuration())
    async with scripts(none) as runs:
        error = await runs.error(text)
        assert error.message == "nothing can be kept here: the operator has named no database (storage.url)"
    gone = Services(Configuration(storage=StorageSection(url=DatabaseUrl.parse(f"sqlite:///{tmp_path}/gone.db"))))
    async with scripts(gone) as runs:
        error = await runs.error(text)
        assert error.message == "the database does not answer"
        assert line_of(error) == 3
    await gone.close()
    assert "key_values_failed" in caplog.text
    at_desk = Services(Configuration(), at_desk=True)
    async with scripts(at_desk) as runs:
        assert await runs.run(text) is None
    await at_desk.close()
