"""Bridges and their destinations: Class 5 calls against the double, through memory."""

import pytest

from sipio.call_control import (
    Bridge,
    Bridged,
    BridgeStatus,
    Done,
    Failed,
    HangupBy,
    HungUp,
    HungUpDuring,
    LegEvent,
    Play,
    Stopped,
)
from tests.sipio.freeswitch.freeswitch_line import ONE, Line, parties
from tests.sipio.freeswitch.freeswitch_parties import Party


def test_a_bridge_that_freeswitch_ended_was_ended_by_neither_party() -> None:
    line = Line(parties(a=Party(answer=0.5, talk=2.0, ends_as="MEDIA_TIMEOUT")))
    bridge = line.perform(Bridge(destinations=["sip:a@10.0.0.9"]))
    line.run(3)
    assert isinstance(bridge.result, Done)
    assert isinstance(bridge.result.value, Bridged)
    assert (bridge.result.value.hangup_by, bridge.result.value.reason) == ("system", "MEDIA_TIMEOUT")


def test_a_bridge_ends_with_the_other_leg() -> None:
    line = Line(parties(a=Party(ring=0.1, answer=0.5, talk=2.0)))
    bridge = line.perform(Bridge(destinations=["sip:a@10.0.0.9"], headers=[("X-Out", "a, b='c'")], cli="5551000"))
    assert line.freeswitch.variables["sip_h_X-Out"] == "a, b='c'"
    assert line.freeswitch.variables["export_vars"] == "sip_h_X-Out"
    assert line.freeswitch.variables["effective_caller_id_number"] == "5551000"
    line.run(3)
    result = bridge.result
    assert isinstance(result, Done)
    assert isinstance(result.value, Bridged)
    assert result.value.seconds == pytest.approx(2.0, abs=0.05)
    assert (result.value.status, result.value.code, result.value.hangup_by) == (BridgeStatus.COMPLETED, 200, "callee")
    assert [event.what for event in line.events if isinstance(event, LegEvent)] == ["ringing", "answered", "ended"]
    assert not line.call.ended
    # What was for that bridge is not left for the next.
    assert not {"sip_h_X-Out", "export_vars", "effective_caller_id_number"} & line.freeswitch.variables.keys()
    assert line.applications == [
        "bridge {origination_uuid=b-uuid-1,originate_timeout=62,outbound_redirect_fatal=true}sofia/internal/a@10.0.0.9"
    ]


def test_the_next_destination_is_tried_when_one_refuses() -> None:
    line = Line(parties(a=Party(refuse=486), b=Party(answer=0.2, talk=0.5)))
    bridge = line.perform(Bridge(destinations=["bad|one", "sip:a@10.0.0.9", "sip:b@10.0.0.9"]))
    line.run(2)
    assert isinstance(bridge.result, Done)
    assert isinstance(bridge.result.value, Bridged)
    assert (bridge.result.value.status, bridge.result.value.destination) == (BridgeStatus.COMPLETED, "sip:b@10.0.0.9")
    assert [(event.what, event.code) for event in line.events if isinstance(event, LegEvent)] == [
        ("ended", 404),
        ("ringing", 0),
        ("ended", 486),
        ("ringing", 0),
        ("answered", 200),
        ("ended", 0),
    ]


def test_a_result_is_not_taken_from_the_bridge_before() -> None:
    line = Line(parties(a=Party(refuse=486), b=Party(answer=None)))
    busy = line.perform(Bridge(destinations=["sip:a@10.0.0.9"]))
    line.run(0.5)
    assert busy.result == Done(
        Bridged(status=BridgeStatus.BUSY, destination="sip:a@10.0.0.9", code=486, reason="Busy Here")
    )
    silent = line.perform(Bridge(destinations=["sip:b@10.0.0.9"], timeout_seconds=2))
    line.run(1.99)
    assert silent.result is None
    line.run(0.02)
    assert silent.result == Done(
        Bridged(status=BridgeStatus.NO_ANSWER, destination="sip:b@10.0.0.9", code=408, reason="Request Timeout")
    )
    assert [event.code for event in line.events if isinstance(event, LegEvent)] == [0, 486, 0, 408]


def test_a_leg_that_answers_in_time_is_not_ended_when_time_is_up() -> None:
    line = Line(parties(a=Party(answer=0.4, talk=2.0)))
    bridge = line.perform(Bridge(destinations=["sip:a@10.0.0.9"], timeout_seconds=0.5))
    line.run(2.3)
    assert bridge.result is None
    line.run(0.2)
    assert isinstance(bridge.result, Done)


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (486, BridgeStatus.BUSY),
        (480, BridgeStatus.NO_ANSWER),
        (487, BridgeStatus.NO_ANSWER),
        (404, BridgeStatus.FAILED),
        (403, BridgeStatus.FAILED),
        (302, BridgeStatus.FAILED),
    ],
)
def test_refusals(status: int, result: BridgeStatus) -> None:
    line = Line(parties(a=Party(refuse=status)))
    bridge = line.perform(Bridge(destinations=["sip:a@10.0.0.9"]))
    line.run(0.5)
    assert isinstance(bridge.result, Done)
    assert isinstance(bridge.result.value, Bridged)
    assert (bridge.result.value.status, bridge.result.value.code) == (result, status)
    assert line.freeswitch.redirected == 0


def test_a_redirection_that_is_told_after_the_bridge() -> None:
    line = Line(parties(a=Party(refuse=302, ends_late=True), b=Party(refuse=486)))
    bridge = line.perform(Bridge(destinations=["sip:a@10.0.0.9"]))
    line.run(0.5)
    assert isinstance(bridge.result, Done)
    assert isinstance(bridge.result.value, Bridged)
    assert (bridge.result.value.status, bridge.result.value.code) == (BridgeStatus.FAILED, 302)
    after = line.perform(Bridge(destinations=["sip:b@10.0.0.9"]))
    line.run(0.5)
    assert isinstance(after.result, Done)
    assert isinstance(after.result.value, Bridged)
    assert after.result.value.code == 486


def test_an_end_that_is_never_told_is_waited_for_only_so_long() -> None:
    line = Line(parties(a=Party(refuse=302, ends_late=True)))
    line.freeswitch.swallowed.add("CHANNEL_HANGUP")
    bridge = line.perform(Bridge(destinations=["sip:a@10.0.0.9"]))
    line.run(0.15)
    assert bridge.result is None
    line.run(0.3)
    assert isinstance(bridge.result, Done)
    assert isinstance(bridge.result.value, Bridged)
    assert bridge.result.value.code == 503


def test_early_media_is_no_answer() -> None:
    line = Line(parties(a=Party(media=0.1), b=Party(media=0.1, refuse=486)))
    silent = line.perform(Bridge(destinations=["sip:a@10.0.0.9"], timeout_seconds=1.5))
    line.run(1.6)
    assert silent.result == Done(
        Bridged(status=BridgeStatus.NO_ANSWER, destination="sip:a@10.0.0.9", code=408, reason="Request Timeout")
    )
    busy = line.perform(Bridge(destinations=["sip:b@10.0.0.9"]))
    line.run(1)
    assert busy.result == Done(
        Bridged(status=BridgeStatus.BUSY, destination="sip:b@10.0.0.9", code=486, reason="Busy Here")
    )
    assert [(event.what, event.code) for event in line.events if isinstance(event, LegEvent)] == [
        ("ringing", 0),
        ("ended", 408),
        ("ringing", 0),
        ("ended", 486),
    ]


def test_a_user_with_two_phones_whose_second_one_answers() -> None:
    line = Line(parties(a=Party(answer=0.3, talk=2.0)))
    line.freeswitch.answered_by = "another"
    bridge = line.perform(Bridge(destinations=["sip:a@10.0.0.9"], timeout_seconds=1))
    line.run(2.2)
    assert bridge.result is None
    line.run(0.2)
    assert isinstance(bridge.result, Done)
    assert isinstance(bridge.result.value, Bridged)
    assert (bridge.result.value.status, bridge.result.value.code) == (BridgeStatus.COMPLETED, 200)
    assert sum(sent.startswith("api uuid_kill") for sent in line.freeswitch.sent) == 1


def test_a_caller_who_was_answered_hears_a_tone_while_it_rings() -> None:
    line = Line(parties(a=Party(answer=0.3, talk=0.5)))
    line.perform(Bridge(destinations=["sip:a@10.0.0.9"]))
    assert line.freeswitch.variables["transfer_ringback"] == "%(1000,4000,425)"
    line.run(1)
    assert "transfer_ringback" not in line.freeswitch.variables
    own = parties(a=Party(answer=0.3, talk=0.5))
    own.variables["transfer_ringback"] = "%(2000,4000,440,480)"
    line = Line(own)
    line.perform(Bridge(destinations=["sip:a@10.0.0.9"]))
    assert line.freeswitch.variables["transfer_ringback"] == "%(2000,4000,440,480)"


def test_the_caller_who_gives_up_while_it_rings() -> None:
    line = Line(parties(a=Party(answer=None)))
    bridge = line.perform(Bridge(destinations=["sip:a@10.0.0.9", "sip:b@10.0.0.9"]))
    line.run(1)
    line.freeswitch.caller_hangs_up()
    line.pump()
    assert bridge.result == HungUpDuring()
    assert [(event.what, event.code) for event in line.events if isinstance(event, LegEvent)][-1] == ("ended", 487)
    assert len(line.applications) == 1
    assert (line.taker.hung_up.by, line.taker.hung_up.code, line.taker.hung_up.reason) == (
        HangupBy.CALLER,
        487,
        "CANCEL",
    )


def test_the_caller_who_hangs_up_in_a_bridge() -> None:
    line = Line(parties(a=Party(answer=0.2, talk=None)))
    bridge = line.perform(Bridge(destinations=["sip:a@10.0.0.9"]))
    line.run(1.2)
    line.freeswitch.caller_hangs_up()
    line.pump()
    assert bridge.result == HungUpDuring()
    assert [event.what for event in line.events if isinstance(event, LegEvent)] == ["ringing", "answered", "ended"]
    assert isinstance(line.events[-1], HungUp)


@pytest.mark.parametrize("after", [0.0, 0.05, 1.0])
def test_a_stopped_bridge_ends_the_other_leg(after: float) -> None:
    line = Line(parties(a=Party(answer=0.5, talk=None)))
    bridge = line.perform(Bridge(destinations=["sip:a@10.0.0.9"], ringback=[ONE]))
    assert line.freeswitch.variables["ringback"] == "/s/one.wav"
    line.run(after)
    bridge.stop()
    line.run(0.5)
    assert bridge.result == Stopped()
    assert "ringback" not in line.freeswitch.variables
    play = line.perform(Play(media=[ONE]))
    line.run(1.1)
    assert play.result == Done()


def test_a_header_that_freeswitch_would_leave_out_is_an_error() -> None:
    line = Line(parties(a=Party()))
    bridge = line.perform(Bridge(destinations=["sip:a@10.0.0.9"], headers=[("X-A", "${x}")]))
    assert isinstance(bridge.result, Failed)
    assert line.applications == []


@pytest.mark.parametrize(
    ("destination", "dial"),
    [
        ("sip:a@10.0.0.9;transport=tcp", "sofia/internal/a@10.0.0.9;transport=tcp"),
        ("user/100", "user/100"),
        ("trunk/carrier/+4420", "sofia/gateway/carrier/+4420"),
        ("4420", "sofia/gateway/default/4420"),
        ("tel:+44-20;npdi", "sofia/gateway/default/+4420"),
    ],
)
def test_destinations(destination: str, dial: str) -> None:
    line = Line()
    line.perform(Bridge(destinations=[destination]))
    assert line.applications[0].endswith("}" + dial)


@pytest.mark.parametrize(
    "destination",
    ["", "a,b", "sip:a@b|c", "[x=1]4420", "sip:${system(x)}@b", "trunk/a", "user/a/b", "x/y", "sip:", "sip:@h"],
)
def test_what_cannot_be_dialled_is_not(destination: str) -> None:
    line = Line()
    bridge = line.perform(Bridge(destinations=[destination]))
    assert isinstance(bridge.result, Done)
    assert isinstance(bridge.result.value, Bridged)
    assert (bridge.result.value.status, bridge.result.value.code) == (BridgeStatus.FAILED, 404)
    assert line.events == [LegEvent(destination=destination, what="ended", code=404)]
    assert line.applications == []


@pytest.mark.parametrize(
    "without", [{"CHANNEL_ANSWER"}, {"CHANNEL_EXECUTE_COMPLETE"}, {"CHANNEL_ANSWER", "CHANNEL_EXECUTE_COMPLETE"}]
)
def test_a_time_that_freeswitch_does_not_say_is_taken_from_our_own_clock(without: set[str]) -> None:
    line = Line(parties(a=Party(answer=0.5, talk=2.0)))
    line.freeswitch.without_time = without
    bridge = line.perform(Bridge(destinations=["sip:a@10.0.0.9"]))
    line.run(3)
    assert isinstance(bridge.result, Done)
    assert isinstance(bridge.result.value, Bridged)
    assert bridge.result.value.seconds == pytest.approx(2.0, abs=0.05)
