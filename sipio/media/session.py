"""The media of one leg."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from sipio.call_control import (
    ActionResult,
    Collect,
    DigitPressed,
    Media,
    PendingAction,
    RecordingFinished,
)
from sipio.sip.media_description import NegotiatedMedia

ActionDone = Callable[[ActionResult], None]


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
    """Came after their time, or twice."""
    jitter_ms: float
    wrong_source: int
    """Packets from somewhere else than the peer, dropped."""
    garbage: int
    """Datagrams that were no RTP, or of a payload type that was not agreed."""
    round_trip_ms: float
    """By RTCP; 0 where it is not known."""
    remote_lost: int
    """Packets of ours that the peer says it missed."""


class MediaSession:
    """Made by `engine.MediaEngine.open`. play, echo and collect replace each other: the one replaced is Stopped.

    Every ``done`` is called once, never before the method has returned: Done when all was sent, Failed, Stopped,
    HungUpDuring when the session is closed meanwhile.
    """

    host: str
    port: int
    observer: MediaObserver | None = None

    def start(self, media: NegotiatedMedia) -> None:
        """Send and receive as agreed; again with every `MediaChanged`. A changed remote address is believed, and so
        is the first source that RTP then comes from (symmetric RTP)."""
        raise NotImplementedError

    def play(self, media: Sequence[Media], done: ActionDone, *, repeat: bool = False) -> PendingAction:
        """Play one after the other; over and over with ``repeat``."""
        raise NotImplementedError

    def play_ringback(self, country: str = "") -> PendingAction:
        """The ringing tone until stopped or replaced; empty for the configured country's."""
        raise NotImplementedError

    def echo(self, delay_ms: int, done: ActionDone) -> PendingAction:
        """Send back what is received until stopped."""
        raise NotImplementedError

    def collect(self, action: Collect, done: ActionDone) -> PendingAction:
        """Done carries `Digits`."""
        raise NotImplementedError

    def digit(self, digit: str, duration_ms: int = 0) -> None:
        """A digit that came by SIP INFO: blocked, collected, relayed and told as any other."""
        raise NotImplementedError

    def send_digits(self, digits: str, duration_ms: int = 100) -> None:
        """As telephone-event where it was agreed, else in the audio. Anything but ``0-9*#A-D`` is left out."""
        raise NotImplementedError

    def block_digits(self, digits: str = "") -> None:
        """These, or all for empty, are neither told nor collected nor relayed any more."""
        raise NotImplementedError

    def record(self, name: str, path: Path, *, stereo: bool = False) -> None:
        """Record what is received and what is sent, mixed, or received left and sent right, until the session is
        closed or stop_recording(). `MediaObserver.recording_finished` follows.

        Raises:
            RecordingFailed: the file cannot be made.
        """
        raise NotImplementedError

    def stop_recording(self) -> None:
        raise NotImplementedError

    def statistics(self) -> MediaStatistics:
        raise NotImplementedError

    def close(self) -> None:
        """Free the ports, end everything. Idempotent."""
        raise NotImplementedError
