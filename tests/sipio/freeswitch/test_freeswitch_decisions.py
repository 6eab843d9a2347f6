"""Class 4: the question, the decision, and what the dialplan bridges by."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.call_control import CallOffer
from sipio.egress import DecisionError
from sipio.errors import MalformedMessage
from sipio.freeswitch.answer import Route, read_answer
from sipio.freeswitch.offer import Arrival, Mode
from sipio.freeswitch.question import DialplanCandidate, read_candidates
from sipio.routing import Action, Decision, Direction, HeaderChanges, pack_routing, unpack_routing
from tests.sipio.freeswitch.freeswitch_double import FakeChannel
from tests.sipio.freeswitch.freeswitch_line import Line

CANDIDATES = "a=sofia/gateway/a/{number}|b=sofia/gateway/b/{number}"
VARIABLES = {
    "scriptforge_mode": "class4",
    "scriptforge_customer": "acme",
    "scriptforge_route": "gold",
    "scriptforge_candidates": CANDIDATES,
    "scriptforge_bridge": "sofia/gateway/a/7000",
    "sip_call_id": "abc",
    "sip_from_user": "100",
    "sip_req_uri": "7000@10.0.0.1",
    "sip_h_X-Foo": "foo",
    "sip_h_X-Foo-1": "again",
    "sip_h_X-Two": "two",
}


def line(**variables: str) -> Line:
    return Line(FakeChannel(variables={**VARIABLES, **variables}))


def decide(routing: dict[str, Any], add: list[tuple[str, str]] | None = None, remove: list[str] | None = None) -> Route:
    arrival = Arrival(
        uuid="u",
        mode=Mode.CLASS4,
        full=True,
        answered=False,
        variables=VARIABLES,
        offer=CallOffer(id="abc", driver="freeswitch", from_user="100", to_user="7000"),
    )
    decision = Decision(
        action=Action.ROUTE, routing=pack_routing(routing), headers=HeaderChanges(add=add or [], remove=remove or [])
    )
    planned = read_answer(decision, arrival, read_candidates(CANDIDATES))
    assert isinstance(planned, Route)
    return planned


def entry(gateway: str, **more: Any) -> dict[str, Any]:
    return {"gw": {gateway: {"cli": "100"}}, **more}


def test_the_question() -> None:
    (request,) = line(
        scriptforge_direction="origination", scriptforge_did="44", scriptforge_timeout_ms="300"
    ).router.requests
    assert (request.call_id, request.customer, request.route, request.did) == ("abc", "acme", "gold", "44")
    assert (request.direction, request.timeout_ms) == (Direction.ORIGINATION, 300)
    assert [list(one["gw"]) for one in unpack_routing(request.routing)["egress_routing"]] == [["a"], ["b"]]
    assert (unpack_routing(request.routing)["cli"], unpack_routing(request.routing)["dest_number"]) == ("100", "7000")


def test_the_numbers_are_asked_about_without_their_parameters() -> None:
    one = line(
        sip_from_user="+44-20;tgrp=g",
        scriptforge_destination="+442079460000;npdi;rn=+44111",
        scriptforge_did="+44 20 7946-0000",
    )
    (request,) = one.router.requests
    assert request.did == "+442079460000"
    assert (unpack_routing(request.routing)["cli"], unpack_routing(request.routing)["dest_number"]) == (
        "+4420",
        "+442079460000",
    )
    assert unpack_routing(request.routing)["cli_parameters"] == {"tgrp": "g"}
    assert unpack_routing(request.routing)["dest_number_parameters"] == {"npdi": "", "rn": "+44111"}
    assert [
        gateway["cli"]
        for entry in unpack_routing(request.routing)["egress_routing"]
        for gateway in entry["gw"].values()
    ] == [
        "+4420",
        "+4420",
    ]
    one.router.answer(Decision(action=Action.ROUTE, routing=request.routing, outcome="returned"))
    one.pump()
    assert one.freeswitch.variables["scriptforge_bridge"] == (
        "sofia/gateway/a/+442079460000|sofia/gateway/b/+442079460000"
    )


def test_the_sip_request_is_told_with_the_question() -> None:
    (request,) = line(sip_network_ip="2001:db8::1", sip_network_port="5060").router.requests
    assert request.sip is not None
    assert (request.sip.method, request.sip.uri) == ("INVITE", "sip:7000@10.0.0.1")
    assert request.sip.source == "[2001:db8::1]:5060"
    assert ("X-Foo", "again") in request.sip.headers


@pytest.mark.parametrize("timeout", ["0", "-5", "1.5", "nan", "1_000", " 5", "\u0665", "9" * 30])
def test_a_time_that_is_none_is_the_dialplan_s_mistake(timeout: str) -> None:
    one = line(scriptforge_timeout_ms=timeout)
    assert one.router.requests == []
    assert "scriptforge_timeout_ms" in one.problems[0]


def test_a_route_is_left_in_a_variable_and_the_call_to_its_dialplan() -> None:
    one = line()
    assert "linger" not in one.freeswitch.sent
    routing = {"egress_routing": [entry("b"), entry("a")]}
    one.router.answer(Decision(action=Action.ROUTE, routing=pack_routing(routing), outcome="returned"))
    one.pump()
    assert one.freeswitch.variables["scriptforge_bridge"] == "sofia/gateway/b/7000|sofia/gateway/a/7000"
    assert one.freeswitch.variables["scriptforge_outcome"] == "returned"
    assert one.freeswitch.sent[-1] == "exit"
    assert one.freeswitch.executed == []
    assert (one.lost, one.router.cancelled) == (True, 0)


def test_a_reject_is_a_sip_answer() -> None:
    one = line()
    one.router.answer(Decision(action=Action.REJECT, code=604, reason="Number not\r\n found", routing=pack_routing({})))
    one.pump()
    assert one.freeswitch.responded == "604 Number not found"
    assert one.lost


def test_what_a_script_says_in_a_reject_is_never_expanded() -> None:
    one = line()
    evil = "${system(touch /tmp/x)}"
    one.router.answer(Decision(action=Action.REJECT, code=486, reason=evil, routing=pack_routing({})))
    one.pump()
    assert one.freeswitch.responded == f"486 {evil}"
    assert one.freeswitch.expanded == []


def test_the_outcome_comes_last_so_that_half_a_decision_is_none() -> None:
    one = line()
    routing = {"egress_routing": [entry("b")]}
    one.router.answer(Decision(action=Action.ROUTE, routing=pack_routing(routing), outcome="returned"))
    one.pump()
    names = [sent.split()[3] for sent in one.freeswitch.sent if sent.startswith("api uuid_setvar")]
    assert names[-2:] == ["scriptforge_bridge", "scriptforge_outcome"]


@pytest.mark.parametrize("emptied", [[], [{"gw": {}}]])
def test_an_empty_list_is_no_route(emptied: list[dict[str, Any]]) -> None:
    one = line()
    one.router.answer(Decision(action=Action.ROUTE, routing=pack_routing({"egress_routing": emptied})))
    one.pump()
    assert one.freeswitch.responded == "503 No Route"


def test_no_candidates_at_all_is_the_dialplans_own_affair() -> None:
    one = line(scriptforge_candidates="")
    (request,) = one.router.requests
    assert unpack_routing(request.routing)["egress_routing"] == []
    one.router.answer(Decision(action=Action.ROUTE, routing=request.routing, outcome="returned"))
    one.pump()
    assert one.freeswitch.variables["scriptforge_bridge"] == "sofia/gateway/a/7000"
    assert one.freeswitch.variables["scriptforge_outcome"] == "returned"
    assert one.freeswitch.sent[-1] == "exit"
    assert (one.freeswitch.responded, one.problems) == ("", [])


@pytest.mark.parametrize(
    "routing",
    [{}, {"egress_routing": [entry("zz")]}, {"egress_routing": [entry("a", headers=[{"key": "X-A", "value": "]|x"}])]}],
)
def test_what_cannot_be_carried_out_leaves_the_dialplans_own(routing: dict[str, Any]) -> None:
    one = line()
    one.router.answer(Decision(action=Action.ROUTE, routing=pack_routing(routing)))
    one.pump()
    assert one.freeswitch.variables["scriptforge_bridge"] == "sofia/gateway/a/7000"
    assert "scriptforge_outcome" not in one.freeswitch.variables
    assert one.freeswitch.sent[-1] == "exit"
    assert len(one.problems) == 1


def test_half_a_decision_is_not_carried_out() -> None:
    one = line()
    # A SIP header may be called that, a channel variable may not.
    changes = HeaderChanges(add=[("X-A+B", "1")])
    routing = {"egress_routing": [entry("a")]}
    one.router.answer(Decision(action=Action.ROUTE, routing=pack_routing(routing), headers=changes, outcome="returned"))
    one.pump()
    assert "scriptforge_outcome" not in one.freeswitch.variables
    assert one.freeswitch.sent[1:] == ["exit"]


def test_a_dialplan_with_a_mistake_goes_on_by_itself() -> None:
    one = line(scriptforge_candidates="a")
    assert one.router.requests == []
    assert one.freeswitch.sent[-1] == "exit"
    assert "scriptforge_candidates" in one.problems[0]


def test_a_caller_who_gives_up_cancels_the_run() -> None:
    one = line()
    one.freeswitch.caller_hangs_up()
    one.pump()
    assert one.router.cancelled == 1
    one.router.answer(Decision(action=Action.REJECT, code=404, routing=pack_routing({})))
    assert one.connection.take() == b""


def test_each_gateway_has_its_caller_id_and_headers() -> None:
    planned = decide(
        {
            "dest_number": 4420,
            "egress_routing": [
                {"gw": {"b": {"cli": "777"}}, "headers": [{"key": "X-Leg", "value": "a, b;c=~x"}]},
                entry("a"),
            ],
        }
    )
    assert planned.bridge == (
        "[^^!sip_h_X-Leg=a, b;c=~x!origination_caller_id_number=777]sofia/gateway/b/4420|sofia/gateway/a/4420"
    )
    assert planned.variables == []


def test_a_caller_id_for_all() -> None:
    assert decide({"cli": "555", "egress_routing": [entry("a")]}).bridge == (
        "[^^~origination_caller_id_number=555]sofia/gateway/a/7000"
    )


def test_a_header_for_all_is_set_on_the_callers_leg() -> None:
    planned = decide({"egress_routing": [entry("a")]}, add=[("X-All", "it's ${all} |]")], remove=["x-foo"])
    assert planned.variables == [("sip_h_X-Foo", ""), ("sip_h_X-Foo-1", ""), ("sip_h_X-All", "it's ${all} |]")]
    assert planned.bridge == "sofia/gateway/a/7000"


def test_a_header_that_one_leg_is_without_is_given_back_to_the_others() -> None:
    planned = decide({"egress_routing": [entry("a", remove_headers=[{"key": "X-TWO"}]), entry("b")]})
    assert planned.variables == [("sip_h_X-Two", "")]
    assert planned.bridge == "sofia/gateway/a/7000|[^^~sip_h_X-Two=two]sofia/gateway/b/7000"


@pytest.mark.parametrize(
    "routing",
    [
        {"egress_routing": [entry("a", headers=[{"key": "X-A", "value": "${system(x)}"}])]},
        {"egress_routing": [entry("a", headers=[{"key": "From", "value": "x"}])]},
        {"egress_routing": [entry("a", headers=[{"key": "X A", "value": "x"}])]},
        {"egress_routing": [entry("a", headers=[{"key": "X-A", "value": "a\nb"}])]},
        {"egress_routing": [entry("a", headers=[{"key": "X-A"}])]},
        {"egress_routing": [entry("a", remove_headers=["x"])]},
        {"egress_routing": [entry("a")], "dest_number": "1,sofia/x"},
        {"egress_routing": [entry("a")], "cli": "1]sofia/x"},
        {"egress_routing": [entry("a")], "cli": "1" * 200},
        {"egress_routing": "a"},
    ],
)
def test_nothing_else_gets_into_a_dial_string(routing: dict[str, Any]) -> None:
    with pytest.raises(DecisionError):
        decide(routing)


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_leg_stays_one_leg(value: str, cli: str) -> None:
    routing = {"cli": cli, "egress_routing": [entry("a", headers=[{"key": "X-A", "value": value}])]}
    try:
        planned = decide(routing)
    except DecisionError:
        return
    assert planned.bridge.endswith("]sofia/gateway/a/7000")
    head = planned.bridge.removesuffix("sofia/gateway/a/7000")
    assert (head.count("["), head.count("]"), head.count("|"), head.count("$")) == (1, 1, 0, 0)


@pytest.mark.parametrize("text", ["a", "=x", "a=", "a=x|a=y", "a=x|b"])
def test_candidates_that_cannot_be_read(text: str) -> None:
    with pytest.raises(MalformedMessage):
        read_candidates(text)


def test_candidates_in_their_order() -> None:
    assert read_candidates(" b = user/1 | a=sofia/x/{number};p=1 |") == [
        DialplanCandidate("b", "user/1"),
        DialplanCandidate("a", "sofia/x/{number};p=1"),
    ]
    assert read_candidates("") == []


def test_a_reject_with_no_final_status_cannot_be_carried_out() -> None:
    one = line()
    one.router.answer(Decision(action=Action.REJECT, code=200, routing=pack_routing({})))
    one.pump()
    assert one.freeswitch.responded == ""
    assert one.freeswitch.sent[-1] == "exit"
