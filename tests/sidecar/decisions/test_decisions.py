"""Decisions over a runner in memory: which scripts run, on what, within which time, and what their ends mean."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from sandbox.outcome import Refused
from sidecar.catalog.model import Snapshot
from sidecar.hosts.routing import NESTING
from sidecar.sip_answer import SipAnswer
from sipio.errors import MalformedMessage
from sipio.routing import Action, Direction, unpack_routing
from tests.sidecar.decisions.desk import ROUTING, Desk, assigned, assignment, returned, script


async def test_without_an_assignment_the_decision_is_passed_back_unchanged() -> None:
    desk = Desk()
    desk.ask()
    assert desk.answer.action is Action.ROUTE
    assert desk.answer.routing is desk.request.routing
    assert (desk.answer.outcome, desk.answer.script) == ("unassigned", None)
    assert desk.runner.runs == []
    assert desk.decisions.pending == 0


async def test_a_script_sees_the_routing_and_its_vars_and_its_result_is_the_decision() -> None:
    desk = assigned(variables={"schedule": {"week": [1, 2]}})
    desk.ask()
    (run,) = desk.runner.runs
    assert run.data == {
        "routing": ROUTING,
        "headers": [],
        "remove_headers": [],
        "vars": {"schedule": {"week": [1, 2]}},
    }
    assert run.invocation.correlation_id == "c1"
    assert run.invocation.program.environment["SCRIPTFORGE_NAME"] == "own.js"
    assert desk.decisions.pending == 1
    changed = ROUTING | {"dest_number": "999", "egress_routing": [ROUTING["egress_routing"][1]]}
    run.returns(routing=changed, headers=[[{"key": "X-A", "value": 1}], []], remove_headers=[[], [{"key": "X-B"}]])
    answer = desk.answer
    assert answer.action is Action.ROUTE
    assert unpack_routing(answer.routing) == changed
    assert (answer.headers.add, answer.headers.remove) == ([("X-A", "1")], ["X-B"])
    assert answer.outcome == "returned"
    assert answer.script is not None
    assert answer.script.id == "own"
    assert answer.micros["script"] == 7
    assert desk.decisions.pending == 0
    assert [decided.failure for decided in desk.told] == [None]


async def test_a_script_refuses_the_call() -> None:
    desk = assigned()
    desk.ask()
    desk.runner.runs[0].end(returned({"reject": [604, "Number\r\nnot found"]}))
    answer = desk.answer
    assert (answer.action, answer.code, answer.reason) == (Action.REJECT, 604, "Number  not found")
    assert answer.outcome == "sip_error"


async def test_a_refusal_without_words_gets_the_codes_own() -> None:
    desk = assigned()
    desk.ask()
    desk.runner.runs[0].end(returned({"reject": [404, ""]}))
    assert desk.answer.reason == "Not Found"


async def test_the_switch_shortens_the_timeout_and_never_lengthens_it() -> None:
    desk = assigned(timeout_ms=500)
    desk.ask(timeout_ms=100)
    desk.ask(timeout_ms=60_000)
    walls = [run.invocation.limits.wall_seconds for run in desk.runner.runs]
    assert 0.05 < walls[0] <= 0.1
    assert walls[1] == 0.5


async def test_no_time_left_is_a_timeout_without_a_run() -> None:
    desk = assigned()
    desk.ask(timeout_ms=0)
    assert desk.runner.runs == []
    assert (desk.answer.code, desk.answer.outcome) == (503, "timed_out")


async def test_a_call_given_up_is_answered_487_and_its_run_stopped() -> None:
    desk = assigned()
    pending = desk.ask()
    pending.cancel()
    pending.cancel()
    assert desk.runner.runs[0].cancelled
    assert (desk.answer.code, desk.answer.outcome) == (487, "cancelled")
    assert desk.decisions.pending == 0


async def test_a_run_refused_at_once_is_answered_once() -> None:
    desk = assigned()
    desk.runner.immediately = Refused("too many runs are waiting")
    desk.ask().cancel()
    assert desk.answer.outcome == "refused"


async def test_a_call_given_up_stops_the_run_that_followed_one_refused_at_once() -> None:
    desk = Desk(routes={("acme", "uk"): assignment("own")}, first=[assignment("first")])
    desk.runner.immediately = Refused("too many runs are waiting")
    desk.ask().cancel()
    assert [run.cancelled for run in desk.runner.runs] == [False, True]
    assert (desk.answer.code, desk.answer.outcome) == (487, "cancelled")


async def test_the_end_of_the_daemon_gives_the_failure_action() -> None:
    desk = assigned(error_action=SipAnswer(500, "Broken"))
    desk.ask()
    desk.decisions.fail_pending()
    assert (desk.answer.code, desk.answer.outcome) == (500, "refused")
    assert desk.runner.runs[0].cancelled


async def test_a_decision_under_way_finishes_with_the_scripts_it_began_with() -> None:
    desk = assigned()
    desk.ask()
    desk.decisions.use(Snapshot(scripts={}, routes={}, dids={}))
    desk.runner.runs[0].returns()
    assert desk.answer.outcome == "returned"
    desk.ask(call_id="c2")
    assert desk.answers[1].outcome == "unassigned"


async def test_what_a_new_snapshot_has_not_changed_is_not_made_ready_again() -> None:
    own, other = assignment("own"), assignment("other")
    scripts = {"own": script("own"), "other": script("other")}
    desk = Desk(scripts=scripts, routes={("acme", "uk"): own, ("acme", "fr"): other})
    desk.ask()
    desk.ask(route="fr")
    changed = scripts | {"other": replace(scripts["other"], version="2")}
    desk.decisions.use(Snapshot(scripts=changed, routes={("acme", "uk"): own, ("acme", "fr"): other}, dids={}))
    desk.ask()
    desk.ask(route="fr")
    programs = [run.invocation.program for run in desk.runner.runs]
    assert programs[2] is programs[0]
    assert [program.key for program in programs] == ["own@1", "other@1", "own@1", "other@2"]


async def test_a_script_put_back_as_it_was_is_run_as_it_was() -> None:
    own, before = assignment("own"), script("own")
    desk = Desk(scripts={"own": before}, routes={("acme", "uk"): own})
    for version in (before, replace(before, version="2"), before):
        desk.decisions.use(Snapshot(scripts={"own": version}, routes={("acme", "uk"): own}, dids={}))
        desk.ask()
    assert [run.invocation.program.key for run in desk.runner.runs] == ["own@1", "own@2", "own@1"]


async def test_origination_is_assigned_by_did() -> None:
    desk = Desk(dids={"442071": assignment("ivr")}, routes={("acme", "uk"): assignment("own")})
    desk.ask(direction=Direction.ORIGINATION, did="442071")
    assert desk.runner.runs[0].invocation.program.name == "ivr.js"
    desk.ask(direction=Direction.ORIGINATION, did="none")
    assert desk.answers[0].outcome == "unassigned"


async def test_a_customers_other_routes_have_the_assignment_without_a_route() -> None:
    desk = Desk(routes={("acme", ""): assignment("any"), ("acme", "uk"): assignment("own")})
    desk.ask()
    desk.ask(route="fr")
    assert [run.invocation.program.name for run in desk.runner.runs] == ["own.js", "any.js"]


@pytest.mark.parametrize(
    "routing",
    [
        Raw(b"\x81\xa1x"),
        Raw(b"\x81\xa1x\xa1\xff"),
        Raw(b"\x90"),
        {"headers": [{"key": "Via", "value": "x"}]},
        {"egress_routing": [{}, {"headers": [{"key": "Via", "value": "x"}]}]},
        {"egress_routing": [{"remove_headers": ["Call-ID"]}]},
        {"x": "x" * 1_000_000},
        {"x": {None: 1}},
    ],
)
async def test_a_routing_that_no_script_can_be_given_is_the_switchs_mistake(routing: dict[str, Any] | Raw) -> None:
    desk = assigned()
    with pytest.raises(MalformedMessage):
        desk.ask(routing=routing)
    assert desk.answers == []
    assert desk.decisions.pending == 0


async def test_a_routing_nested_too_deep_is_the_switchs_mistake() -> None:
    head = b"\x82" + msgspec.msgpack.encode("egress_routing") + b"\x90\xa1x"
    for depth in range(NESTING - 1, 1_100):
        desk = assigned(error_action=SipAnswer(500, "Script Error"))
        routing = Raw(head + b"\x91" * depth + b"\xc0")
        if depth < NESTING:
            desk.ask(routing=routing)
            assert len(desk.runner.runs) == 1
        else:
            with pytest.raises(MalformedMessage):
                desk.ask(routing=routing)
