"""Class 5 calls against the double, through memory."""

from pathlib import Path

import pytest

from sipio.call_control import (
    Answer,
    BlockDtmf,
    Bridge,
    Bridged,
    BridgeStatus,
    Collect,
    CollectStatus,
    DigitPressed,
    Digits,
    Done,
    Echo,
    Failed,
    Hangup,
    HangupBy,
    HungUp,
    HungUpDuring,
    LegEvent,
    MediaFile,
    MediaText,
    MediaUrl,
    Play,
    Record,
    RecordingFinished,
    Stopped,
)
from sipio.errors import MalformedMessage, OversizedFrame
from sipio.freeswitch.event_socket import HEADER_BYTES
from sipio.freeswitch.settings import FreeswitchSettings
from tests.sipio.freeswitch.freeswitch_double import FakeChannel, Party
from tests.sipio.freeswitch.freeswitch_line import Line, Studio

ONE = MediaFile("user/one.wav", Path("/s/one.wav"))
TWO = MediaFile("user/two.wav", Path("/s/two.wav"))


def parties(**given: Party) -> FakeChannel:
    dial = {f"sofia/internal/{name}@10.0.0.9": party for name, party in given.items()}
    return FakeChannel(files={"/s/one.wav": 1.0, "/s/two.wav": 2.0}, parties=dial)


# ---- the beginning ----


def test_what_is_said_first_and_in_which_order() -> None:
    line = Line()
    head = [one.split("\n")[0] for one in line.freeswitch.sent]
    assert head[:3] == ["connect", "linger", "filter Unique-ID a-uuid-1"]
    assert head[3].startswith("event plain CHANNEL_ANSWER ")
    assert line.freeswitch.variables == {
        "app_disable_expand_variables": "true",
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


def test_a_mode_that_there_is_not_is_the_peers_mistake() -> None:
    with pytest.raises(MalformedMessage, match="class7"):
        Line(FakeChannel(variables={"scriptforge_mode": "class7"}))


def test_a_flood_without_an_end_is_refused() -> None:
    line = Line()
    with pytest.raises(OversizedFrame):
        line.connection.receive(b"x: " + b"y" * (HEADER_BYTES + 1))


# ---- answer, play ----


def test_answer_completes_when_answered() -> None:
    line = Line()
    assert line.perform(Answer(headers=[("X-Ans", "yes")])).result == Done()
    assert line.freeswitch.variables["sip_rh_X-Ans"] == "yes"


def test_files_are_played_one_after_the_other() -> None:
    line = Line()
    play = line.perform(Play(media=[ONE, TWO]))
    line.run(0.9)
    assert line.applications == ["playback /s/one.wav"]
    line.run(0.2)
    assert line.applications == ["playback /s/one.wav", "playback /s/two.wav"]
    assert play.result is None
    line.run(2)
    assert play.result == Done()


def test_nothing_to_play_is_played_at_once() -> None:
    assert Line().perform(Play(media=[])).result == Done()


def test_a_file_that_is_not_there() -> None:
    missing = MediaFile("user/none.wav", Path("/s/none.wav"))
    assert Line().perform(Play(media=[missing, ONE])).result == Failed("there is no user/none.wav")


def test_a_second_sound_stops_the_first_and_does_not_run_inside_it() -> None:
    line = Line()
    first = line.perform(Play(media=[TWO, TWO]))
    line.run(0.5)
    second = line.perform(Play(media=[ONE]))
    assert first.result == Stopped()
    line.run(0.9)
    assert second.result is None
    line.run(0.2)
    assert second.result == Done()
    assert line.applications == ["playback /s/two.wav", "playback /s/one.wav"]


def test_stop_silences() -> None:
    line = Line()
    play = line.perform(Play(media=[TWO]))
    line.run(0.5)
    play.stop()
    play.stop()
    assert play.result == Stopped()
    assert line.freeswitch.sent[-1] == "api uuid_break a-uuid-1"
    line.run(3)
    assert line.applications == ["playback /s/two.wav"]


def test_a_star_does_not_end_a_playback() -> None:
    line = Line()
    play = line.perform(Play(media=[ONE]))
    line.freeswitch.press("*")
    line.pump()
    assert play.result is None
    assert line.events == [DigitPressed(digit="*", duration_ms=160)]


def test_a_completion_of_something_else_is_not_ours() -> None:
    line = Line()
    play = line.perform(Play(media=[TWO]))
    line.freeswitch._execute("answer", "", "someone-elses")
    line.pump()
    assert play.result is None


def test_what_a_script_writes_is_not_expanded() -> None:
    line = Line()
    evil = "${system(rm -rf /)}"
    line.perform(Play(media=[MediaFile("x", Path(f"/s/{evil}.wav"))]))
    line.call.set_variable("note", f"it's {evil} \\ ")
    line.perform(Record(name="r", path=Path(f"/r/{evil}.wav")))
    line.perform(Answer(headers=[("X-A", evil)]))
    assert line.freeswitch.expanded == []
    assert line.freeswitch.variables["note"] == f"it's {evil} \\ "


def test_a_variable_that_cannot_be_is_reported() -> None:
    line = Line()
    line.call.set_variable("a\n\napi system", "x")
    assert len(line.problems) == 1


def test_text_and_urls_become_files() -> None:
    studio = Studio()
    line = Line(studio=studio)
    play = line.perform(Play(media=[MediaText("hello"), MediaUrl("https://x/a.wav")]))
    assert studio.asked == [MediaText("hello")]
    studio.done(Path("/s/one.wav"))
    line.run(1.1)
    assert studio.asked[1:] == [MediaUrl("https://x/a.wav")]
    studio.done("404 Not Found")
    assert play.result == Failed("404 Not Found")


def test_a_text_being_made_is_given_up_when_stopped() -> None:
    studio = Studio()
    line = Line(studio=studio)
    play = line.perform(Play(media=[MediaText("hello")]))
    play.stop()
    studio.done(Path("/s/one.wav"))
    line.pump()
    assert (play.result, studio.cancelled, line.applications) == (Stopped(), 1, [])


def test_freeswitch_speaks_and_fetches_where_it_is_set_up_to() -> None:
    line = Line(settings=FreeswitchSettings(speech="flite|kal", url_prefix="http_cache://"))
    line.perform(Play(media=[MediaText("a|b\nc", voice="x|y")]))
    assert line.applications == ["speak flite|x y|a|b\nc"]
    line.perform(Play(media=[MediaUrl("http://x/a.wav")]))
    assert line.applications[-1:] == ["playback http_cache://http://x/a.wav"]


def test_nothing_to_speak_with() -> None:
    assert Line().perform(Play(media=[MediaText("x")])).result == Failed("there is nothing to speak with")


# ---- echo, digits, recording ----


def test_digits_are_heard_during_an_echo_and_it_can_be_ended() -> None:
    line = Line()
    line.perform(Answer())
    echo = line.perform(Echo(delay_ms=200))
    line.run(0.5)
    line.freeswitch.press("5")
    line.pump()
    assert line.events == [DigitPressed(digit="5", duration_ms=160)]
    echo.stop()
    assert echo.result == Stopped()
    play = line.perform(Play(media=[ONE]))
    line.run(1.1)
    assert play.result == Done()
    assert line.applications[1] == "bridge {origination_uuid=b-uuid-1}loopback/app=delay_echo:200"


def test_a_digit_ends_the_prompt() -> None:
    line = Line()
    collect = line.perform(Collect(prompt=[TWO], maximum=4, timeout_seconds=2))
    line.run(0.5)
    for digit in "12":
        line.freeswitch.press(digit)
        line.pump()
    assert "api uuid_break a-uuid-1" in line.freeswitch.sent
    line.run(1.9)
    assert collect.result is None
    line.run(0.2)
    assert collect.result == Done(Digits(status=CollectStatus.SUCCESS, value="12"))
    assert [event for event in line.events if isinstance(event, DigitPressed)] == [
        DigitPressed(digit="1", duration_ms=160),
        DigitPressed(digit="2", duration_ms=160),
    ]


def test_what_was_typed_ahead_takes_the_prompts_place() -> None:
    line = Line()
    enough = line.perform(Collect(prompt=[TWO], maximum=2, typed_ahead="12"))
    assert enough.result == Done(Digits(status=CollectStatus.SUCCESS, value="12"))
    more = line.perform(Collect(prompt=[TWO], maximum=3, timeout_seconds=1, typed_ahead="12"))
    line.run(0.5)
    assert more.result is None
    line.freeswitch.press("3")
    line.pump()
    assert more.result == Done(Digits(status=CollectStatus.SUCCESS, value="123"))
    late = line.perform(Collect(prompt=[TWO], minimum=3, timeout_seconds=1, typed_ahead="12"))
    line.run(1.1)
    assert late.result == Done(Digits(status=CollectStatus.TIMEOUT, value="12"))
    assert line.applications == []
    line.perform(Collect(prompt=[TWO], invalid_prompt=[ONE], pattern="1", maximum=1, tries=2, typed_ahead="9"))
    line.run(0.1)
    assert line.applications == ["playback /s/one.wav"]


def test_the_time_runs_from_the_prompts_end() -> None:
    line = Line()
    collect = line.perform(Collect(prompt=[TWO], timeout_seconds=1))
    line.run(2.9)
    assert collect.result is None
    line.run(0.2)
    assert collect.result == Done(Digits(status=CollectStatus.TIMEOUT))


def test_each_further_try_says_what_was_wrong_first() -> None:
    line = Line()
    collect = line.perform(Collect(prompt=[ONE], invalid_prompt=[TWO], tries=2, pattern="[1-3]", maximum=1))
    line.run(0.2)
    line.freeswitch.press("9")
    line.run(3.2)
    line.freeswitch.press("8")
    line.pump()
    assert collect.result == Done(Digits(status=CollectStatus.FAILURE, value="8"))
    assert line.applications == ["playback /s/one.wav", "playback /s/two.wav", "playback /s/one.wav"]


def test_blocked_digits_are_not_heard() -> None:
    line = Line()
    assert line.perform(BlockDtmf(digits="12")).result == Done()
    line.freeswitch.press("1")
    line.freeswitch.press("3")
    line.pump()
    assert line.events == [DigitPressed(digit="3", duration_ms=160)]
    assert line.perform(BlockDtmf()).result == Done()
    line.freeswitch.press("3")
    line.pump()
    assert len(line.events) == 1
    assert line.applications == ["block_dtmf"]


def test_a_recording_lasts_until_the_call_ends() -> None:
    line = Line()
    record = line.perform(Record(name="user/r", path=Path("/r/r.wav"), stereo=True))
    assert record.result == Done()
    assert line.freeswitch.variables["RECORD_STEREO"] == "true"
    twice = line.perform(Record(name="user/r", path=Path("/r/r.wav")))
    assert twice.result == Failed("user/r is being recorded already")
    line.run(2.5)
    line.freeswitch.caller_hangs_up()
    line.pump()
    assert RecordingFinished(name="user/r", path=Path("/r/r.wav"), seconds=2.5) in line.events


def test_a_recording_that_cannot_begin() -> None:
    line = Line(FakeChannel(unwritable={"/r/r.wav"}))
    record = line.perform(Record(name="user/r", path=Path("/r/r.wav")))
    assert record.result is None
    line.run(2.1)
    assert record.result == Failed("user/r could not be recorded")


# ---- bridge ----


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


# ---- the end ----


def test_an_unanswered_call_is_refused_with_a_sip_answer() -> None:
    line = Line()
    hangup = line.perform(Hangup(code=404, reason="Not Here\r\nX: y", cause=1, headers=[("X-Why", "nope")]))
    assert line.freeswitch.responded == "404 Not Here  X: y"
    assert line.freeswitch.variables["sip_rh_X-Why"] == "nope"
    assert hangup.result == Done()
    assert line.events == [HungUp(by=HangupBy.SCRIPT, code=404, cause=1, reason="Not Here\r\nX: y")]
    assert line.lost


def test_a_redirect_names_where_to() -> None:
    line = Line()
    line.perform(Hangup(code=302, headers=[("Contact", "<sip:x@y>")]))
    assert line.freeswitch.responded == "302 sip:x@y"


def test_an_answered_call_is_ended_with_a_bye() -> None:
    line = Line()
    line.perform(Answer())
    line.perform(Hangup(cause=17, headers=[("X-End", "1")]))
    assert line.freeswitch.variables["sip_bye_h_X-End"] == "1"
    assert line.taker.hung_up == HungUp(by=HangupBy.SCRIPT, cause=17, reason="USER_BUSY")


def test_a_hangup_does_not_wait_for_what_plays() -> None:
    line = Line()
    play = line.perform(Play(media=[TWO]))
    hangup = line.perform(Hangup())
    assert (play.result, hangup.result) == (HungUpDuring(), Done())
    assert line.lost


@pytest.mark.parametrize("notice_first", [False, True])
def test_the_caller_hangs_up(notice_first: bool) -> None:
    line = Line(FakeChannel(files={"/s/two.wav": 2.0}, notice_first=notice_first))
    line.perform(Answer())
    play = line.perform(Play(media=[TWO]))
    collect_after = line.perform(Record(name="r", path=Path("/r.wav")))
    assert collect_after.result == Done()
    line.freeswitch.caller_hangs_up(**{"sip_bye_h_X-Bye": "farewell", "sip_reason": 'Q.850;cause=16;text="bye"'})
    line.pump()
    assert play.result == HungUpDuring()
    assert line.taker.hung_up == HungUp(
        by=HangupBy.CALLER,
        cause=16,
        reason="BYE",
        headers=[("X-Bye", "farewell"), ("Reason", 'Q.850;cause=16;text="bye"')],
    )
    assert any(isinstance(event, RecordingFinished) for event in line.events)
    assert line.call.ended
    # The connection is given back: nothing lingers for ever.
    assert line.lost
    assert line.freeswitch.sent[-1] == "exit"


def test_after_the_end_every_action_is_over_at_once() -> None:
    line = Line()
    line.freeswitch.caller_hangs_up()
    line.pump()
    sent = len(line.freeswitch.sent)
    for action in (Answer(), Play(media=[ONE]), Collect(), Bridge(destinations=["1"]), Hangup(), BlockDtmf()):
        performed = line.perform(action)
        assert performed.result == HungUpDuring()
        performed.stop()
    line.call.set_variable("a", "b")
    assert len(line.freeswitch.sent) == sent


def test_the_socket_is_cut_in_mid_call() -> None:
    line = Line()
    record = line.perform(Record(name="r", path=Path("/r.wav")))
    collect = line.perform(Collect(prompt=[TWO]))
    bridge_later = line.perform(Answer())
    line.run(1)
    line.lose()
    assert (record.result, bridge_later.result, collect.result) == (Done(), Done(), HungUpDuring())
    ended, finished = line.events
    assert ended == HungUp(by=HangupBy.SYSTEM, cause=41, reason="the event socket was lost")
    assert isinstance(finished, RecordingFinished)
    assert (finished.name, finished.error) == ("r", "the event socket was lost")
    assert finished.seconds == pytest.approx(1.0)
    assert line.connection.deadline is None


def test_a_notice_without_a_hangup_event_ends_the_call_all_the_same() -> None:
    line = Line()
    play = line.perform(Play(media=[TWO]))
    line.freeswitch._notice("linger")
    line.pump()
    assert line.events == []
    line.run(3.1)
    assert play.result == HungUpDuring()
    assert line.taker.hung_up.by is HangupBy.SYSTEM
    assert line.lost


def test_a_hangup_that_freeswitch_does_not_do_is_forced_and_then_given_up() -> None:
    line = Line()
    line.perform(Answer())
    line.freeswitch.hang_up = lambda *_given: None  # type: ignore[method-assign]
    hangup = line.perform(Hangup())
    line.run(5.1)
    assert line.freeswitch.sent[-1] == "api uuid_kill a-uuid-1"
    assert hangup.result is None
    line.run(5.1)
    assert hangup.result == Done()
    assert line.taker.hung_up.by is HangupBy.SYSTEM
    assert line.lost


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
