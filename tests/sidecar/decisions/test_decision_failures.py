"""What a script that fails, or cannot be run, makes of a decision, and where it is counted."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace as replaced

from sandbox.outcome import (
    Bound,
    Completion,
    Crashed,
    Exceeded,
    Interruption,
    Location,
    LogLine,
    Outcome,
    OutOfMemory,
    Refused,
    Stage,
    Threw,
    TimedOut,
    TimeLimit,
)
from sidecar.catalog.model import Snapshot
from sidecar.decisions import deciding
from sidecar.hosts import routing_result
from sidecar.sip_answer import SipAnswer
from sipio.routing import Action, Decision, RoutingRequest, pack_routing
from tests.sidecar.decisions.desk import ROUTING, Desk, assigned, assignment, script

FAILURES: list[tuple[Outcome, str]] = [
    (Threw("own.js", "TypeError", "x", Location(3, 4)), "script_error"),
    (OutOfMemory(), "out_of_memory"),
    (Exceeded(Bound.RESULT), "script_error"),
    (Crashed("SIGSEGV"), "crashed"),
    (Refused("too many"), "refused"),
    (TimedOut(TimeLimit.CPU), "timed_out"),
    (TimedOut(TimeLimit.WALL), "timed_out"),
]


@pytest.mark.parametrize(("outcome", "name"), FAILURES)
async def test_failures_continue_with_the_switchs_own_decision_where_that_is_the_action(
    outcome: Outcome, name: str
) -> None:
    desk = assigned(timeout_action=None, error_action=None)
    desk.ask()
    desk.runner.runs[0].end(outcome)
    assert desk.answer.action is Action.ROUTE
    assert desk.answer.routing is desk.request.routing
    assert desk.answer.outcome == name


@pytest.mark.parametrize(("outcome", "name"), FAILURES)
async def test_failures_give_their_sip_answer_where_that_is_the_action(outcome: Outcome, name: str) -> None:
    desk = assigned(timeout_action=SipAnswer(503, "Late"), error_action=SipAnswer(500, "Broken"))
    desk.ask()
    desk.runner.runs[0].end(outcome)
    expected = (503, "Late") if name == "timed_out" else (500, "Broken")
    assert (desk.answer.code, desk.answer.reason) == expected
    assert desk.answer.outcome == name


@pytest.mark.parametrize(("outcome", "name"), FAILURES)
async def test_each_script_s_failures_are_counted_as_its_own(outcome: Outcome, name: str) -> None:
    desk = assigned()
    desk.ask()
    desk.runner.runs[0].end(outcome)
    count = desk.decisions.by_script.of("own")
    assert (count.runs, count.failures) == ((0, 0) if name == "refused" else (1, 1)), "what was never begun is no run"


async def test_a_result_that_breaks_the_rules_is_a_failure_and_a_refused_call_is_none() -> None:
    desk = assigned()
    for result in ({"routing": 5}, {"reject": [404, "x"]}, {}):
        desk.ask()
        desk.runner.runs[-1].returns(**result)
    count = desk.decisions.by_script.of("own")
    assert (count.runs, count.failures) == (3, 1)


@pytest.mark.parametrize(
    ("completion", "micros"),
    [
        (Completion(TimedOut(TimeLimit.WALL), (), 0, Interruption(Stage.RUNNING, 0.2)), 200_000),
        (Completion(TimedOut(TimeLimit.WALL), (), 0, Interruption(Stage.WAITING, 0.1)), 300_000),
        (Completion(TimedOut(TimeLimit.WALL), (), 0, Interruption(Stage.QUEUED, 0.3)), 0),
        (Completion(Crashed("SIGALRM")), 300_000),
        (Completion(Refused("too much was waiting")), 0),
    ],
    ids=["cut off while it ran", "cut off while it waited", "cut off in the queue", "crashed", "refused"],
)
async def test_the_time_of_a_run_whose_worker_did_not_tell_it_is_counted_too(
    monkeypatch: pytest.MonkeyPatch, completion: Completion, micros: int
) -> None:
    clock = [100.0]
    monkeypatch.setattr(deciding, "_now", lambda: clock[0])
    desk = assigned()
    desk.ask()
    clock[0] += 0.3
    desk.runner.runs[0].done(completion)
    assert desk.answer.micros["script"] == pytest.approx(micros, abs=1)
    assert desk.decisions.by_script.of("own").micros == pytest.approx(micros, abs=1)


async def test_scripts_of_the_catalog_are_counted_from_0() -> None:
    desk = assigned()
    desk.decisions.use(Snapshot(scripts={"own": script("own")}, routes={}, dids={}))
    assert list(desk.decisions.by_script.snapshot()) == ["own", "other"]


async def test_an_error_is_told_with_its_place_in_the_authors_file() -> None:
    desk = assigned()
    desk.ask()
    desk.runner.runs[0].end(Threw("own.js", "TypeError", "x is null", Location(3, 4)), LogLine("log", "before"))
    (decided,) = desk.told
    assert decided.failure is not None
    assert (decided.failure.message, decided.failure.location) == ("TypeError: x is null", "own.js:3:4")
    assert decided.console == [("own", LogLine("log", "before"))]


@pytest.mark.parametrize(("wrong", "said"), [("line 3: no", "line 3: no"), ("", "there is no script 'own'")])
@pytest.mark.parametrize(("action", "code"), [(SipAnswer(503, "Closed"), 503), (None, 0)])
async def test_an_assignment_whose_script_cannot_be_run_gives_its_error_action(
    wrong: str, said: str, action: SipAnswer | None, code: int
) -> None:
    own = replaced(assignment("own", error_action=action), wrong=wrong)
    desk = Desk(routes={("acme", "uk"): own, ("beta", ""): assignment("other")})
    scripts = {"other": script("other")} | ({"own": script("own")} if wrong else {})
    snapshot = Snapshot(
        scripts=scripts,
        routes={("acme", "uk"): own, ("beta", ""): assignment("other")},
        dids={},
        unusable={"own": "there is no script 'own'"},
    )
    desk.decisions.use(snapshot)
    desk.ask()
    answer = desk.answer
    assert (answer.code, answer.outcome) == (code, "script_error")
    assert answer.script is not None
    assert answer.script.id == "own"
    [told] = desk.told
    assert told.failure is not None
    assert told.failure.message == said
    assert desk.runner.runs == []
    desk.ask(customer="beta")
    assert len(desk.runner.runs) == 1


async def test_a_decision_that_raises_as_it_begins_is_not_kept() -> None:
    desk = assigned()

    def broken(*_: Any) -> None:
        raise ValueError("a bug of ours")

    desk.runner.submit = broken  # type: ignore[assignment, method-assign]
    with pytest.raises(ValueError, match="a bug of ours"):
        desk.ask()
    assert desk.decisions.pending == 0
    await asyncio.wait_for(desk.decisions.drained(), 5)


async def test_the_switch_has_an_answer_whatever_is_wrong_with_us(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ValueError("a bug of ours")

    desk = assigned(error_action=SipAnswer(503, "Closed"))
    desk.ask()
    monkeypatch.setattr(routing_result, "read_result", broken)
    with pytest.raises(ValueError, match="a bug of ours"):
        desk.runner.runs[0].returns()
    assert (desk.answer.code, desk.answer.outcome) == (503, "crashed")
    assert desk.decisions.pending == 0


async def test_an_answer_that_nobody_can_take_ends_the_decision() -> None:
    def broken(_: Decision) -> None:
        raise ValueError("a bug of ours")

    desk = assigned()
    desk.decisions.route(
        RoutingRequest(call_id="c1", customer="acme", route="uk", routing=pack_routing(ROUTING)), broken
    )
    with pytest.raises(ValueError, match="a bug of ours"):
        desk.runner.runs[0].returns()
    assert desk.decisions.pending == 0
