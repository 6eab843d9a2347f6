"""What became of a script, in the words that records, metrics, switches and exit statuses share."""

from enum import StrEnum
from typing import Final

from sandbox.outcome import Cancelled, Crashed, Exceeded, Outcome, OutOfMemory, Refused, Returned, Threw, TimedOut


class OutcomeName(StrEnum):
    """Every end that a decision or a scripted call can have; `sandbox.outcome.Outcome` has the ends of one run."""

    RETURNED = "returned"
    """The script came to its end."""
    SIP_ERROR = "sip_error"
    """The script refused the call by a SIP status that it threw."""
    HUNG_UP = "hung_up"
    """The call was over, and the script ended in the error that told it so."""
    UNASSIGNED = "unassigned"
    """No script is assigned to the call."""
    SCRIPT_ERROR = "script_error"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"
    """The worker process died of the run."""
    REFUSED = "refused"
    """The script was never begun: too much was waiting, or the daemon was stopping."""
    CANCELLED = "cancelled"
    """Whoever asked gave up."""


FAILURES: Final = frozenset(
    (
        OutcomeName.SCRIPT_ERROR,
        OutcomeName.TIMED_OUT,
        OutcomeName.OUT_OF_MEMORY,
        OutcomeName.CRASHED,
        OutcomeName.REFUSED,
    )
)
"""The outcomes in which a script was to have its say and did not."""

GOOD_CALL_ENDS: Final = frozenset((OutcomeName.RETURNED, OutcomeName.SIP_ERROR, OutcomeName.HUNG_UP))
"""The outcomes of a scripted call of which nobody need be told."""

_OF_RUN: Final[dict[type[Outcome], OutcomeName]] = {
    Returned: OutcomeName.RETURNED,
    Threw: OutcomeName.SCRIPT_ERROR,
    Exceeded: OutcomeName.SCRIPT_ERROR,
    TimedOut: OutcomeName.TIMED_OUT,
    OutOfMemory: OutcomeName.OUT_OF_MEMORY,
    Crashed: OutcomeName.CRASHED,
    Refused: OutcomeName.REFUSED,
    Cancelled: OutcomeName.CANCELLED,
}


def outcome_name(outcome: Outcome) -> OutcomeName:
    """The name of one run's end, whatever its result then means."""
    return _OF_RUN[type(outcome)]
