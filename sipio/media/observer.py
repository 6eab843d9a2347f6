"""What a session tells whoever it belongs to."""

from typing import Protocol

from sipio.call_control import DigitPressed, RecordingFinished


class MediaObserver(Protocol):
    """Whoever a session belongs to. None of these may raise."""

    def digit_pressed(self, event: DigitPressed) -> None:
        """A digit came in the audio, as telephone-event, or was given to `MediaSession.digit`. Blocked ones are not
        told. The duration is 0 for telephone-events, which are told as they begin."""

    def recording_finished(self, event: RecordingFinished) -> None:
        """A recording is whole, or has failed. It comes after close() as well: the disk may be slow."""

    def media_timed_out(self, seconds: float) -> None:
        """Nothing has shown for so long that the peer is there: no RTP, RTCP or keep-alive, and nothing that
        `MediaSession.lives` was told, which may be told now. Told once, and again only after it has come back."""
