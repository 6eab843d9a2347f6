"""A catalog in memory: no files, and a change is live at once."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from types import FrameType
from typing import Any

import pytest
from msgspec import structs

from sidecar.catalog import memory as memory_module
from sidecar.catalog import watcher as watcher_module
from sidecar.catalog.entries import DestinationEntry, RouteEntry, ScriptEntry
from sidecar.catalog.memory import MemorySource
from sidecar.catalog.model import Snapshot
from sidecar.catalog.source import Loaded
from sidecar.catalog.watcher import CatalogWatcher
from sidecar.configuration.tree import Configuration, DecisionSection
from sidecar.decisions.deciding import Decided
from sidecar.decisions.decisions import Decisions
from sidecar.kind import Kind
from sidecar.problem import Problem
from sipio.routing import RoutingRequest, pack_routing, unpack_routing
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

    def _accepted(self, snapshot: Snapshot, _loaded: Loaded) -> None:
        self.decisions.use(snapshot)
        self.handed_on.set()

    def _refused(self, problems: Sequence[Problem]) -> None:
        self.refused.append(problems)
        self.handed_on.set()

    async def next(self) -> None:
        async with asyncio.timeout(60):
            await self.handed_on.wait()
        self.handed_on.clear()

    def answer(self) -> object:
        request = RoutingRequest(call_id="1", customer="acme", routing=pack_routing({"egress_routing": []}))
        self.decisions.route(request, lambda _decision: None)
        return unpack_routing(self.decided[-1].decision.routing).get("number")


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
    await asyncio.wait_for(waiting, 60)
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


async def test_a_script_may_name_the_modules_that_its_entry_grants_it() -> None:
    text = "import credit from 'credit'; async function main() { return credit }"
    known = {"cxC5Server", "credit"}
    entry = ScriptEntry(place="a", id="a", name="a.js", kind=Kind.APP, text=text)
    assert MemorySource([entry], modules=known).load().problems == ()
    denied = MemorySource([structs.replace(entry, modules=())], modules=known)
    (problem,) = denied.load().problems
    assert "there is no module 'credit'" in problem.message
    denied.put(structs.replace(entry, modules=("credit",)))
    assert denied.load().problems == ()


async def test_a_source_that_cannot_be_asked_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watcher_module, "AGAIN_SECONDS", 0.0)

    class Failing(MemorySource):
        loads = 0

        def load(self) -> Loaded:
            self.loads += 1
            if self.loads == 2:
                raise OSError("the database is gone")
            return super().load()

    house = House(Failing([script(answering(1)), ROUTE]))
    watching = asyncio.create_task(house.watcher.run())
    await house.next()
    house.source.put(script(answering(2)))
    await house.next()
    ((problem,),) = house.refused
    assert problem.message == "cannot be loaded: the database is gone"
    assert "catalog_load_failed" in caplog.text
    assert house.answer() == 1
    await house.next()
    assert house.answer() == 2
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


@pytest.mark.parametrize("value", [object(), "\ud800"])
def test_vars_that_are_not_json_are_refused(value: object) -> None:
    source = MemorySource([structs.replace(ROUTE, vars={"x": value}), script(answering(1))])
    loaded = source.load()
    assert loaded.snapshot is None
    [problem] = loaded.problems
    assert str(problem).startswith("acme: error: vars: ")


def test_a_place_has_one_entry_of_whatever_kind() -> None:
    source = MemorySource([script(answering(1)), script(answering(2), "b.js"), ROUTE])
    source.put(RouteEntry(place="b.js", customer="beta", script="a"))
    snapshot = source.load().require()
    assert list(snapshot.scripts) == ["a"]
    assert sorted(snapshot.routes) == [("acme", ""), ("beta", "")]
    source.remove("b.js")
    assert sorted(source.load().require().routes) == [("acme", "")]
    source.put(structs.replace(ROUTE, vars={"x": 1}))
    source.load()
    source.put(structs.replace(ROUTE, vars={"x": True}))
    assert source.load().require().routes["acme", ""].variables["x"] is True


async def test_what_a_load_raised_for_is_still_to_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    source = MemorySource([script(answering(1)), ROUTE])

    def fail(*_arguments: object) -> None:
        raise RecursionError("a bug of ours")

    with monkeypatch.context() as broken:
        broken.setattr(memory_module, "compile_catalog", fail)
        with pytest.raises(RecursionError):
            source.load()
    await asyncio.wait_for(source.changed(), 5)
    assert source.load().snapshot is not None


def test_what_is_put_at_once_is_loaded_at_once_or_not_at_all() -> None:
    """The load runs in a thread, and may be interrupted by a change between any two of its lines."""
    source = MemorySource([script(answering(1)), ROUTE])
    change = [script(answering(1), "b.js"), RouteEntry(place="acme", customer="acme", script="b")]
    before, after = {"a"}, {"a", "b"}
    line = 0
    while True:
        source = MemorySource([script(answering(1)), ROUTE])
        loaded, seen = load_changed_at(source, line, change)
        if not seen:
            break
        snapshot = loaded.require()
        assigned = snapshot.routes["acme", ""].script_id
        assert (set(snapshot.scripts), assigned) in ((before, "a"), (after, "b"))
        line += 1
    assert line > 3


def load_changed_at(source: MemorySource, line: int, change: list[Any]) -> tuple[Loaded, bool]:
    """Loads, and puts a change before so many opcodes of the load have been executed; whether there were as many."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        if frame.f_code is not MemorySource.load.__code__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            if count == line:
                source.put(*change)
            count += 1
        return trace

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        loaded = source.load()
    finally:
        sys.settrace(former)
    return loaded, count > line
