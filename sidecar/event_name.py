"""What webhooks are told of."""

from enum import StrEnum


class EventName(StrEnum):
    """The type of an event."""

    RUN_FINISHED = "run.finished"
    """A run over HTTP that nobody waited for is over."""
    RECORDING_FINISHED = "recording.finished"
    """A call that was recorded is over: one event a recording, before that of the call."""
    CALL_FINISHED = "call.finished"
    """A call that a script drove or placed is over."""
