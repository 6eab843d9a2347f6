"""Why a script gave no decision, or did not drive its call to its end, in words for its author."""

from typing import Final

import msgspec

from sandbox.outcome import (
    Bound,
    Cancelled,
    Crashed,
    Exceeded,
    Outcome,
    OutOfMemory,
    Refused,
    Returned,
    Threw,
    TimedOut,
)
from sidecar.runs.outcomes import OutcomeName

_HINTS: Final = {
    Bound.RESULT: "",
    Bound.OUTBOX: ": too much was asked of the call without waiting for any of it (await it)",
    Bound.JOBS: ": promises were settled without end",
}


class Failure(msgspec.Struct, frozen=True):
    """An outcome, what there is to say of it, and the place in the author's file."""

    outcome: OutcomeName
    message: str = ""
    location: str = ""


def failure_of(outcome: Outcome) -> Failure:
    """An outcome that is no decision, in words."""
    match outcome:
        case Threw():
            place = outcome.location
            location = f"{outcome.program}:{place.line}:{place.column}" if place else outcome.program
            return Failure(OutcomeName.SCRIPT_ERROR, f"{outcome.name}: {outcome.message}", location)
        case TimedOut(limit):
            return Failure(OutcomeName.TIMED_OUT, f"the {limit.value} time limit was reached")
        case OutOfMemory():
            return Failure(OutcomeName.OUT_OF_MEMORY, "the memory limit was reached")
        case Exceeded(bound):
            return Failure(OutcomeName.SCRIPT_ERROR, f"the {bound.value} limit was passed{_HINTS[bound]}")
        case Crashed(cause):
            return Failure(OutcomeName.CRASHED, cause)
        case Refused(reason):
            return Failure(OutcomeName.REFUSED, reason)
        case Cancelled() | Returned():
            raise ValueError(f"{outcome} is no failure")
