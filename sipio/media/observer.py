"""What a session tells whoever it belongs to."""

from typing import Protocol

from sipio.call_control import DigitPressed, RecordingFinished


class MediaObserver(Protocol):
    """Whoever a session belongs to. None of these may raise."""

    def digit_pressed(self, event: DigitPressed) -> None:
        """In the audio, as telephone-event, or given to `MediaSession.digit`. Not called for blocked ones. Its duration
        is 0 for telephone-events, which are told as they begin."""

    def recording_finished(self, event: RecordingFinished) -> None:
        """Comes after close() as well: the disk may be slow."""

    def media_timed_out(self, seconds: float) -> None:
        """No RTP came for so long. Told once, and again only after RTP has come anew."""
