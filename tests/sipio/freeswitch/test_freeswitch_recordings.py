"""Recordings: Class 5 calls against the double, through memory."""

from pathlib import Path

from sipio.call_control import (
    Done,
    Failed,
    Record,
    RecordingFinished,
)
from tests.sipio.freeswitch.freeswitch_double import FakeChannel
from tests.sipio.freeswitch.freeswitch_line import Line


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
