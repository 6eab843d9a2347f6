"""How a call comes in, and what a FreeSWITCH may not do: Class 5 calls against the double, through memory."""

from pathlib import Path

import pytest

from sipio.call_control import (
    Failed,
    Hangup,
    Record,
)
from sipio.errors import MalformedMessage, OversizedFrame
from sipio.freeswitch.event_socket import HEADER_BYTES
from sipio.freeswitch.offer import Mode
from sipio.freeswitch.settings import FreeswitchSettings
from tests.sipio.freeswitch.freeswitch_double import FakeChannel
from tests.sipio.freeswitch.freeswitch_line import Line


def test_what_is_said_first_and_in_which_order() -> None:
    line = Line()
    head = [one.split("\n")[0] for one in line.freeswitch.sent]
    assert head[:3] == ["connect", "linger", "filter Unique-ID a-uuid-1"]
    assert head[3].startswith("event plain CHANNEL_ANSWER ")
    assert line.freeswitch.variables == {
        "playback_terminators": "none",
        "continue_on_fail": "true",
        "hangup_after_bridge": "false",
        "sip_copy_custom_headers": "false",
    }


def test_the_offer_is_read_from_the_channel() -> None:
    variables = {
        "sip_call_id": "abc@10.0.0.1",
        "sip_from_user": "+15551234",
        "sip_from_display": "Al",
        "sip_from_host": "10.0.0.1",
        "sip_network_ip": "10.0.0.1",
        "sip_network_port": "5060",
        "sip_subject": "hello",
        "sip_P-Asserted-Identity": "<sip:9@x>",
        "sip_h_X-Foo": "bar baz=1;q",
        "sip_h_X-Foo-1": "again",
        "scriptforge_customer": "acme",
    }
    # An asserted identity overrides Caller-Caller-ID-Number, not who the From says.
    offer = Line(FakeChannel(variables=variables, caller="9")).call.offer
    assert (offer.id, offer.driver, offer.customer, offer.source) == (
        "abc@10.0.0.1",
        "freeswitch",
        "acme",
        "10.0.0.1:5060",
    )
    assert (offer.from_user, offer.from_name, offer.from_host, offer.to_user) == ("+15551234", "Al", "10.0.0.1", "7000")
    assert offer.headers == [
        ("Call-ID", "abc@10.0.0.1"),
        ("Subject", "hello"),
        ("P-Asserted-Identity", "<sip:9@x>"),
        ("X-Foo", "bar baz=1;q"),
        ("X-Foo", "again"),
    ]


def test_a_socket_that_is_not_full_is_left() -> None:
    line = Line(FakeChannel(full=False))
    assert line.problems == ["the dialplan's socket is not `async full`"]
    assert line.lost
    assert line.taker.calls == []


def test_a_call_that_is_not_taken_is_refused() -> None:
    line = Line(refusal=Hangup(code=404, reason="Nobody", cause=1))
    assert line.freeswitch.responded == "404 Nobody"
    assert line.lost


def test_beyond_the_limit_a_call_gets_503_and_when_to_come_again() -> None:
    busy = Hangup(code=503, reason="Service Unavailable", cause=42, headers=[("Retry-After", "5")])
    line = Line(full=lambda _mode: busy)
    assert line.freeswitch.responded == "503 Service Unavailable"
    assert line.freeswitch.variables["sip_rh_Retry-After"] == "5"
    assert line.taker.calls == []


# ---- where the dialplan asks another one ----

ELSEWHERE = {"scriptforge_failover": "true"}


def busy(_mode: Mode) -> Hangup:
    return Hangup(code=503, reason="Service Unavailable", cause=42, headers=[("Retry-After", "5")])


@pytest.mark.parametrize("mode", list(Mode))
def test_a_call_that_there_is_no_room_for_is_left_to_a_dialplan_that_asks_another_one(mode: Mode) -> None:
    line = Line(FakeChannel(variables={"scriptforge_mode": mode.value, **ELSEWHERE}), full=busy)
    assert line.freeswitch.responded == ""
    assert line.freeswitch.sent == ["connect", "exit"]
    assert line.lost
    assert (line.taker.calls, line.router.requests) == ([], [])


def test_a_call_that_is_not_taken_for_want_of_room_is_left_as_it_came() -> None:
    line = Line(FakeChannel(variables=ELSEWHERE), refusal=Hangup(code=503, reason="Shutting Down", cause=41))
    assert line.freeswitch.sent == ["connect", "exit"]
    assert line.lost


def test_a_call_that_is_refused_for_itself_is_refused_for_all() -> None:
    line = Line(FakeChannel(variables=ELSEWHERE), refusal=Hangup(code=404, reason="Nobody", cause=1))
    assert line.freeswitch.responded == "404 Nobody"
    assert line.lost


@pytest.mark.parametrize(("variables", "outcome"), [(ELSEWHERE, "started"), ({}, None)])
def test_nobody_else_is_to_be_asked_once_the_script_has_begun(variables: dict[str, str], outcome: str | None) -> None:
    line = Line(FakeChannel(variables=variables))
    assert len(line.taker.calls) == 1
    assert line.freeswitch.variables.get("scriptforge_outcome") == outcome


def test_a_mode_that_there_is_not_is_the_peers_mistake() -> None:
    with pytest.raises(MalformedMessage, match="class7"):
        Line(FakeChannel(variables={"scriptforge_mode": "class7"}))


def test_a_flood_without_an_end_is_refused() -> None:
    line = Line()
    with pytest.raises(OversizedFrame):
        line.connection.receive(b"x: " + b"y" * (HEADER_BYTES + 1))


def test_a_thousand_actions_at_once_are_bounded() -> None:
    line = Line(
        settings=FreeswitchSettings(recording_seconds=60), channel=FakeChannel(unwritable=set(map(str, range(999))))
    )
    results = [line.perform(Record(name="r", path=Path(str(number)))).result for number in range(250)]
    assert results[199] is None
    assert isinstance(results[200], Failed)


def test_an_answer_to_nothing_is_the_peers_mistake() -> None:
    line = Line()
    with pytest.raises(MalformedMessage):
        line.connection.receive(b"Content-Type: command/reply\nReply-Text: +OK\n\n")


def test_a_freeswitch_that_does_not_answer_connect_is_left() -> None:
    channel = FakeChannel()
    channel.stuck = True
    line = Line(channel)
    line.run(5.1)
    assert line.lost
    assert line.problems == ["connect was not answered"]
