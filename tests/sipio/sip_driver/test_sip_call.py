"""Each action of one call: what it does to SIP and media, its result, its end before its time."""

from pathlib import Path

import pytest

from sipio.call_control import (
    Answer,
    BlockDtmf,
    Bridge,
    CallAction,
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
    MediaText,
    Play,
    Record,
    RecordingFinished,
    Stopped,
)
from sipio.sip.events import EndedBy
from tests.sipio.sip_driver.sip_driver_doubles import Exchange

PLAY = Play(media=[MediaText("hello")])
MEDIA_ACTIONS: list[CallAction] = [PLAY, Echo(delay_ms=40), Collect()]


def test_a_call_that_is_taken_rings_and_is_answered_once_its_ack_is_in() -> None:
    exchange = Exchange()
    assert exchange.names() == ["ring"]
    _, first = exchange.perform(Answer(headers=[("X-Foo", "1")]))
    assert exchange.session.did[-1] == ("accept", [("X-Foo", "1")])
    assert first == [], "the ACK is not in"
    _, second = exchange.perform(Answer())
    exchange.session.confirm()
    assert (first, second) == ([Done()], [Done()])
    assert exchange.names().count("accept") == 1
    _, third = exchange.perform(Answer())
    assert third == [Done()]
    assert exchange.media.silence_counted == 1


def test_an_answer_that_is_stopped_is_not_taken_back() -> None:
    exchange = Exchange()
    pending, results = exchange.perform(Answer())
    pending.stop()
    pending.stop()
    exchange.session.confirm()
    assert results == [Stopped()]
    assert exchange.session.answered


def test_an_ack_that_never_came_fails_the_answer() -> None:
    exchange = Exchange()
    _, results = exchange.perform(Answer())
    exchange.session.end_as(EndedBy.SYSTEM, reason="ACK never came")
    assert results == [Failed("ACK never came")]
    (hung_up,) = exchange.told(HungUp)
    assert (hung_up.by, hung_up.reason) == (HangupBy.SYSTEM, "ACK never came")


@pytest.mark.parametrize("action", MEDIA_ACTIONS, ids=lambda action: type(action).__name__)
def test_media_before_the_answer_is_early_media_once(action: CallAction) -> None:
    exchange = Exchange()
    _, results = exchange.perform(action)
    assert exchange.session.did[1:] == [("progress", "192.0.2.9", exchange.media.port)]
    assert exchange.media.started, "the offer was answered with the 183"
    assert exchange.media.activity is not None
    value = Done(Digits(status=CollectStatus.SUCCESS, value="1"))
    exchange.media.activity.finish(value)
    assert results == [value]
    exchange.perform(PLAY)
    assert exchange.names() == ["ring", "progress"]
    exchange.perform(Answer())
    assert exchange.names() == ["ring", "progress", "accept"]


@pytest.mark.parametrize("action", MEDIA_ACTIONS, ids=lambda action: type(action).__name__)
def test_media_that_is_stopped_replaced_or_cut_off(action: CallAction) -> None:
    exchange = Exchange().up()
    pending, stopped = exchange.perform(action)
    pending.stop()
    assert stopped == [Stopped()]
    _, replaced = exchange.perform(action)
    _, cut = exchange.perform(action)
    assert replaced == [Stopped()]
    exchange.session.end_as(EndedBy.PEER, reason="BYE")
    assert cut == [HungUpDuring()]
    assert exchange.engine.open_sessions == []


def test_an_invite_without_an_offer_has_no_early_media_and_plays_all_the_same() -> None:
    exchange = Exchange()
    exchange.session.has_offer = False
    exchange.perform(PLAY)
    assert exchange.names() == ["ring", "progress"]
    assert exchange.media.runs, "else the script would wait for what never ends"
    _, results = exchange.perform(Answer())
    exchange.session.agree()
    exchange.session.confirm()
    assert results == [Done()]
    assert exchange.media.started


def test_records_and_blocks_beside_other_actions(tmp_path: Path) -> None:
    exchange = Exchange().up()
    _, playing = exchange.perform(PLAY)
    _, recorded = exchange.perform(Record(name="a", path=tmp_path / "a.wav", stereo=True))
    pending, blocked = exchange.perform(BlockDtmf(digits="12"))
    pending.stop()
    assert (recorded, blocked, playing) == ([Done()], [Done()], [])
    assert exchange.media.recordings == [("a", tmp_path / "a.wav", True)]
    assert exchange.media.blocked == ["12"]
    _, failed = exchange.perform(Record(name="impossible", path=tmp_path / "b.wav"))
    assert failed == [Failed("impossible.wav cannot be written: Permission denied")]


@pytest.mark.parametrize(
    ("hangup", "sent"),
    [
        (Hangup(), (480, 16)),
        (Hangup(code=486, reason="Busy", cause=17), (486, 17)),
        (Hangup(cause=21), (603, 21)),
        (Hangup(cause=0), (480, 16)),
    ],
)
def test_a_hang_up_before_the_answer_refuses(hangup: Hangup, sent: tuple[int, int]) -> None:
    exchange = Exchange()
    _, results = exchange.perform(hangup)
    assert results == [Done()]
    code, cause = sent
    assert exchange.session.did[-1] == ("reject", code, hangup.reason, [("Reason", f"Q.850;cause={cause}")])
    (hung_up,) = exchange.told(HungUp)
    assert (hung_up.by, hung_up.code, hung_up.cause) == (HangupBy.SCRIPT, code, cause)


def test_a_hang_up_after_the_answer_is_a_bye_with_its_cause_and_headers() -> None:
    exchange = Exchange().up()
    _, results = exchange.perform(Hangup(code=503, cause=41, headers=[("X-Why", "test")]))
    assert results == [Done()]
    assert exchange.session.did[-1] == ("bye", [("Reason", "Q.850;cause=41"), ("X-Why", "test")])
    (hung_up,) = exchange.told(HungUp)
    assert (hung_up.by, hung_up.code, hung_up.cause) == (HangupBy.SCRIPT, 0, 41)


@pytest.mark.parametrize(
    "action", [Answer(), *MEDIA_ACTIONS, Bridge(destinations=["sip:b@192.0.2.2"]), Hangup(), BlockDtmf()]
)
def test_on_an_ended_call_nothing_is_done(action: CallAction) -> None:
    exchange = Exchange()
    exchange.session.end_as(EndedBy.PEER, status=487, reason="CANCEL")
    did = list(exchange.session.did)
    pending, results = exchange.perform(action)
    pending.stop()
    assert results == [HungUpDuring()]
    assert exchange.session.did == did
    assert exchange.endpoint.legs == []


@pytest.mark.parametrize(
    ("by", "status", "cause", "told"),
    [
        (EndedBy.PEER, 487, 0, (HangupBy.CALLER, 487, 16)),
        (EndedBy.PEER, 0, 31, (HangupBy.CALLER, 0, 31)),
        (EndedBy.SYSTEM, 480, 0, (HangupBy.SYSTEM, 480, 18)),
        (EndedBy.SYSTEM, 0, 0, (HangupBy.SYSTEM, 0, 16)),
    ],
)
def test_the_end_says_by_whom_and_why(by: EndedBy, status: int, cause: int, told: tuple[HangupBy, int, int]) -> None:
    exchange = Exchange()
    exchange.session.end_as(by, status=status, reason="why", cause=cause)
    (hung_up,) = exchange.told(HungUp)
    assert (hung_up.by, hung_up.code, hung_up.cause) == told
    assert (hung_up.reason, hung_up.headers) == ("why", [("X-End", "1")])
    assert exchange.call.ended


def test_digits_of_info_go_to_the_media_and_those_of_the_media_to_the_observer() -> None:
    exchange = Exchange().up()
    exchange.session.press("5")
    assert exchange.media.digits == "5"
    assert exchange.events == [], "the media decides whether it is blocked"
    exchange.call.digit_pressed(DigitPressed(digit="6"))
    assert exchange.events == [DigitPressed(digit="6")]


def test_audio_that_stops_ends_an_answered_call() -> None:
    exchange = Exchange()
    exchange.perform(PLAY)
    exchange.call.media_timed_out(60.0)
    assert exchange.names() == ["ring", "progress"], "before the answer nobody has to send anything"
    exchange.up()
    exchange.session.heard_at = 130.0
    exchange.call.media_timed_out(60.0)
    assert exchange.names() == ["ring", "progress", "accept"], "it was heard from by SIP meanwhile"
    exchange.call.media_timed_out(60.0)
    assert exchange.session.did[-1] == ("bye", [("Reason", "Q.850;cause=41")])
    (hung_up,) = exchange.told(HungUp)
    assert (hung_up.by, hung_up.reason, hung_up.cause) == (HangupBy.SYSTEM, "media timeout", 41)


def test_a_recording_may_finish_after_the_end(tmp_path: Path) -> None:
    exchange = Exchange().up()
    exchange.session.end_as(EndedBy.PEER, reason="BYE")
    finished = RecordingFinished(name="a", path=tmp_path, seconds=1.0)
    exchange.call.recording_finished(finished)
    assert exchange.events[-1] == finished


def test_what_happens_before_the_call_is_taken_is_told_afterwards() -> None:
    exchange = Exchange(taken=False)
    exchange.session.end_as(EndedBy.PEER, status=487, reason="CANCEL")
    assert exchange.events == []
    exchange.call.take(exchange)
    assert [type(event) for event in exchange.events] == [HungUp]
    assert exchange.names() == [], "it does not ring any more"


def test_a_call_that_has_early_media_when_it_is_taken_does_not_ring() -> None:
    exchange = Exchange(taken=False)
    exchange.perform(PLAY)
    exchange.call.take(exchange)
    assert exchange.names() == ["progress"]


def test_a_call_may_be_refused() -> None:
    exchange = Exchange(taken=False)
    exchange.call.refuse(Hangup(code=404, reason="Not Found", cause=1))
    assert exchange.session.did == [("reject", 404, "Not Found", [("Reason", "Q.850;cause=1")])]
    assert exchange.media.closed
