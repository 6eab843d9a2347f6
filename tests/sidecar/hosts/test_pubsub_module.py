"""cxPubSub as scripts use it, in both of its dialects."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from sidecar.configuration.tree import Configuration
from sidecar.hosts.services import Services
from tests.sidecar.hosts.module_runs import ADAPTER, Scripts, scripts

HEAR = """
import { subscribe } from 'cxPubSub';
export async function main({ key, count }) {
  const heard = [];
  return new Promise(async (resolve) => {
    const subscription = await subscribe('desk', key, (note, about) => {
      heard.push([note, about.key]);
      if (heard.length === count) resolve(heard);
    });
    console.log('ready');
  });
}
"""
TELL = """
import { publish } from 'cxPubSub';
export async function main(notes) { for (const [key, note] of notes) await publish('desk', key, note) }
"""


@pytest.fixture
def services() -> Services:
    return Services(Configuration())


@pytest.fixture
async def runs(services: Services) -> AsyncIterator[Scripts]:
    async with scripts(services) as made:
        yield made


async def heard_by(services: Services, count: int) -> None:
    async with asyncio.timeout(60):
        while services.broker.subscriptions < count:  # noqa: ASYNC110 - a script's doing
            await asyncio.sleep(0.001)


async def test_what_one_run_publishes_others_of_the_tenant_hear(runs: Scripts, services: Services) -> None:
    hearing = [
        asyncio.create_task(runs.run(HEAR, {"key": "a", "count": 2})),
        asyncio.create_task(runs.run(HEAR, {"key": "*", "count": 3})),
    ]
    other = asyncio.create_task(runs.run(HEAR, {"key": "a", "count": 1}, tenant="u"))
    await heard_by(services, 3)
    await runs.run(TELL, [["a", {"n": 1}], ["b", None], ["a", [2]]])
    assert await hearing[0] == [[{"n": 1}, "a"], [[2], "a"]]
    assert await hearing[1] == [[{"n": 1}, "a"], [None, "b"], [[2], "a"]]
    assert services.broker.subscriptions == 1
    await runs.run(TELL, [["a", "mine"]], tenant="u")
    assert await other == [["mine", "a"]]
    assert services.broker.subscriptions == 0


async def test_the_older_dialect_has_no_keys(runs: Scripts) -> None:
    text = """
    const { publish, subscribe } = require('cxPubSub');
    async function main() {
      const heard = await new Promise(async (resolve) => {
        const subscription = await subscribe('t', async (note) => { await subscription.unsubscribe(); resolve(note) });
        await publish('t', 'first');
        await publish('t', 'second');
      });
      return heard;
    }
    """
    assert await runs.run(text) == "first"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("publish('t')", "publish(topic, payload) or publish(topic, key, payload)"),
        ("publish(5, 'x')", "publish: a topic is a text, and so is a key"),
        ("subscribe('t')", "subscribe(topic, fn) or subscribe(topic, key, fn): fn is a function"),
        ("publish('\\ud800', 1)", "the topic is no Unicode text: half of a surrogate pair is in it"),
        ("subscribe('t', '\\ud800', () => 1)", "the key is no Unicode text: half of a surrogate pair is in it"),
        ("subscribe('', () => 1)", "the topic is empty"),
    ],
)
async def test_what_is_no_call_is_an_error_at_the_authors_line(call: str, error: str, runs: Scripts) -> None:
    text = f"const {{ publish, subscribe }} = require('cxPubSub');\nasync function main() {{\n  await {call};\n}}"
    threw = await runs.error(text)
    assert (threw.name, threw.message) == ("TypeError", error)
    assert threw.location is not None
    assert threw.location.line == 3


async def test_a_handler_that_throws_costs_no_other_message(runs: Scripts) -> None:
    text = """
    import { publish, subscribe } from 'cxPubSub';
    export async function main() {
      const heard = [];
      await subscribe('t', (n) => { heard.push(n); if (n === 1) throw new Error('one') });
      for (const n of [1, 2, 3]) await publish('t', n);
      while (heard.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
      return heard;
    }
    """
    completion = await runs.begin(text)
    assert "nobody awaited a promise that was rejected" in str(completion.log)
    assert "Returned" in str(completion.outcome)


async def test_a_run_that_only_hears_is_told_of_nothing_that_it_left(services: Services) -> None:
    adapter = ADAPTER.replace("tellsRejection", "tellsUnawaited: true, tellsRejection")
    async with scripts(services, adapter=adapter) as runs:
        hears = "async function main() { await require('cxPubSub').subscribe('t', () => 1); }"
        assert (await runs.begin(hears)).log == ()
        leaves = "async function main() { require('cxPubSub').publish('t', 1); }"
        (line,) = (await runs.begin(leaves)).log
    assert line.text == "main has ended: 1 answer of modules that it did not await will not come"
