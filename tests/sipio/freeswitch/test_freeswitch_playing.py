"""Answer, play, speak and echo: Class 5 calls against the double, through memory."""

from pathlib import Path

import pytest

from sipio.call_control import (
    Answer,
    DigitPressed,
    Done,
    Echo,
    Failed,
    MediaFile,
    MediaText,
    MediaUrl,
    Play,
    Record,
    Stopped,
)
from sipio.freeswitch.settings import FreeswitchSettings
from tests.sipio.freeswitch.freeswitch_line import ONE, TWO, Line, Studio


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
    line.call.set_variable("note", "it's $ {x} \\ ")
    line.call.set_variable("evil", f"it's {evil}")
    line.perform(Record(name="r", path=Path(f"/r/{evil}.wav")))
    line.perform(Answer(headers=[("X-A", evil)]))
    assert line.freeswitch.expanded == []
    assert line.freeswitch.variables["script_note"] == "it's $ {x} \\ "
    assert "script_evil" not in line.freeswitch.variables
    assert len(line.problems) == 1


@pytest.mark.parametrize(
    "name", ["api_hangup_hook", "app_disable_expand_variables", "sip_h_X-A", "scriptforge_outcome"]
)
def test_what_freeswitch_or_its_dialplan_acts_by_is_not_a_script_s_to_set(name: str) -> None:
    line = Line()
    before = dict(line.freeswitch.variables)
    line.call.set_variable(name, "system touch /tmp/x")
    line.pump()
    assert line.freeswitch.variables == {**before, f"script_{name}": "system touch /tmp/x"}


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
