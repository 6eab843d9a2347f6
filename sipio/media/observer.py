"""What a session tells whoever it belongs to."""

from typing import Protocol

import msgspec

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


class MediaStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of one session, for the call record."""

    packets_sent: int
    packets_received: int
    packets_lost: int
    """By sequence numbers, of the present source."""
    packets_late: int
    """Came after their time; known only while recording or echoing."""
    jitter_ms: float
    wrong_source: int
    """Packets from somewhere else than the peer, dropped."""
    garbage: int
    """Datagrams that were no RTP, or of a payload type that was not agreed."""
    unsent: int
    """Packets that the system did not take."""
    round_trip_ms: float
    """By RTCP; 0 where it is not known."""
    remote_lost: int
    """Packets of ours that the peer says it missed."""
