"""The decision service: what is told of a decision, what it says of itself, how it ends."""

import asyncio
import json
import logging
from typing import Any, cast

import msgspec
import pytest

from sandbox.outcome import Location, LogLine, Returned, Threw, TimedOut, TimeLimit
from sidecar.catalog.compile import make_script
from sidecar.catalog.model import Assignment, Snapshot
from sidecar.configuration.tree import Configuration, ShutdownSection
from sidecar.decisions.service import DecisionService
from sidecar.hosts.grants import Grants
from sidecar.kind import Kind
from sidecar.operations.records import EndedDecision
from sidecar.runs.runner import PoolName
from sidecar.sip_answer import SipAnswer
from sipio.routing import Decision, RoutingRequest, pack_routing
from tests.doubles.memory_pools import MemoryPool, MemoryRunner

REQUEST = RoutingRequest(call_id="c1", customer="acme", route="uk", routing=pack_routing({"egress_routing": [{}, {}]}))
RETURNED = Returned(
    msgspec.msgpack.encode({"routing": {"egress_routing": [{}]}, "headers": [[]], "remove_headers": [[]]})
)


class Output:
    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def write(self, line: bytes) -> None:
        self.lines.append(json.loads(line))


class Desk:
    """A service with one script, its log and the answers that it gave."""

    def __init__(self, drain_seconds: float = 5.0) -> None:
        self.runner = MemoryRunner()
        self.output = Output()
        self.answers: list[Decision] = []
        configuration = Configuration(shutdown=ShutdownSection(drain_seconds=drain_seconds))
        self.service = DecisionService(configuration, cast("Any", self.runner), Grants(), cast("Any", self.output))
        script = make_script(id="own", name="own.js", kind=Kind.SCRIPT, text="")
        assignment = Assignment(
            script_id="own", timeout_ms=1000, timeout_action=None, error_action=SipAnswer(500, "Failed")
        )
        snapshot = Snapshot(scripts={"own": script}, routes={("acme", "uk"): assignment}, dids={})
        self.service.decisions.use(snapshot)

    @property
    def pool(self) -> MemoryPool:
        return self.runner.pool(PoolName.DECISIONS)

    def ask(self) -> None:
        self.service.decisions.route(REQUEST, self.answers.append)


def test_a_decision_is_logged_counted_and_told_to_subscribers() -> None:
    desk = Desk()
    told: list[EndedDecision] = []
    desk.service.events.subscribe(told.append)
    desk.ask()
    desk.pool.runs[0].end(RETURNED, LogLine("log", "hello"))
    [line] = desk.output.lines
    assert (line["action"], line["call_id"], line["outcome"], line["console_lines"]) == (
        "decision",
        "c1",
        "returned",
        1,
    )
    assert [ended.decision.outcome for ended in told] == ["returned"]
    assert desk.service.stats()["decisions"] == {"returned": 1}
    assert desk.service.metrics.total == 1
    assert desk.service.script_runs() == {"returned": 1}


def test_the_record_of_a_failure_says_what_and_where() -> None:
    desk = Desk()
    desk.ask()
    desk.pool.runs[0].end(Threw(name="Error", message="bad", program="own.js", location=Location(3, 5)))
    [line] = desk.output.lines
    assert (line["outcome"], line["error"], line["error_location"]) == ("script_error", "Error: bad", "own.js:3:5")


@pytest.mark.parametrize(("level", "shown"), [(logging.DEBUG, True), (logging.INFO, False)])
def test_console_lines_are_logged_at_debug(level: int, shown: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(level)
    desk = Desk()
    desk.ask()
    desk.pool.runs[0].end(RETURNED, LogLine("warn", "hello"))
    said = [getattr(record, "fields", {}) for record in caplog.records if record.msg == "console"]
    expected = {"call_id": "c1", "script": "own", "console": "warn", "text": "hello"}
    assert said == ([expected] if shown else [])


async def test_an_observer_that_raises_costs_no_decision(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()

    def fail(_record: EndedDecision) -> None:
        raise ValueError("a bug")

    desk.service.events.subscribe(fail)
    desk.ask()
    desk.pool.runs[0].end(RETURNED)
    assert [answer.outcome for answer in desk.answers] == ["returned"]
    assert "observer_failed" in caplog.text


async def test_it_starts_its_workers_and_warns_of_unconfined_ones(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.pool.be(confined=False)
    await desk.service.start()
    assert desk.runner.started == [PoolName.DECISIONS]
    assert "workers_unconfined" in caplog.text


def test_without_a_worker_it_says_so() -> None:
    desk = Desk()
    assert desk.service.state().fault == ""
    desk.pool.be(fast=0)
    assert desk.service.state().fault == "no worker for decisions"


def answered(desk: Desk) -> list[tuple[str, int]]:
    return [(answer.outcome, answer.code) for answer in desk.answers]


async def test_the_drain_waits_for_decisions_under_way() -> None:
    desk = Desk()
    desk.ask()
    draining = asyncio.create_task(desk.service.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    desk.pool.runs[0].end(RETURNED)
    await asyncio.wait_for(draining, 60)
    assert answered(desk) == [("returned", 0)]


async def test_a_drain_that_is_cut_gives_each_its_failure_action(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(drain_seconds=0.01)
    desk.ask()
    await asyncio.wait_for(desk.service.drain(), 5)
    assert answered(desk) == [("refused", 500)]
    assert "decisions_cut" in caplog.text


def test_what_comes_after_the_drain_has_its_failure_action_as_well() -> None:
    desk = Desk()
    desk.ask()
    desk.service.cancel_rest()
    assert answered(desk) == [("refused", 500)]


def test_a_timeout_is_a_warning() -> None:
    desk = Desk()
    desk.ask()
    desk.pool.runs[0].end(TimedOut(TimeLimit.WALL))
    assert [(line["level"], line["outcome"]) for line in desk.output.lines] == [("warning", "timed_out")]
