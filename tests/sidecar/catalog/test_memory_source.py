"""A catalog in memory: no files, and a change is live at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from msgspec import structs

from sidecar.catalog.entries import DestinationEntry, RouteEntry, ScriptEntry
from sidecar.catalog.memory import MemorySource
from sidecar.catalog.model import Snapshot
from sidecar.catalog.watcher import CatalogWatcher
from sidecar.configuration.tree import Configuration, DecisionSection
from sidecar.decisions.deciding import Decided
from sidecar.decisions.decisions import Decisions
from sidecar.kind import Kind
from sidecar.problem import Problem
from sipio.routing import RoutingRequest
from tests.doubles.engine_runner import EngineRunner


def script(text: str, place: str = "a.js", kind: Kind = Kind.SCRIPT) -> ScriptEntry:
    return ScriptEntry(place=place, id=place.removesuffix(".js"), name=place, text=text, kind=kind)


def answering(number: int) -> str:
    return f"function main(data) {{ data.routing.number = {number} }}"


ROUTE = RouteEntry(place="acme", customer="acme", script="a")


class House:
    """Decisions over a source that is watched."""

    def __init__(self, source: MemorySource) -> None:
        self.source = source
        self.decided: list[Decided] = []
        self.refused: list[Sequence[Problem]] = []
        self.handed_on = asyncio.Event()
        empty = Snapshot(scripts={}, routes={}, dids={})
        self.decisions = Decisions(EngineRunner(), Configuration(), empty, self.decided.append)
        self.watcher = CatalogWatcher(source, accepted=self._accepted, refused=self._refused)

    def _accepted(self, snapshot: Snapshot, _problems: Sequence[Problem]) -> None:
        self.decisions.use(snapshot)
        self.handed_on.set()

    def _refused(self, problems: Sequence[Problem]) -> None:
        self.refused.append(problems)
        self.handed_on.set()

    async def next(self) -> None:
        async with asyncio.timeout(5):
            await self.handed_on.wait()
        self.handed_on.clear()

    def answer(self) -> object:
        request = RoutingRequest(call_id="1", customer="acme", routing={"egress_routing": []})
        self.decisions.route(request, lambda _decision: None)
        return self.decided[-1].decision.routing.get("number")


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House(MemorySource([script(answering(1)), ROUTE]))
    watching = asyncio.create_task(house.watcher.run())
    await house.next()
    yield house
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_a_change_is_live_without_a_file(house: House) -> None:
    assert house.answer() == 1
    house.source.put(script(answering(2)))
    await house.next()
    assert house.answer() == 2
    house.source.remove("acme")
    await house.next()
    assert house.answer() is None
    house.source.put(script(answering(3)), ROUTE)
    await house.next()
    assert house.answer() == 3


async def test_what_is_wrong_changes_nothing_until_it_is_mended(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.source.put(script("function main( {"), DestinationEntry(place="100", destination="100", script="b"))
    await house.next()
    assert house.answer() == 1
    assert [str(problem) for problem in house.refused[0]] == [
        "a.js:1:16: error: `{` is never closed",
        "100: error: there is no script 'b'",
    ]
    assert caplog.text.count("catalog_refused") == 1
    house.source.put(script(answering(4)), script("export default async () => 1", "b.js", Kind.APP))
    await house.next()
    assert house.answer() == 4


async def test_it_has_changed_only_where_it_was_not_loaded_since() -> None:
    source = MemorySource([ROUTE, script(answering(1))])
    await asyncio.wait_for(source.changed(), 5)
    source.load()
    waiting = asyncio.create_task(source.changed())
    await asyncio.sleep(0)
    assert not waiting.done()
    source.put(script(answering(2)))
    await asyncio.wait_for(waiting, 5)
    source.load()
    with pytest.raises(KeyError):
        source.remove("nothing")


def test_defaults_and_a_scripts_change_leave_assignments_the_same_objects() -> None:
    source = MemorySource([ROUTE, script(answering(1))], DecisionSection(timeout_ms=7))
    before = source.load().require()
    assert before.routes["acme", ""].timeout_ms == 7
    source.put(script(answering(2)))
    after = source.load().require()
    assert after.routes is before.routes
    assert after.scripts["a"].version != before.scripts["a"].version


@pytest.mark.parametrize("value", [object(), "\ud800"])
def test_vars_that_are_not_json_are_refused(value: object) -> None:
    source = MemorySource([structs.replace(ROUTE, vars={"x": value}), script(answering(1))])
    loaded = source.load()
    assert loaded.snapshot is None
    [problem] = loaded.problems
    assert str(problem).startswith("acme: error: vars: ")
