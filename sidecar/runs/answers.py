"""What became of a run, as whoever asked for it over HTTP is told: never a stack, and of our own faults no detail."""

from http import HTTPStatus
from typing import Any, Final

import msgspec

from sandbox.outcome import Cancelled, Completion, OutOfMemory, Refused, Returned, Threw, TimedOut
from sandbox.program import Program
from sidecar.hosts.request import Reject, UnreadableResult, read_result
from sidecar.runs.failure import Failure, failure_of
from sidecar.runs.outcomes import OutcomeName, outcome_name

CLIENT_GONE: Final = 499
"""Nobody is there to read it; what logs call it, after nginx."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run."""

    status: int
    """Of HTTP; below 400 where the script came to its end."""
    outcome: OutcomeName
    value: Any = None
    """What the script returned, where it did."""
    error: str = ""
    """What went wrong, for whoever asked."""
    name: str = ""
    """The class of the error."""
    message: str = ""
    """The same for the author, in more words."""
    location: str = ""
    """For the author: ``file:line:column``."""
    stack: tuple[str, ...] = ()
    """For the author."""
    took_ms: float = 0.0
    """From the request to the outcome."""
    run_ms: float = 0.0
    """In the worker."""

    @property
    def failed(self) -> bool:
        """Whether there is an error in place of a value."""
        return self.status >= HTTPStatus.BAD_REQUEST


NOT_FOUND: Final = {"error": "Function not found", "name": "Error"}
"""The answer for an unknown uuid as well: whoever guesses learns nothing."""


def answer_of(completion: Completion, program: Program, took_seconds: float) -> Answer:
    """What a completion means."""
    times: dict[str, Any] = {"took_ms": round(took_seconds * 1000, 3), "run_ms": completion.run_micros / 1000}
    outcome = completion.outcome
    name = outcome_name(outcome)
    if isinstance(outcome, Returned):
        return _returned(outcome, name, times)
    if isinstance(outcome, Cancelled):
        return Answer(status=CLIENT_GONE, outcome=name, error="The run was cancelled", name="AbortError", **times)
    failure = failure_of(completion, program)
    status, error, kind = _told(outcome, failure)
    stack = outcome.stack if isinstance(outcome, Threw) else ()
    return Answer(
        status=status,
        outcome=name,
        error=error,
        name=kind,
        message=failure.message or error,
        location=failure.location,
        stack=stack,
        **times,
    )


def _returned(outcome: Returned, name: OutcomeName, times: dict[str, Any]) -> Answer:
    try:
        result = read_result(outcome.value)
    except UnreadableResult:
        return Answer(
            status=HTTPStatus.INTERNAL_SERVER_ERROR,
            outcome=OutcomeName.CRASHED,
            error="The script failed",
            name="Error",
            message="the worker gave a result that cannot be read",
            **times,
        )
    if isinstance(result, Reject):
        error = result.text or HTTPStatus(result.status).phrase if _is_known(result.status) else result.text
        return Answer(status=result.status, outcome=name, error=error, name=result.name, message=error, **times)
    return Answer(status=HTTPStatus.OK, outcome=name, value=result, **times)


def _told(outcome: object, failure: Failure) -> tuple[int, str, str]:
    """The status, and what is said to whoever asked."""
    match outcome:
        case Threw():
            # What is no error has no class: the runtime calls it so.
            name = "Error" if outcome.name == "Thrown" else outcome.name
            return HTTPStatus.INTERNAL_SERVER_ERROR, outcome.message or name, name
        case TimedOut():
            return HTTPStatus.GATEWAY_TIMEOUT, "Script Timeout", "TimeoutError"
        case Refused():
            return HTTPStatus.SERVICE_UNAVAILABLE, "Too many runs are waiting", "Error"
        case OutOfMemory():
            return HTTPStatus.INTERNAL_SERVER_ERROR, failure.message, "RangeError"
    return HTTPStatus.INTERNAL_SERVER_ERROR, failure.message or "The script failed", "Error"


def _is_known(status: int) -> bool:
    return status in HTTPStatus._value2member_map_


def content_of(answer: Answer) -> tuple[bytes, str]:
    """The body and its type: text as it is, never as HTML; a number as its digits; all else as JSON."""
    if answer.failed:
        return msgspec.json.encode({"error": answer.error, "name": answer.name}), "application/json"
    value = answer.value
    if isinstance(value, str):
        return value.encode("utf-8", "replace"), "text/plain; charset=utf-8"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return msgspec.json.encode(value), "text/plain; charset=utf-8"
    return msgspec.json.encode(value), "application/json"
