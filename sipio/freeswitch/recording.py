"""Record, and the recordings of a call."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sipio.call_control import ActionResult, Done, Failed, Record, RecordingFinished
from sipio.errors import LocalError
from sipio.freeswitch.event_socket import Event
from sipio.freeswitch.leg import Leg, LegAction
from sipio.freeswitch.timers import CallTimer


class Recordings:
    """The recordings of one call that have begun and not ended, by their path."""

    def __init__(self, leg: Leg) -> None:
        self._leg = leg
        self._asked: dict[str, Recording] = {}
        self._running: dict[str, tuple[Record, float]] = {}

    @property
    def open(self) -> bool:
        """Whether any recording has begun and not ended."""
        return bool(self._running)

    def ask(self, recording: "Recording") -> None:
        """Expect its beginning. Raises LocalError where one to this file is running."""
        path = str(recording.action.path)
        if path in self._asked or path in self._running:
            raise LocalError(f"{recording.action.name} is being recorded already")
        self._asked[path] = recording

    def forget(self, path: Path) -> None:
        """Expect no beginning of it any more."""
        self._asked.pop(str(path), None)

    def begun(self, event: Event) -> None:
        """Take a RECORD_START."""
        path = event.get("Record-File-Path")
        recording = self._asked.pop(path, None)
        if recording is not None:
            self._running[path] = recording.action, self._leg.environment.clock()
            recording.begun()

    def stopped(self, event: Event) -> None:
        """Take a RECORD_STOP, with which the recording is complete."""
        found = self._running.pop(event.get("Record-File-Path"), None)
        if found is None:
            return
        action, began = found
        milliseconds = event.variable("record_ms")
        known = milliseconds.isascii() and milliseconds.isdecimal()
        seconds = int(milliseconds) / 1000 if known else self._leg.environment.clock() - began
        self._leg.tell(RecordingFinished(name=action.name, path=action.path, seconds=seconds))

    def abandon(self, reason: str) -> None:
        """Finish with an error those of which nothing more will be heard."""
        running, self._running = self._running, {}
        for action, began in running.values():
            seconds = self._leg.environment.clock() - began
            self._leg.tell(RecordingFinished(name=action.name, path=action.path, seconds=seconds, error=reason))


class Recording(LegAction):
    """Carries out a `Record`: FreeSWITCH writes the file."""

    def __init__(self, leg: "RecordedLeg", action: Record, done: Callable[[ActionResult], None]) -> None:
        super().__init__(leg, done)
        self.action = action
        self._recordings = leg.recordings
        self._timer: CallTimer | None = None

    def start(self) -> None:
        self._recordings.ask(self)
        self.leg.channel.set_variable("RECORD_STEREO", "true" if self.action.stereo else "")
        self.leg.channel.execute("record_session", str(self.action.path))
        # record_session completes the same way whether it could open the file or not.
        self._timer = self.leg.timers.after(self.leg.environment.settings.recording_seconds, self._late)

    def begun(self) -> None:
        """Be complete: FreeSWITCH has opened the file."""
        if self._timer is not None:
            self._timer.cancel()
        self.finish(Done())

    def stop(self) -> None:
        """End a recording that has begun, or is about to; as much as is there stays."""
        if not self.over:
            self.leg.channel.execute("stop_record_session", str(self.action.path))
            super().stop()

    def release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._recordings.forget(self.action.path)

    def _late(self) -> None:
        self._recordings.forget(self.action.path)
        self.finish(Failed(f"{self.action.name} could not be recorded"))


class RecordedLeg(Leg, Protocol):
    """What a recording needs of its call: a `Leg` that also knows which recordings run."""

    recordings: Recordings
