"""What an operator or a test may set of the media engine."""

from enum import StrEnum
from pathlib import Path

import msgspec


class InbandDigits(StrEnum):
    """When digits are looked for in the audio itself."""

    AUTO = "auto"
    """Where the peer did not agree to telephone-event."""
    NEVER = "never"
    ALWAYS = "always"


class SoundSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for whatever is played."""

    memory_bytes: int = 256_000_000
    """Sounds kept ready in memory; 8,000 bytes are a second. The least recently used goes first."""
    longest_seconds: int = 3_600
    """A longer sound is not played: it would take memory in proportion."""


class SpeechSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Text to speech by a command."""

    command: tuple[str, ...] = ("espeak-ng", "--stdout", "-v", "{voice}", "--stdin")
    """Writes a WAV to standard output. ``{voice}`` and ``{text}`` are filled in; without ``{text}`` the text is on its
    standard input. No shell reads it."""
    voice: str = "en"
    timeout_seconds: float = 30.0
    output_bytes: int = 60_000_000
    """About 20 minutes at 22 kHz."""
    text_characters: int = 10_000
    processes: int = 4
    """Commands that run at once; a further text waits for its turn."""
    cache: Path | None = None
    """Directory of what was spoken; None keeps it in memory alone."""
    cache_bytes: int = 500_000_000


class FetchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Sounds fetched over http and https."""

    timeout_seconds: float = 10.0
    """The most that one fetch may take, redirects included."""
    body_bytes: int = 60_000_000
    redirects: int = 5
    at_once: int = 32
    """Fetches under way; a further one waits for its turn."""
    cache: Path | None = None
    """Directory of what was fetched; None keeps it in memory alone."""
    cache_bytes: int = 500_000_000
    fresh_seconds: float = 60.0
    """How long an answer without Cache-Control is used before it is asked for again."""


class MediaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for the engine and each of its sessions."""

    port_first: int = 20_000
    port_last: int = 29_999
    """RTP takes the even ports of this range, RTCP the odd ones."""
    dscp: int = 46
    """Expedited forwarding (RFC 3246) for RTP and RTCP; 0 leaves it to the system."""
    timeout_seconds: float = 60.0
    """A session whose peer has shown no sign of life for this long says so; 0 for never. Time on hold does not
    count."""
    relatch_seconds: float = 2.0
    """Another source is believed once the present one has been silent this long."""
    comfort_silence: bool = True
    """Send silence while there is nothing to send: keeps NAT bindings and the peer's own timeout content."""
    rtcp_seconds: float = 5.0
    """Mean interval of RTCP reports (RFC 3550 clause 6.2 has 5 s as the least); 0 for none."""
    inband_digits: InbandDigits = InbandDigits.AUTO
    ringback: str = "eu"
    """Country of the ringing tone: a key of `tones.RINGBACK`."""
    recording_behind_bytes: int = 480_000
    """Audio of one recording that the disk has not taken yet: 15 s of two legs; past it the recording ends."""
    sounds: SoundSettings = SoundSettings()
    speech: SpeechSettings = SpeechSettings()
    fetch: FetchSettings = FetchSettings()
