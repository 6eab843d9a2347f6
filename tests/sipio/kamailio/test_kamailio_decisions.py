"""Kamailio's question as a RoutingRequest, a Decision as Kamailio's answer, exact bytes both ways."""

from base64 import b64decode, b64encode
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.egress import DecisionError
from sipio.errors import MalformedMessage, SipioError
from sipio.kamailio.answer import encode_answer, encode_fallback
from sipio.kamailio.messages import (
    CallCancelled,
    CallEnded,
    CallRoute,
    KamailioHello,
    Mark,
    Transaction,
    decode,
    transaction_of,
)
from sipio.kamailio.question import Offer, read_offer
from sipio.routing import Action, Decision, Direction, HeaderChanges, pack_routing, unpack_routing
from tests.sipio.kamailio.kamailio_doubles import INVITE, cancel, planned, question


def offered(**changes: Any) -> Offer:
    call = decode(question(**changes))
    assert isinstance(call, CallRoute)
    return read_offer(call)


def routed(offer: Offer, routing: dict[str, Any], **changes: Any) -> bytes:
    return encode_answer(offer, Decision(action=Action.ROUTE, routing=pack_routing(routing), **changes)).payload


def test_the_question() -> None:
    offer = offered(did=b"4930123", direction=b"o", timeouts=20)
    request = offer.request
    assert offer.call.transaction == Transaction(1001, 3_000_000_001)
    assert (offer.call.timeouts_in_row, offer.call.breaker_limit) == (20, 20)
    assert request.call_id == "call-1"
    assert request.direction is Direction.ORIGINATION
    assert (request.customer, request.route, request.did) == ("acme", "premium", "4930123")
    assert request.timeout_ms == 2800
    assert unpack_routing(request.routing) == {
        "account_id": "acme",
        "cli": "15557770001",
        "dest_number": "4930123",
        "server": "10.0.0.1",
        "direction": "origination",
        "egress_routing": [
            {
                "gw": {
                    "gw-one": {
                        "duid": "gw-one",
                        "cost": "1",
                        "cli": "15557770001",
                        "uri": "sip:10.1.0.1:5060",
                        "host": "10.1.0.1:5060",
                    }
                },
                "headers": [],
                "remove_headers": [],
            },
            {
                "gw": {
                    "gw-two": {
                        "duid": "gw-two",
                        "cost": "2",
                        "cli": "15557770001",
                        "uri": "sip:10.1.0.2:5060",
                        "host": "10.1.0.2:5060",
                    }
                },
                "headers": [],
                "remove_headers": [],
            },
        ],
    }


def invite(uri: str = "sip:4930123@10.0.0.1", sender: str = "<sip:1555@customer.example>", *more: str) -> bytes:
    lines = [f"INVITE {uri} SIP/2.0", f"From: {sender};tag=1", "Call-ID: c", *more]
    return "\r\n".join([*lines, "", ""]).encode()


NUMBERS = ["sip:+4420;npdi;rn=+44111@h;user=phone", "tel:+44-20;npdi", "sip:%2B44-20@h:5070", "sips:+4420@h"]


@pytest.mark.parametrize("uri", NUMBERS)
def test_numbers_are_asked_about_without_parameters_in_every_header(uri: str) -> None:
    asserted = f'P-Asserted-Identity: "A, B" <{uri}>, <sip:x@y>'
    for offer in (
        offered(message=invite(uri, f"<{uri}>")),
        offered(message=invite(uri, "<sip:anonymous@anonymous.invalid>", asserted), options=b"p"),
    ):
        routing = unpack_routing(offer.request.routing)
        assert (routing["cli"], routing["dest_number"], offer.cli, offer.number) == ("+4420",) * 4
        assert {gateway["cli"] for entry in routing["egress_routing"] for gateway in entry["gw"].values()} == {"+4420"}
        assert routed(offer, deepcopy(routing)) == b"c;1001;3000000001", "nothing was changed"


def test_the_parameters_are_beside_the_numbers() -> None:
    routing = unpack_routing(offered(message=invite("sip:+4420;npdi;rn=+44111@h", "<tel:+49;isub=2>")).request.routing)
    assert routing["dest_number_parameters"] == {"npdi": "", "rn": "+44111"}
    assert routing["cli_parameters"] == {"isub": "2"}


@pytest.mark.parametrize(
    ("did", "uri", "read"),
    [
        (b"+4420;npdi", "sip:+4420;npdi@h", "+4420"),
        (b"020-7946", "sip:020-7946;npdi@h;user=phone", "0207946"),
        (b"tel:+44 20", "sip:1@h", "+4420"),
        (b"sales", "broken", "sales"),
    ],
)
def test_a_did_is_looked_up_as_a_number(did: bytes, uri: str, read: str) -> None:
    assert offered(did=did, message=invite(uri)).request.did == read


@pytest.mark.parametrize(
    ("uri", "written"),
    [
        ("sip:+4420;npdi;rn=+44111@h:5070;user=phone", "sip:77@h:5070;user=phone"),
        ("tel:+44-20;npdi;rn=+44111", "tel:77"),
        ("sip:h", "sip:77@h"),
    ],
)
def test_a_changed_number_goes_out_with_none_of_the_old_ones_parameters(uri: str, written: str) -> None:
    offer = offered(message=invite(uri))
    hop = planned(routed(offer, unpack_routing(offer.request.routing) | {"dest_number": "77"}))[0]
    assert (hop["user"], hop["request_uri"]) == ("77", written)


@pytest.mark.parametrize("uri", ["sip:1@h|x", "urn:service:sos", "broken"])
def test_a_number_that_cannot_be_changed_is_no_reason_to_call_the_old_one(uri: str) -> None:
    offer = offered(message=invite(uri))
    with pytest.raises(DecisionError, match="cannot be changed"):
        routed(offer, unpack_routing(offer.request.routing) | {"dest_number": "77"})


@pytest.mark.parametrize(
    ("sender", "written"),
    [
        ("<tel:+4420;isub=1>", "tel:77"),
        ("<sip:+4420;tgrp=a@h;user=phone>", "sip:77@h;user=phone"),
        ('"A" <sips:a:secret@[::1]:5061>', "sips:77@[::1]:5061"),
        ("sip:1@h", "sip:77@h"),
    ],
)
def test_a_caller_id_is_written_back_in_the_form_in_which_it_came(sender: str, written: str) -> None:
    offer = offered(message=invite("sip:1@h", sender))
    hop = planned(routed(offer, unpack_routing(offer.request.routing) | {"cli": "77"}))[0]
    assert hop["from"] == written
    assert hop["add"] == f"P-Asserted-Identity: <{written}>\r\n"


def test_an_asserted_identity_is_written_back_in_its_own_form() -> None:
    offer = offered(message=invite("sip:1@h", "<sip:1@h>", "P-Asserted-Identity: <tel:+4420;x>"))
    hop = planned(routed(offer, unpack_routing(offer.request.routing) | {"cli": "77"}))[0]
    assert (hop["from"], hop["add"]) == ("sip:77@h", "P-Asserted-Identity: <tel:77>\r\n")


@pytest.mark.parametrize("sender", ["<urn:service:sos>", "<mailto:a@b>", "broken<", "<sip:1@h|x|QUJD|>"])
def test_where_the_caller_id_cannot_be_written_the_rest_of_the_decision_is_carried_out(sender: str) -> None:
    offer = offered(message=invite("sip:1@h", sender))
    routing = unpack_routing(offer.request.routing) | {"cli": "77", "dest_number": "88"}
    routing["egress_routing"].reverse()
    changes = HeaderChanges(add=[("X-Ran", "yes")])
    answer = encode_answer(offer, Decision(action=Action.ROUTE, routing=pack_routing(routing), headers=changes))
    assert answer.kept == ("From", "P-Asserted-Identity")
    hops = planned(answer.payload)
    assert [hop["uri"] for hop in hops] == ["sip:10.1.0.2:5060", "sip:10.1.0.1:5060"]
    assert {(hop["from"], hop["request_uri"], hop["add"]) for hop in hops} == {("", "sip:88@h", "X-Ran: yes\r\n")}
    asserted = "P-Asserted-Identity: <tel:+4420>"
    offer = offered(message=invite("sip:1@h", sender, asserted))
    answer = encode_answer(offer, Decision(action=Action.ROUTE, routing=pack_routing(routing)))
    assert answer.kept == ("From",)
    assert planned(answer.payload)[0]["add"] == "P-Asserted-Identity: <tel:77>\r\n"


def test_the_sip_request_is_told_with_the_question() -> None:
    sip = offered().request.sip
    assert sip is not None
    assert (sip.method, sip.uri, sip.source) == ("INVITE", "sip:4930123@10.0.0.1", "10.0.0.9:5060")
    assert ("s", "compact") in sip.headers
    call = decode(question().replace(b";10.0.0.9;", b";2001:db8::1;"))
    assert isinstance(call, CallRoute)
    assert call.source == "[2001:db8::1]:5060"


def test_gateways_without_a_name_go_by_their_address_and_doubles_are_told_apart() -> None:
    offer = offered(plan=b"sip:a\nsip:b|||||weight=1\nsip:c|||||duid=x\nsip:d|||||duid=x\n")
    assert [candidate.id for candidate in offer.call.candidates] == ["sip:a", "sip:b", "x", "x#2"]


def test_other_messages() -> None:
    message = decode(cancel())
    assert isinstance(message, CallCancelled)
    assert "z9hG4bK-1" in message.via
    assert decode(b"m;abc.1") == Mark(b"abc.1")
    assert decode(b"h;1") == KamailioHello("1")
    ended = decode(b"e;end;" + b64encode(b"id") + b";" + b64encode(b"acme") + b";1700000000;12")
    assert ended == CallEnded(call_id="id", customer="acme", answered=True, started=1_700_000_000, seconds=12)


@pytest.mark.parametrize(
    "frame",
    [b"", b"r", b"z;1;2", b"x;1;2", b"m", b"h;1;2", b"e;end", b"x;*", question().replace(b";t;", b";q;"),
     question()[:-3], question() + b";", question().replace(b";1001;", b";x;"),
     question().replace(b";2800;", b";12345678901;")],
)  # fmt: skip
def test_malformed_messages(frame: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode(frame)


def test_whom_to_answer_is_known_though_the_rest_is_not() -> None:
    assert transaction_of(b"r;7;8;rubbish") == Transaction(7, 8)
    assert transaction_of(b"r;7;x") is None
    assert transaction_of(b"r;7") is None
    assert transaction_of(b"m;1;2;3") is None
    assert encode_fallback(Transaction(7, 8), "bad-request") == b"f;7;8;bad-request"


@given(st.binary(max_size=200))
def test_any_frame_is_read_or_refused(frame: bytes) -> None:
    for candidate in (frame, b"r;" + frame, b"r;1;2;f;1;0;20;1.2.3.4;5060;t;;;;" + frame):
        transaction_of(candidate)
        try:
            message = decode(candidate)
            if isinstance(message, CallRoute):
                read_offer(message)
        except SipioError:
            continue


@pytest.mark.parametrize(
    "message", [b"SIP/2.0 200 OK\r\n\r\n", INVITE.replace(b"Call-ID", b"X-ID") % (1, 1), b"", b"\xff" * 20]
)
def test_an_invite_that_cannot_be_read(message: bytes) -> None:
    with pytest.raises(MalformedMessage):
        offered(message=message)


def test_an_unchanged_decision_is_the_short_answer() -> None:
    offer = offered()
    assert routed(offer, unpack_routing(offer.request.routing)) == b"c;1001;3000000001"


def test_a_reject() -> None:
    answer = encode_answer(
        offered(), Decision(action=Action.REJECT, code=404, reason="Not\r\nFound", routing=pack_routing({}))
    )
    assert answer.payload == b"x;1001;3000000001;404;" + b64encode(b"NotFound")
    with pytest.raises(DecisionError):
        encode_answer(offered(), Decision(action=Action.REJECT, code=200, reason="OK", routing=pack_routing({})))


def test_order_dropped_destinations_and_an_empty_list() -> None:
    offer = offered()
    routing = unpack_routing(offer.request.routing)
    routing["egress_routing"].reverse()
    assert [hop["uri"] for hop in planned(routed(offer, routing))] == ["sip:10.1.0.2:5060", "sip:10.1.0.1:5060"]
    routing["egress_routing"].pop()
    assert [hop["uri"] for hop in planned(routed(offer, routing))] == ["sip:10.1.0.2:5060"]
    routing["egress_routing"][0]["gw"].clear()
    assert routed(offer, routing) == b"x;1001;3000000001;503;" + b64encode(b"No Route")
    routing["egress_routing"].clear()
    assert routed(offer, routing) == b"x;1001;3000000001;503;" + b64encode(b"No Route")


def test_no_candidates_at_all_is_kamailios_own_affair() -> None:
    offer = offered(plan=b"")
    assert routed(offer, unpack_routing(offer.request.routing)) == b"c;1001;3000000001"


def test_headers_for_all_and_for_one() -> None:
    offer = offered()
    routing = unpack_routing(offer.request.routing)
    routing["egress_routing"][1]["headers"] = [{"key": "X-Gw", "value": "2"}]
    routing["egress_routing"][1]["remove_headers"] = [{"key": "subject"}]
    changes = HeaderChanges(add=[("X-All", "ä|;,")], remove=["X-SECRET", "X-Absent"])
    first, second = planned(routed(offer, routing, headers=changes))
    assert first["add"] == "X-All: ä|;,\r\n"
    assert first["remove"] == ["X-Secret", "x-secret"]
    assert second["add"] == "X-All: ä|;,\r\nX-Gw: 2\r\n"
    assert second["remove"] == ["X-Secret", "x-secret", "s"]


def test_caller_id_for_all_for_one_gateway_and_as_a_number() -> None:
    offer = offered()
    routing = unpack_routing(offer.request.routing)
    routing["cli"] = 4930999
    routing["egress_routing"][1]["gw"]["gw-two"]["cli"] = "77"
    first, second = planned(routed(offer, routing))
    assert first["from"] == "sip:4930999@customer.example:5070"
    assert first["remove"] == ["P-Asserted-Identity"]
    assert first["add"] == "P-Asserted-Identity: <sip:4930999@trunk.example>\r\n"
    assert second["from"] == "sip:77@customer.example:5070"


def test_the_operator_chooses_where_a_caller_id_is_written() -> None:
    for options, sender, asserted in ((b"f", True, False), (b"p", False, True), (b"-", False, False)):
        offer = offered(options=options)
        routing = unpack_routing(offer.request.routing)
        routing["cli"] = "1"
        answer = routed(offer, routing)
        if not sender and not asserted:
            assert answer.startswith(b"c;")
            continue
        hop = planned(answer)[0]
        assert bool(hop["from"]) is sender
        assert bool(hop["add"]) is asserted


def test_a_number_cannot_break_out_of_its_uri() -> None:
    offer = offered()
    routing = unpack_routing(offer.request.routing)
    routing["cli"] = "1@evil>\r\nVia: x|y"
    routing["dest_number"] = "2@evil|z\n"
    hop = planned(routed(offer, routing))[0]
    assert hop["from"] == "sip:1%40evil%3E%0D%0AVia%3A%20x%7Cy@customer.example:5070"
    assert hop["user"] == "2%40evil%7Cz%0A"
    routing["cli"] = "1" * 200
    with pytest.raises(DecisionError):
        routed(offer, routing)


def test_destinations_are_kamailios_own() -> None:
    offer = offered()
    routing = unpack_routing(offer.request.routing)
    evil = {"gw": {"evil": {"uri": "sip:203.0.113.1"}}, "headers": [], "remove_headers": []}
    routing["egress_routing"][0]["gw"]["gw-one"]["uri"] = "sip:203.0.113.1"
    routing["egress_routing"].insert(0, evil)
    answer = encode_answer(offer, Decision(action=Action.ROUTE, routing=pack_routing(routing)))
    assert (answer.payload, answer.dropped) == (b"c;1001;3000000001", 1)
    with pytest.raises(DecisionError):
        routed(offer, {"egress_routing": [evil, "nonsense", {"gw": 5}]})


def test_unless_the_operator_allowed_new_ones() -> None:
    offer = offered(options=b"fpu")
    routing = unpack_routing(offer.request.routing)
    routing["egress_routing"][0]["gw"] = {"new": {"uri": "sip:203.0.113.1:5070;transport=udp", "cli": "9"}}
    hops = planned(routed(offer, routing))
    assert [hop["uri"] for hop in hops] == ["sip:203.0.113.1:5070;transport=udp", "sip:10.1.0.2:5060"]
    for bad in ("tel:1", "sip:", "sip:a|b", "sip:a\nb", "sip:a b", "http://x"):
        routing["egress_routing"][0]["gw"] = {"new": {"uri": bad}}
        with pytest.raises(DecisionError):
            routed(offer, routing)


@pytest.mark.parametrize(
    ("headers", "entry"),
    [
        (HeaderChanges(add=[("X-A", "1\r\nVia: x")]), {}),
        (HeaderChanges(add=[("X-A", "1\nVia: x")]), {}),
        (HeaderChanges(add=[("X A", "1")]), {}),
        (HeaderChanges(add=[("X-A: 1\r\nB", "1")]), {}),
        (HeaderChanges(remove=["a,b|c"]), {}),
        (HeaderChanges(), {"headers": [{"key": "X", "value": "\0"}]}),
        (HeaderChanges(), {"headers": [{"key": "X", "value": 5}]}),
        (HeaderChanges(), {"headers": [{"key": "X"}]}),
        (HeaderChanges(), {"headers": 5}),
        (HeaderChanges(), {"remove_headers": ["X"]}),
    ],
)
def test_headers_that_cannot_stand_in_a_message(headers: HeaderChanges, entry: dict[str, Any]) -> None:
    offer = offered()
    routing = unpack_routing(offer.request.routing)
    routing["egress_routing"][0].update(entry)
    with pytest.raises(DecisionError):
        routed(offer, routing, headers=headers)


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)


@given(_json, _json, _json, st.dictionaries(st.sampled_from(["gw", "headers", "remove_headers"]), _json))
def test_whatever_a_script_made_of_the_routing(
    cli: object, number: object, entries: object, entry: dict[str, object]
) -> None:
    offer = offered(options=b"fpu")
    for egress in (entries, [entry], [{**entry, "gw": {"gw-one": entries}}]):
        routing = {"cli": cli, "dest_number": number, "egress_routing": egress}
        try:
            answer = routed(offer, routing)
        except DecisionError:
            continue
        if answer.startswith(b"r;"):
            text = b64decode(answer.split(b";")[3]).decode()
            assert all(line.count("|") == 5 for line in text.splitlines())
