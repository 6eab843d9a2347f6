"""What can go wrong with media. What a peer sent is counted, never raised."""

from sipio.errors import LocalError


class MediaFailed(LocalError):
    """Something cannot be played, spoken, recorded or sent. The text says it in words fit for a script's author."""


class SoundNotFound(MediaFailed):
    """There is no such file, or it may not be read."""


class NotAudio(MediaFailed):
    """It is not a WAV file that can be read: the one format that is played."""


class SoundTooLong(MediaFailed):
    """It is longer, or larger, than its cap."""


class FetchFailed(MediaFailed):
    """The address may not be fetched, does not answer, or answers with an error."""


class SpeechFailed(MediaFailed):
    """The speech command is missing, failed, or took too long."""


class RecordingFailed(MediaFailed):
    """The recording cannot be written (any further). What was written before stays."""


class DiskFull(RecordingFailed):
    """No space is left for the recording."""


class NoFreePort(MediaFailed):
    """Every RTP port of the range is taken."""
