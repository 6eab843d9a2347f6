"""How a call ends, whoever ends it: Class 5 calls against the double, through memory."""

import gc
import weakref
from pathlib import Path

import pytest

from sipio.call_control import (
    Answer,
    BlockDtmf,
    Bridge,
    Collect,
    Done,
    Hangup,
    HangupBy,
    HungUp,
    HungUpDuring,
    Play,
    Record,
    RecordingFinished,
)
from tests.sipio.freeswitch.freeswitch_double import FakeChannel
from tests.sipio.freeswitch.freeswitch_line import ONE, TWO, Line


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
    line.freeswitch.notice("linger")
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


@pytest.mark.parametrize("by", ["us", "a break", "a play", "a bridge", "a recording"])
def test_a_call_is_freed_with_its_connection_and_not_by_the_collector(by: str, tmp_path: Path) -> None:
    line = Line()
    line.perform(Answer())
    call = weakref.ref(line.call)
    gc.collect()
    gc.disable()
    try:
        if by == "a play":
            line.perform(Play(media=[TWO]))
        elif by == "a bridge":
            line.perform(Bridge(destinations=["sip:nobody@10.0.0.9"]))
        elif by == "a recording":
            line.perform(Record(name="message", path=tmp_path / "message.wav"))
        if by == "us":
            line.perform(Hangup())
        else:
            line.lose()
        line._call = None
        line.taker.calls.clear()
        assert call() is None
    finally:
        gc.enable()
