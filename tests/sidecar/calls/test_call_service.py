"""The call service: when its workers start, what is told of a call, what it says of itself, how it ends."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from sandbox import values
from sandbox.errors import WorkerFailed
from sandbox.outcome import Crashed, Returned
from sidecar.calls import service as service_module
from sidecar.calls.service import CallService
from sidecar.catalog.compile import make_script
from sidecar.catalog.model import Snapshot, VoiceAssignment
from sidecar.configuration.host_sections import OriginateSection
from sidecar.configuration.tree import Configuration, VoiceSection
from sidecar.hosts.grants import Grants
from sidecar.hosts.placed.calls import PlacedCalls
from sidecar.kind import Kind
from sidecar.operations.call_record import CallRecord
from sidecar.operations.call_search import newest
from sidecar.runs.runner import PoolName
from tests.doubles.memory_call import MemoryCall
from tests.doubles.memory_pools import MemoryPool, MemoryRunner

EMPTY = Snapshot(scripts={}, routes={}, dids={})
ENDED = Returned(values.encode({}))


def snapshot() -> Snapshot:
    script = make_script(id="menu", name="menu.js", kind=Kind.APP, text="")
    assignment = VoiceAssignment(script_id="menu", customer="acme")
    return Snapshot(scripts={"menu": script}, routes={}, dids={}, destinations={"100": assignment})


class Desk:
    """A service over pools in memory."""

    def __init__(self, records: Path | None = None, **voice: Any) -> None:
        self.runner = MemoryRunner()
        self.placed = PlacedCalls(OriginateSection())
        configuration = Configuration(voice=VoiceSection(records=records, **voice))
        self.service = CallService(configuration, cast("Any", self.runner), Grants(), self.placed)

    @property
    def pool(self) -> MemoryPool:
        return self.runner.pool(PoolName.CALLS)

    def call(self) -> MemoryCall:
        return MemoryCall(self.service.calls)


async def settled() -> None:
    """What was begun in the loop has come to its end."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=60)


async def test_without_anything_that_may_bring_a_call_there_are_no_workers() -> None:
    desk = Desk()
    desk.service.use(EMPTY)
    await desk.service.start()
    assert desk.runner.started == []
    assert desk.service.state().fault == ""


async def test_a_destination_starts_the_workers() -> None:
    desk = Desk()
    desk.service.use(snapshot())
    await desk.service.start()
    assert desk.runner.started == [PoolName.CALLS]


async def test_a_switch_starts_the_workers_and_a_second_one_starts_no_others() -> None:
    desk = Desk()
    await desk.service.start()
    await asyncio.gather(desk.service.start_workers(), desk.service.start_workers())
    assert desk.runner.started == [PoolName.CALLS]


async def test_the_first_destination_of_a_later_catalog_starts_the_workers() -> None:
    desk = Desk()
    await desk.service.start()
    for catalog in (EMPTY, snapshot(), EMPTY, snapshot()):
        desk.service.use(catalog)
    await settled()
    assert desk.runner.started == [PoolName.CALLS]


async def test_workers_that_fail_to_start_later_are_tried_again_and_calls_refused_meanwhile(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "AGAIN_MIN_SECONDS", 0.01)
    desk = Desk()
    await desk.service.start()
    desk.runner.error = WorkerFailed("no")
    desk.service.use(snapshot())
    async with asyncio.timeout(60):
        while caplog.text.count("call_workers_failed") < 2:  # noqa: ASYNC110 - no event shows it
            await asyncio.sleep(0.005)
    assert desk.service.state().fault == "no worker for calls"
    refused = desk.call().refused
    assert refused is not None
    assert refused.code == 503
    desk.service.use(EMPTY)
    desk.service.use(snapshot())
    desk.runner.error = None
    desk.runner.pools[PoolName.CALLS] = MemoryPool()
    await settled()
    assert desk.runner.started == [PoolName.CALLS]
    assert desk.service.state().fault == ""
    desk.call()
    assert len(desk.pool.runs) == 1
    await desk.service.close()


async def test_the_end_gives_up_workers_that_do_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "AGAIN_MIN_SECONDS", 60.0)
    desk = Desk()
    await desk.service.start()
    desk.runner.error = WorkerFailed("no")
    desk.service.use(snapshot())
    await asyncio.sleep(0.01)
    desk.service.cancel_rest()
    await settled()
    assert desk.runner.started == []


async def test_calls_that_are_ended_together_end_in_the_order_in_which_they_came() -> None:
    desk = Desk()
    desk.service.use(snapshot())
    await desk.service.start()
    ended: list[str] = []
    desk.service.events.subscribe(lambda record: ended.append(record.id))
    ids = [f"c{number}" for number in range(50)]
    for one in ids:
        MemoryCall(desk.service.calls, id=one)
    desk.service.cancel_rest()
    for run in desk.pool.runs:
        run.end(ENDED)
    assert ended == ids


async def test_workers_that_fail_at_the_start_keep_the_daemon_from_it() -> None:
    desk = Desk()
    desk.service.use(snapshot())
    desk.runner.error = WorkerFailed("no")
    with pytest.raises(WorkerFailed):
        await desk.service.start()


async def test_where_no_calls_are_taken_nothing_starts_the_workers() -> None:
    desk = Desk(call_workers=0)
    desk.service.use(snapshot())
    await desk.service.start()
    await desk.service.start_workers()
    desk.service.use(EMPTY)
    desk.service.use(snapshot())
    await settled()
    assert desk.runner.started == []
    assert desk.service.drain_seconds == 0


async def test_where_no_calls_are_taken_one_that_is_announced_is_refused_at_once() -> None:
    desk = Desk(call_workers=0)
    desk.service.use(snapshot())
    refused = desk.call().refused
    assert refused is not None
    assert (refused.code, desk.pool.runs) == (503, [])


async def test_a_started_pool_without_a_worker_is_a_fault() -> None:
    desk = Desk()
    desk.pool.be(fast=0)
    assert desk.service.state().fault == ""
    await desk.service.start_workers()
    assert desk.service.state().fault == "no worker for calls"


async def test_a_call_that_is_over_is_logged_counted_stored_and_told_to_subscribers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    desk = Desk(records=tmp_path)
    told: list[CallRecord] = []
    desk.service.events.subscribe(told.append)
    desk.service.use(snapshot())
    call = desk.call()
    assert desk.service.snapshot().up == {"memory": 1}
    desk.pool.runs[0].end(ENDED)
    assert call.ended
    assert [record.outcome for record in told] == ["returned"]
    assert (desk.service.snapshot().up, desk.service.snapshot().ended) == ({}, {"returned": 1})
    await desk.service.close()
    assert list(newest(tmp_path)) == told
    assert [record.levelname for record in caplog.records if record.msg == "call"] == ["INFO"]


async def test_a_call_whose_script_failed_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.service.use(snapshot())
    desk.call()
    desk.pool.runs[0].end(Crashed("signal 9"))
    [warning] = [cast("Any", record) for record in caplog.records if record.msg == "call"]
    assert (warning.levelname, warning.fields["outcome"]) == ("WARNING", "crashed")


async def test_the_drain_refuses_what_is_new_and_waits_for_what_is_up() -> None:
    desk = Desk()
    desk.service.use(snapshot())
    desk.call()
    desk.service.stop_accepting()
    draining = asyncio.create_task(desk.service.drain())
    refused = desk.call().refused
    assert refused is not None
    assert refused.code == 503
    await asyncio.sleep(0)
    assert not draining.done()
    desk.pool.runs[0].end(ENDED)
    await asyncio.wait_for(draining, 60)


async def test_a_drain_that_is_cut_ends_calls_and_lets_their_scripts_know() -> None:
    desk = Desk(drain_seconds=0)
    desk.service.use(snapshot())
    call = desk.call()
    draining = asyncio.create_task(desk.service.drain())
    for _ in range(5):  # turns of the loop
        await asyncio.sleep(0)
    assert call.ended
    assert not draining.done(), "its script has time for its bookkeeping"
    desk.pool.runs[0].end(ENDED)
    await asyncio.wait_for(draining, 60)


async def test_what_is_left_after_the_drain_is_ended() -> None:
    desk = Desk()
    desk.service.use(snapshot())
    call = desk.call()
    desk.service.cancel_rest()
    assert call.ended


async def test_workers_being_started_are_given_up_with_the_rest() -> None:
    desk = Desk()
    never = asyncio.Event()

    async def start(_name: PoolName) -> None:
        await never.wait()

    cast("Any", desk.runner).start = start
    starting = asyncio.create_task(desk.service.start_workers())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    desk.service.cancel_rest()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(starting, 60)


async def test_calls_are_taken_while_there_is_a_worker_and_room() -> None:
    desk = Desk(calls=1)
    desk.service.use(snapshot())
    assert not desk.service.takes_calls()
    await desk.service.start()
    assert desk.service.takes_calls()
    desk.call()
    assert not desk.service.takes_calls()
    desk = Desk()
    desk.service.use(snapshot())
    await desk.service.start()
    desk.pool.be(fast=0)
    assert not desk.service.takes_calls()
    desk.pool.be(fast=1)
    desk.service.stop_accepting()
    assert not desk.service.takes_calls()
