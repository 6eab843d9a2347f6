"""Globals run around the assigned script, each on what the one before it left."""

import sys
from typing import Any

from sandbox.outcome import Threw
from sidecar.configuration.tree import Configuration, DecisionSection
from sipio.routing import unpack_routing
from tests.sidecar.decisions.desk import ROUTING, Desk, assignment, returned


async def test_globals_run_around_the_assigned_script_each_on_what_the_one_before_left() -> None:
    desk = Desk(
        routes={("acme", "uk"): assignment("own")},
        first=[assignment("first")],
        last=[assignment("last")],
    )
    desk.ask()
    first = desk.runner.runs[0]
    first.returns(routing=ROUTING | {"cli": "1"}, headers=[[{"key": "X-A", "value": "a"}], []])
    own = desk.runner.runs[1]
    assert own.data["routing"]["cli"] == "1"
    assert own.data["headers"] == [{"key": "X-A", "value": "a"}]
    own.end(Threw("own.js", "Error", "x", None))
    last = desk.runner.runs[2]
    assert last.data["headers"] == [{"key": "X-A", "value": "a"}], "a failed script's step is as if it were not there"
    last.returns(routing=last.data["routing"] | {"cli": "2"})
    assert [run.invocation.program.name for run in desk.runner.runs] == ["first.js", "own.js", "last.js"]
    assert unpack_routing(desk.answer.routing)["cli"] == "2"
    assert desk.answer.headers.add == [("X-A", "a")]
    assert desk.answer.outcome == "script_error"
    assert desk.answer.script is not None
    assert desk.answer.script.id == "own"


async def test_a_result_that_the_next_script_cannot_be_given_is_a_failure_of_the_one_that_left_it() -> None:
    desk = Desk(routes={("acme", "uk"): assignment("own")}, first=[assignment("first")])
    desk.ask()
    # Its text reads like an infinite number in MessagePack, for which values are looked through once more.
    nested: Any = "\x7f\U0001f600" + "x" * 198
    # To read a list takes a level of Python's stack, to look through it two before 3.12.
    for _ in range(600 if sys.version_info < (3, 12) else 950):
        nested = [nested]
    desk.runner.runs[0].returns(routing=ROUTING | {"x": nested})
    own = desk.runner.runs[1]
    assert own.data["routing"] == ROUTING
    own.returns()
    assert desk.answer.outcome == "script_error"
    assert unpack_routing(desk.answer.routing) == ROUTING
    assert desk.told[0].failed_script == "first"
    assert desk.decisions.pending == 0


async def test_a_global_that_refuses_ends_the_decision() -> None:
    desk = Desk(routes={("acme", "uk"): assignment("own")}, first=[assignment("first")])
    desk.ask()
    desk.runner.runs[0].end(returned({"reject": [403, "Fraud"]}))
    assert desk.answer.code == 403
    assert len(desk.runner.runs) == 1


async def test_all_scripts_together_have_a_limit() -> None:
    configuration = Configuration(decisions=DecisionSection(total_timeout_ms=200))
    desk = Desk(configuration, routes={("acme", "uk"): assignment("own", timeout_ms=500)})
    desk.ask()
    assert desk.runner.runs[0].invocation.limits.wall_seconds <= 0.2
