"""A decision as a person reads it, the same for a script tried on a desk and for a running daemon's answer."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Raw, structs

from sandbox.outcome import LogLine
from sidecar.cli.routing_changes import Line, Sign, changes, label
from sidecar.cli.terminal import Paint, Painter
from sidecar.problem import Problem, Severity
from sidecar.report import report
from sidecar.runs.failure import Failure
from sidecar.runs.outcomes import OutcomeName
from sidecar.text import escaped, safe_json
from sipio.routing import Action, Decision, unpack_routing

EXIT_STATUS: Mapping[str, int] = {
    OutcomeName.RETURNED: 0,
    OutcomeName.UNASSIGNED: 0,
    OutcomeName.SIP_ERROR: 3,
    OutcomeName.SCRIPT_ERROR: 4,
    OutcomeName.TIMED_OUT: 5,
    OutcomeName.OUT_OF_MEMORY: 6,
    OutcomeName.CRASHED: 7,
    OutcomeName.REFUSED: 8,
    OutcomeName.CANCELLED: 9,
}
"""Exit status by outcome. 1 is for what could not begin, 2 for wrong usage and for files that cannot be used."""

EXIT_STATUS_TEXT: Final = (
    "Exit status: 0 the call is routed, 1 cannot start or no daemon answers, 2 wrong usage or an unusable file, 3"
    " refused by the script with a SIP error, 4 script error, 5 timed out, 6 out of memory, 7 the worker crashed,"
    " 8 too much was waiting, 9 cancelled, 10 not as expected."
)

_ENDED: Mapping[str, str] = {
    OutcomeName.RETURNED: "returned",
    OutcomeName.UNASSIGNED: "was not run",
    OutcomeName.SIP_ERROR: "refused the call",
    OutcomeName.SCRIPT_ERROR: "failed",
    OutcomeName.TIMED_OUT: "timed out",
    OutcomeName.OUT_OF_MEMORY: "ran out of memory",
    OutcomeName.CRASHED: "crashed its worker",
    OutcomeName.REFUSED: "was not run: too much was waiting",
    OutcomeName.CANCELLED: "was stopped: the caller gave up",
}
_PAINTS: Mapping[Sign, Paint | None] = {
    Sign.SAME: None,
    Sign.ADDED: Paint.GOOD,
    Sign.REMOVED: Paint.BAD,
    Sign.CHANGED: Paint.CHANGED,
}
_STAGES: Final = ("decide", "transfer", "script")


def exit_status(decision: Decision) -> int:
    """The exit status of a command that got this decision."""
    return EXIT_STATUS.get(decision.outcome, EXIT_STATUS[OutcomeName.SCRIPT_ERROR])


def decision_text(given: Raw, decision: Decision, paint: Painter) -> str:
    """The verdict, what changed of the switch's own routing, and the time by stage."""
    before, after = unpack_routing(given), unpack_routing(decision.routing)
    parts = [_verdict(before, after, decision, paint)]
    if decision.action is Action.ROUTE:
        parts.append(changes_text(changes(before, after, decision.headers), paint))
    return "\n".join(part for part in parts if part) + "\n"


def changes_text(lines: Sequence[Line], paint: Painter) -> str:
    """The lines of a diff; what a terminal would obey rather than show is escaped."""
    if not lines:
        return "  nothing changed"
    return "\n".join(
        paint(f"  {'     ' * line.depth}{line.sign} {escaped(line.text)}", _PAINTS[line.sign]) for line in lines
    )


def failure_text(failure: Failure, sources: Mapping[str, tuple[str, str]]) -> str:
    """``file:line:column: error: message`` with the script's line and a caret.

    ``sources`` is by the script's name: the file as the user knows it, and its text.
    """
    name, line, column = _place(failure.location)
    if not name and len(sources) == 1:
        name = next(iter(sources))
    file, source = sources.get(name, (name or "script", ""))
    problem = Problem(file, line, column, Severity.ERROR, failure.message or failure.outcome)
    return report([problem], {file: source} if source else {})


def console_text(console: Sequence[tuple[str, LogLine]], paint: Painter) -> str:
    """What scripts wrote, a line each."""
    width = max((len(line.level) for _, line in console), default=0)
    texts = []
    for _, line in console:
        first, *rest = line.text.split("\n")
        texts.append(f"  {paint(line.level.ljust(width), Paint.FAINT)}  {escaped(first)}\n")
        texts += [f"  {' ' * width}  {escaped(one)}\n" for one in rest]
    return "".join(texts)


def time_text(micros: Mapping[str, int], paint: Painter) -> str:
    """Such as ``time 1.20 ms: decide 0.10, transfer 0.30, script 0.80``."""
    if "total" not in micros:
        return ""
    stages = [*(stage for stage in _STAGES if stage in micros), *sorted(micros.keys() - {*_STAGES, "total"})]
    listed = ", ".join(f"{escaped(stage)} {micros[stage] / 1000:.2f}" for stage in stages)
    return paint(f"time {micros['total'] / 1000:.2f} ms{f': {listed}' if listed else ''}", Paint.FAINT) + "\n"


def decision_json(
    decision: Decision,
    failure: Failure | None = None,
    console: Sequence[tuple[str, LogLine]] | None = None,
) -> str:
    """One JSON object for programs. ``failure`` and ``console`` are known only where the script was run here."""
    shown = {**structs.asdict(decision), "routing": unpack_routing(decision.routing)}
    told: dict[str, Any] = {"decision": shown, "exit_status": exit_status(decision)}
    if console is not None:
        told["failure"] = failure
        told["console"] = [{"script": script, "level": line.level, "text": line.text} for script, line in console]
    return safe_json(told).decode()


def _verdict(before: Mapping[str, Any], after: Mapping[str, Any], decision: Decision, paint: Painter) -> str:
    ended = _ended(decision)
    if decision.action is Action.REJECT:
        answer = f"REJECT {decision.code} {escaped(decision.reason)}".rstrip()
        return f"{paint(answer, Paint.BAD)}  ({ended})"
    destinations = after.get("egress_routing")
    if isinstance(destinations, list) and destinations:
        labels = [label(destination, position) for position, destination in enumerate(destinations, 1)]
        to = f"to {escaped(labels[0])}" + (f", then {escaped(', '.join(labels[1:]))}" if labels[1:] else "")
    elif isinstance(before.get("egress_routing"), list) and before["egress_routing"]:
        to = "to nowhere: no destination is left"
    else:
        to = "without destinations"
    return f"{paint(f'ROUTE {to}', Paint.GOOD)}  ({ended})"


def _ended(decision: Decision) -> str:
    if decision.script is None and decision.outcome == OutcomeName.UNASSIGNED:
        return "no script is assigned"
    script = escaped(decision.script.name) if decision.script else "a script"
    return f"{script} {_ENDED.get(decision.outcome, escaped(decision.outcome))}"


def _place(location: str) -> tuple[str, int, int]:
    name, _, column = location.rpartition(":")
    name, _, line = name.rpartition(":")
    if name and line.isdecimal() and column.isdecimal():
        return name, int(line), int(column)
    return location, 0, 0
