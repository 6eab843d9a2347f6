"""Why a script gave no decision, or did not drive its call to its end, in words for its author."""

import re
from typing import Final

import msgspec

from sandbox.outcome import (
    Bound,
    Cancelled,
    Completion,
    Crashed,
    Exceeded,
    Interruption,
    Location,
    OutOfMemory,
    Refused,
    Returned,
    Stage,
    Threw,
    TimedOut,
    TimeLimit,
)
from sandbox.program import Program
from sidecar.header_rules import RuleViolation
from sidecar.runs.explanations import Explanations
from sidecar.runs.outcomes import OutcomeName

_HINTS: Final = {
    Bound.RESULT: "",
    Bound.OUTBOX: ": too much was asked of the call without waiting for any of it (await it)",
    Bound.JOBS: ": promises were settled without end",
}
_WORKER_FULL: Final = (
    "the memory limit of the worker process was reached, not the script's own"
    " (sandbox.worker_memory_bytes, for scripts of calls voice.call_worker_memory_bytes)"
)


class Failure(msgspec.Struct, frozen=True):
    """An outcome, what there is to say of it, and the place in the author's file."""

    outcome: OutcomeName
    message: str = ""
    location: str = ""


_MISSING_IMPORT: Final = re.compile(
    r"import '(.*)': there is no such module|Could not find export '.*' in module '(.*)'", re.DOTALL
)

_explanations: Final = Explanations()
"""One for the process: the share of time that they may take is the process's."""


def in_words(failure: Failure) -> str:
    """A failure on one line, with its place."""
    message = failure.message or failure.outcome.replace("_", " ")
    return f"{message} ({failure.location})" if failure.location else message


def failure_of(completion: Completion, program: Program) -> Failure:
    """A run that came to no decision, in words."""
    outcome = completion.outcome
    match outcome:
        case Threw():
            return _thrown(outcome, program)
        case TimedOut(limit):
            return _timed_out(limit, completion.interruption, program)
        case OutOfMemory(of_worker):
            return Failure(OutcomeName.OUT_OF_MEMORY, _WORKER_FULL if of_worker else "the memory limit was reached")
        case Exceeded(bound):
            return Failure(OutcomeName.SCRIPT_ERROR, f"the {bound.value} limit was passed{_HINTS[bound]}")
        case Crashed(cause):
            return Failure(OutcomeName.CRASHED, cause)
        case Refused(reason):
            return Failure(OutcomeName.REFUSED, reason)
        case Cancelled() | Returned():
            raise ValueError(f"{outcome} is no failure")


_LIMITS: Final = {
    TimeLimit.CPU: "the limit of processor time was reached",
    TimeLimit.WALL: "the time limit was reached",
}


def _timed_out(limit: TimeLimit, interruption: Interruption | None, program: Program) -> Failure:
    message = _LIMITS[limit]
    if interruption is None:
        return Failure(OutcomeName.TIMED_OUT, message)
    seconds = f"{interruption.seconds:.3g} s"
    match interruption.stage:
        case Stage.QUEUED:
            return Failure(OutcomeName.TIMED_OUT, f"{message}: it had stood in the queue for {seconds}")
        case Stage.WAITING:
            return Failure(OutcomeName.TIMED_OUT, f"{message}: it had waited for {seconds} for what it awaits")
    within = f", in {interruption.function}" if interruption.function else ""
    place = interruption.location
    found = None if place is None else _explanations.loop_at(place, _text_of(program, place))
    location = f"{place.file or program.name}:{found[0]}:{found[1]}" if place and found else ""
    loop = ", in the loop here" if found else ""
    return Failure(OutcomeName.TIMED_OUT, f"{message}: it had run for {seconds}{loop or within}", location)


def _text_of(program: Program, place: Location) -> str:
    """The file that a place is in."""
    return program.files[place.file].text if place.file in program.files else program.text


def _texts_of(program: Program) -> dict[str, str]:
    """Its own text and those of the files that it imports, by name."""
    return {program.name: program.text, **{name: file.text for name, file in program.files.items()}}


def _thrown(threw: Threw, program: Program) -> Failure:
    location = threw.location
    missing = _MISSING_IMPORT.fullmatch(threw.message) if location is None else None
    if missing is not None:
        # The engine says no place of what it finds wrong before anything is evaluated.
        where = _first_place(missing[1] or missing[2], program)
        return Failure(OutcomeName.SCRIPT_ERROR, f"{threw.name}: {threw.message}", where)
    explanation = _explanations.of(threw, _text_of(program, location)) if location else None
    message = threw.message if explanation is None else explanation.message
    place = location if explanation is None else explanation
    file = location.file if location and location.file else threw.program
    return Failure(
        OutcomeName.SCRIPT_ERROR,
        f"{threw.name}: {message}",
        f"{file}:{place.line}:{place.column}" if place else threw.program,
    )


def rule_broken(violation: RuleViolation, program: Program) -> Failure:
    """A result that must not reach the switch, at the place where the script most likely made it so."""
    location = _first_place(violation.subject, program) if violation.subject else program.name
    return Failure(OutcomeName.SCRIPT_ERROR, str(violation), location)


def _first_place(subject: str, program: Program) -> str:
    """The first of a program's places that has to do with this, or its name."""
    for file, text in _texts_of(program).items():
        place = _explanations.place_of(subject, text)
        if place is not None:
            return f"{file}:{place[0]}:{place[1]}"
    return program.name
