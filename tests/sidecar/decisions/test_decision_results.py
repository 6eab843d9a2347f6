"""What a script may leave of a decision, and what of it never reaches the switch."""

from typing import Any

import msgspec
import pytest

from sandbox.outcome import Returned
from sidecar.hosts.routing import NESTING
from sidecar.sip_answer import SipAnswer
from sipio.routing import unpack_routing
from tests.sidecar.decisions.desk import assigned


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
    for depth in range(NESTING - 1, 1_000):
        desk = assigned(error_action=SipAnswer(500, "Script Error"))
        nested = b"\x82" + msgspec.msgpack.encode("egress_routing") + b"\x90\xa1x" + b"\x91" * depth + b"\xc0"
        desk.ask()
        desk.runner.runs[0].end(Returned(b"\x81" + msgspec.msgpack.encode("routing") + nested))
        assert desk.decisions.pending == 0
        if depth < NESTING:
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
