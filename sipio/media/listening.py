"""The audio of one session in its order and at its pace, for whoever wants it so: an echo, a recording."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from sipio.call_control import RecordingFinished
from sipio.media.g711 import SILENCE, Law, translation
from sipio.media.jitter import JitterBuffer
from sipio.media.recording import Recording
from sipio.media.resources import MediaResources


class Listening:
    """Buffers only while somebody reads: a session that just plays, or relays, has no jitter buffer."""

    __slots__ = ("_echoes", "_jitter", "_late_before", "_law", "_relayed", "_resources", "heard", "recording")

    def __init__(self, resources: MediaResources) -> None:
        self._resources: Final = resources
        self._law = Law.PCMU
        self._jitter: JitterBuffer | None = None
        self._relayed: JitterBuffer | None = None
        """What the partner has us send, for a recording."""
        self._echoes = False
        self._late_before = 0
        """Late packets of buffers that are gone."""
        self.heard = SILENCE[Law.PCMU]
        """What is heard in this tick, 20 ms."""
        self.recording: Recording | None = None

    @property
    def late(self) -> int:
        """Packets that came after their time, while there was a buffer."""
        return self._late_before + (self._jitter.late if self._jitter is not None else 0)

    def set_law(self, law: Law) -> None:
        """Give what is heard in this law from now on."""
        if law is self._law:
            return
        self._law = law
        self.heard = SILENCE[law]
        self._late_before = self.late
        self._jitter = JitterBuffer(law) if self._jitter is not None else None
        self._relayed = JitterBuffer(law) if self._relayed is not None else None

    def restart(self) -> None:
        """Begin a new timeline: another source sends."""
        if self._jitter is not None:
            self._jitter.restart()

    def received(self, timestamp: int, payload: bytes, law: Law) -> None:
        """Take the audio of a packet of the peer's."""
        if self._jitter is not None:
            table = translation(law, self._law)
            self._jitter.write(timestamp, payload.translate(table) if table else payload)

    def relayed(self, timestamp: int, payload: bytes) -> None:
        """Take the audio of a packet of the partner's that was sent on, in our law."""
        if self._relayed is not None:
            self._relayed.write(timestamp, payload)

    def tick(self) -> None:
        """Go on by 20 ms."""
        if self._jitter is not None:
            self.heard = self._jitter.read()

    # ---- who reads ----

    def echo(self) -> None:
        """Give what is heard to an echo from now on."""
        self._jitter = self._jitter or JitterBuffer(self._law)
        self._echoes = True

    def end_echo(self) -> None:
        """Take note that the echo is over."""
        self._echoes = False
        self._drop()

    def record(self, name: str, path: Path, *, stereo: bool, finished: Callable[[RecordingFinished], None]) -> None:
        """Begin a recording; one that is under way is ended. Raises RecordingFailed where the file cannot be made."""
        self.stop_recording()
        resources = self._resources
        self.recording = recording = Recording(
            name,
            path,
            stereo=stereo,
            behind_bytes=resources.settings.recording_behind_bytes,
            executor=resources.writers,
            finished=finished,
        )
        resources.recordings.add(recording.complete)
        recording.complete.add_done_callback(resources.recordings.discard)
        self._jitter = self._jitter or JitterBuffer(self._law)
        self._relayed = JitterBuffer(self._law)

    def record_frame(self, sent: bytes | None) -> None:
        """Record this tick; ``sent`` is what went out of our own, if anything did."""
        recording = self.recording
        if recording is None:
            return
        relayed = self._relayed.read() if self._relayed is not None else SILENCE[self._law]
        recording.frame(self.heard, sent or relayed, self._law)
        if not recording.open:
            self.stop_recording()

    def stop_recording(self) -> None:
        """End the recording, if there is one."""
        recording, self.recording = self.recording, None
        if recording is not None:
            recording.close()
            self._relayed = None
            self._drop()

    def _drop(self) -> None:
        if not self._echoes and self.recording is None:
            self._late_before = self.late
            self._jitter = None
