"""Decisions over a runner in memory: which scripts run, on what, within which time, and what their ends mean."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace as replaced

from sandbox.host import Host
from sandbox.outcome import (
    Bound,
    Cancelled,
    Completion,
    Crashed,
    Exceeded,
    Interruption,
    Location,
    LogLine,
    Outcome,
    OutOfMemory,
    Refused,
    Returned,
    Stage,
    Threw,
    TimedOut,
    TimeLimit,
)
from sandbox.program import Invocation
from sidecar.catalog.compile import make_script
from sidecar.catalog.model import Assignment, Script, Snapshot
from sidecar.configuration.tree import Configuration, DecisionSection
from sidecar.decisions import deciding
from sidecar.decisions.deciding import Decided
from sidecar.decisions.decisions import Decisions
from sidecar.hosts import routing_result
from sidecar.kind import Kind
from sidecar.sip_answer import SipAnswer
from sipio.errors import MalformedMessage
from sipio.routing import Action, Decision, Direction, RoutingRequest, SipRequest, pack_routing, unpack_routing

ROUTING = {
    "cli": "442070000001",
    "dest_number": "15551234",
    "egress_routing": [{"gw": {"a": {"cli": "442070000001"}}}, {"gw": {"b": {"cli": "442070000001"}}}],
}


SCRIPT_TIMEOUT = SipAnswer(503, "Script Timeout")


def returned(result: dict[str, Any]) -> Returned:
    return Returned(msgspec.msgpack.encode(result))


class MemoryRun:
    def __init__(self, runner: "MemoryRunner", invocation: Invocation, done: Callable[[Completion], None]) -> None:
        self.runner = runner
        self.invocation = invocation
        self.done = done
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True
        self.done(Completion(Cancelled()))

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = msgspec.msgpack.decode(self.invocation.input)
        return data

    def end(self, outcome: Outcome, *log: LogLine) -> None:
        self.done(Completion(outcome, log, 7))

    def returns(self, **changes: Any) -> None:
        data = self.data
        result = {"routing": data["routing"], "headers": [data["headers"]], "remove_headers": [data["remove_headers"]]}
        self.end(returned(result | changes))


class MemoryRunner:
    def __init__(self) -> None:
        self.runs: list[MemoryRun] = []
        self.immediately: Outcome | None = None
        """What becomes of the next run before ``submit`` returns."""

    def submit(
        self, invocation: Invocation, done: Callable[[Completion], None], _host: Host | None = None
    ) -> MemoryRun:
        run = MemoryRun(self, invocation, done)
        self.runs.append(run)
        immediately, self.immediately = self.immediately, None
        if immediately is not None:
            done(Completion(immediately))
        return run


def script(name: str) -> Script:
    return replace(make_script(id=name, name=f"{name}.js", kind=Kind.SCRIPT, text=""), version="1")


def assignment(
    name: str,
    *,
    timeout_ms: int = 500,
    timeout_action: SipAnswer | None = SCRIPT_TIMEOUT,
    error_action: SipAnswer | None = None,
    variables: Mapping[str, Any] | None = None,
) -> Assignment:
    return Assignment(
        script_id=name,
        timeout_ms=timeout_ms,
        timeout_action=timeout_action,
        error_action=error_action,
        variables=variables or {},
    )


class Desk:
    """Decisions, what they answered and what they told of it."""

    def __init__(self, configuration: Configuration | None = None, **catalog: Any) -> None:
        self.runner = MemoryRunner()
        self.answers: list[Decision] = []
        self.told: list[Decided] = []
        given = catalog.pop("scripts", {})
        scripts = {one.script_id: script(one.script_id) for one in self._assignments(**catalog)} | given
        catalog = {"scripts": scripts, "routes": {}, "dids": {}} | catalog
        self.decisions = Decisions(self.runner, configuration or Configuration(), Snapshot(**catalog), self.told.append)

    @staticmethod
    def _assignments(
        *,
        routes: Mapping[tuple[str, str], Assignment] | None = None,
        dids: Mapping[str, Assignment] | None = None,
        first: Sequence[Assignment] = (),
        last: Sequence[Assignment] = (),
    ) -> list[Assignment]:
        return [*(routes or {}).values(), *(dids or {}).values(), *first, *last]

    def ask(self, **fields: Any) -> Any:
        fields = {"call_id": "c1", "customer": "acme", "route": "uk", "routing": ROUTING} | fields
        if isinstance(fields["routing"], dict):
            fields["routing"] = pack_routing(fields["routing"])
        self.request = RoutingRequest(**fields)
        request = self.request
        return self.decisions.route(request, self.answers.append)

    @property
    def answer(self) -> Decision:
        (answer,) = self.answers
        return answer


def assigned(**options: Any) -> Desk:
    return Desk(routes={("acme", "uk"): assignment("own", **options)})


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


async def test_destinations_keep_header_changes_of_their_own_as_text() -> None:
    desk = assigned()
    desk.ask()
    destination = {"gw": {}, "headers": [{"key": "X-N", "value": 5}], "remove_headers": ["X-O"]}
    desk.runner.runs[0].returns(routing={"egress_routing": [destination]})
    (kept,) = unpack_routing(desk.answer.routing)["egress_routing"]
    assert kept["headers"] == [{"key": "X-N", "value": "5"}]
    assert kept["remove_headers"] == [{"key": "X-O"}]


@pytest.mark.parametrize("none", [False, 0, "", {}])
async def test_what_stands_for_no_header_changes_is_given_back_as_a_list(none: Any) -> None:
    desk = assigned()
    desk.ask()
    destinations = [{"gw": {}, "headers": none, "remove_headers": none}, {"headers": None}]
    desk.runner.runs[0].returns(routing={"egress_routing": destinations})
    assert desk.answer.outcome == "returned"
    assert unpack_routing(desk.answer.routing)["egress_routing"] == [
        {"gw": {}, "headers": [], "remove_headers": []},
        {"headers": None},
    ]


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


@pytest.mark.parametrize(
    "result",
    [
        {"headers": [[{"key": "Via", "value": "x"}], []]},
        {"headers": [[{"key": "X-A", "value": "a\r\nb"}], []]},
        {"remove_headers": [[{"key": "Contact"}], []]},
        {"routing": {"egress_routing": 5}},
        {"routing": {"egress_routing": [5]}},
        {"routing": {"egress_routing": [{"gw": 5}]}},
        {"routing": {"egress_routing": [{"headers": 5}]}},
        {"routing": {"egress_routing": [{"headers": [{"key": "Route", "value": "x"}]}]}},
        {"routing": {"egress_routing": [{}] * 501}},
        {"routing": {"egress_routing": [], "headers": [{"key": "Via", "value": "x"}]}},
        {"routing": {"egress_routing": [], "remove_headers": ["Via"]}},
        {"routing": {"egress_routing": [], "cli": "1 2"}},
        {"routing": {"egress_routing": [], "dest_number": "1@x"}},
        {"routing": {"egress_routing": [{"gw": {"a": {"cli": "<>"}}}]}},
        {"routing": 5},
        {"headers": 5},
        {"headers": [[{"key": "X-A", "value": 1}]] * 3},
        {"remove_headers": [[{"key": "X-A"}]] * 3},
        {"reject": [200, "OK"]},
        {"reject": "x"},
        {"unread": ["x"] * 11},
        {"unread": ["x" * 101]},
    ],
)
async def test_a_result_that_must_not_reach_the_switch_is_a_script_error(result: dict[str, Any]) -> None:
    desk = assigned(error_action=SipAnswer(500, "Broken"))
    desk.ask()
    desk.runner.runs[0].returns(**result)
    assert (desk.answer.code, desk.answer.outcome) == (500, "script_error")


async def test_a_result_is_refused_that_is_nested_deeper_than_who_tells_the_switch_could_read() -> None:
    for depth in range(routing_result.NESTING - 1, 1_000):
        desk = assigned(error_action=SipAnswer(500, "Script Error"))
        nested = b"\x82" + msgspec.msgpack.encode("egress_routing") + b"\x90\xa1x" + b"\x91" * depth + b"\xc0"
        desk.ask()
        desk.runner.runs[0].end(Returned(b"\x81" + msgspec.msgpack.encode("routing") + nested))
        assert desk.decisions.pending == 0
        if depth < routing_result.NESTING:
            assert desk.answer.outcome == "returned"
            assert unpack_routing(desk.answer.routing)["x"]
        else:
            assert desk.answer.outcome == "script_error"
            assert desk.told[0].failure is not None
            assert desk.told[0].failure.message.endswith("it is nested more than 900 deep")


async def test_an_odd_number_that_the_switch_itself_sent_passes() -> None:
    desk = assigned()
    routing = {"cli": "a b;x", "egress_routing": [{"gw": {"g": {"cli": "q r"}}}]}
    desk.ask(routing=routing)
    desk.runner.runs[0].returns()
    assert unpack_routing(desk.answer.routing) == routing
    assert desk.answer.outcome == "returned"


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
    for _ in range(600):
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


async def test_all_scripts_together_have_a_limit() -> None:
    configuration = Configuration(decisions=DecisionSection(total_timeout_ms=200))
    desk = Desk(configuration, routes={("acme", "uk"): assignment("own", timeout_ms=500)})
    desk.ask()
    assert desk.runner.runs[0].invocation.limits.wall_seconds <= 0.2


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


def open_routes(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    found = [vars(record)["fields"] for record in caplog.records if record.msg == "switch_fails_open"]
    return [(fields["customer"], fields["error_action"]) for fields in found]


async def test_a_route_that_the_switch_leaves_open_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    desk = assigned(error_action=SipAnswer(503, "Closed"))
    for fail_closed in (None, True, False, False):
        desk.ask(fail_closed=fail_closed)
    assert open_routes(caplog) == [("acme", "503 Closed")]


async def test_a_route_that_goes_on_after_an_error_may_be_left_open(caplog: pytest.LogCaptureFixture) -> None:
    assigned(error_action=None).ask(fail_closed=False)
    assert open_routes(caplog) == []


async def test_not_every_route_of_thousands_is_named(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(routes={("acme", str(n)): assignment("own", error_action=SipAnswer(503, "Closed")) for n in range(30)})
    for n in range(30):
        desk.ask(route=str(n), fail_closed=False)
    assert len(open_routes(caplog)) == 20


READING = make_script(id="own", name="own.js", kind=Kind.SCRIPT, text="function main({ sip }) {}")
SIP = SipRequest(uri="sip:15551234;npdi@h", source="192.0.2.1:5060", headers=[("From", "<sip:1@h>;tag=\u2028\x01")])


def reading(text: str = READING.text) -> Desk:
    return Desk(routes={("acme", "uk"): assignment("own")}, scripts={"own": replace(READING, text=text)})


async def test_a_script_that_reads_it_is_given_the_sip_request() -> None:
    desk = reading()
    desk.ask(sip=SIP)
    (run,) = desk.runner.runs
    assert run.data["sip"] == {
        "method": "INVITE",
        "uri": "sip:15551234;npdi@h",
        "source": "192.0.2.1:5060",
        "headers": [["From", "<sip:1@h>;tag=\u2028\x01"]],
    }


async def test_what_proves_the_callers_password_is_not_told() -> None:
    desk = reading()
    secret = [("Authorization", "Digest response=1"), ("PROXY-authorization", "Digest response=2"), ("X", "3")]
    desk.ask(sip=SipRequest(headers=secret))
    (run,) = desk.runner.runs
    assert run.data["sip"]["headers"] == [["X", "3"]]


async def test_where_the_switch_did_not_tell_of_it_it_is_empty() -> None:
    desk = reading()
    desk.ask()
    (run,) = desk.runner.runs
    assert run.data["sip"] == {"method": "", "uri": "", "source": "", "headers": []}


@pytest.mark.parametrize("text", ["function main(data) {}", "let gossip, sip_, $sips;", "data.SIP"])
async def test_a_script_that_does_not_name_it_is_not_given_it(text: str) -> None:
    desk = reading(text)
    desk.ask(sip=SIP)
    (run,) = desk.runner.runs
    assert "sip" not in run.data


@pytest.mark.parametrize("text", ["data.sip.uri", "data['sip']", "const { sip: request } = data", "data?.sip"])
async def test_every_way_to_name_it_counts(text: str) -> None:
    desk = reading(text)
    desk.ask(sip=SIP)
    (run,) = desk.runner.runs
    assert run.data["sip"]["method"] == "INVITE"


async def test_each_script_of_a_call_reads_the_request_as_it_came() -> None:
    desk = Desk(routes={("acme", "uk"): assignment("own")}, first=[assignment("own")], scripts={"own": READING})
    desk.ask(sip=SIP)
    desk.runner.runs[0].returns()
    assert desk.runner.runs[1].data["sip"] == desk.runner.runs[0].data["sip"]


async def test_a_sip_request_that_is_no_text_is_the_switchs_mistake() -> None:
    desk = reading()
    with pytest.raises(MalformedMessage):
        desk.ask(sip=SipRequest(uri="\ud800"))


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
