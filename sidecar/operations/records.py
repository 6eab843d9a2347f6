"""One structured record for each decision, and the log that writes them."""

import random
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from sidecar.configuration.tree import LogSection
from sidecar.logs.logger import LINE_BYTES, json_line, renderer, rfc3339, text_line
from sidecar.logs.output import LineOutput
from sidecar.runs.outcomes import FAILURES, OutcomeName
from sidecar.text import safe_json
from sipio.routing import Decision, RoutingRequest

NAME_CHARACTERS: Final = 256
"""A call id, customer, route, DID or reason kept in a record. RFC 3261 bounds none; real ones are short."""

ERROR_CHARACTERS: Final = 2_000
"""An error text kept in a record: a message and what a script put into it."""

SAMPLED_OUTCOMES: Final = frozenset((OutcomeName.RETURNED, OutcomeName.UNASSIGNED))
"""The outcomes of which only a share is written; every other one always is."""


class DecisionRecord(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="action",
    tag="decision",
    omit_defaults=True,
):
    """What became of one call's decision."""

    call_id: str
    direction: str
    customer: str = ""
    route: str = ""
    did: str = ""
    script: str = ""
    """Id of the assigned script; empty if no script was assigned."""
    script_version: str = ""
    outcome: str
    decision: str
    """``route`` or ``reject``: the action that the switch was told."""
    code: int = 0
    reason: str = ""
    destinations_in: int
    """Destinations that the switch offered."""
    destinations_out: int
    """Destinations that it was given back."""
    micros: dict[str, int]
    """Microseconds by stage; ``total`` from the request's arrival to its answer."""
    error: str = ""
    """What went wrong, as the script or the sandbox said it."""
    error_location: str = ""
    """``file:line:column`` of the author's file."""
    console_lines: int = 0
    """Console lines that the scripts of this decision wrote."""


def record_of(
    request: RoutingRequest,
    decision: Decision,
    *,
    error: str = "",
    error_location: str = "",
    console_lines: int = 0,
) -> DecisionRecord:
    """The record of an answered request. Texts are cut to their named caps here: a record is small."""
    script = decision.script
    return DecisionRecord(
        call_id=request.call_id[:NAME_CHARACTERS],
        direction=request.direction.value,
        customer=request.customer[:NAME_CHARACTERS],
        route=request.route[:NAME_CHARACTERS],
        did=request.did[:NAME_CHARACTERS],
        script=script.id[:NAME_CHARACTERS] if script else "",
        script_version=script.version[:NAME_CHARACTERS] if script else "",
        outcome=decision.outcome,
        decision=decision.action.value,
        code=decision.code,
        reason=decision.reason[:NAME_CHARACTERS],
        destinations_in=_destinations(request.routing),
        destinations_out=_destinations(decision.routing),
        micros=decision.micros,
        error=error[:ERROR_CHARACTERS],
        error_location=error_location[:NAME_CHARACTERS],
        console_lines=console_lines,
    )


class DecisionLog:
    """Writes decision records whatever ``log.level`` is: ``log.decision_sample`` governs them."""

    def __init__(
        self,
        section: LogSection,
        output: LineOutput,
        *,
        clock: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._share = section.decision_sample
        self._json = renderer(section) is json_line
        self._output = output
        self._clock = clock
        # Drawn, not counted: every second call of a pattern that repeats would always be the same customer's.
        self._draw = draw

    def decided(self, record: DecisionRecord) -> None:
        """Write one record, or leave it out of the sample."""
        share = self._share
        if share < 1.0 and record.outcome in SAMPLED_OUTCOMES and self._draw() >= share:
            return
        self._output.write(self._line(record))

    def _line(self, record: DecisionRecord) -> bytes:
        now = self._clock()
        level = "warning" if record.outcome in FAILURES else "info"
        if self._json:
            encoded = safe_json(record)
            if len(encoded) < LINE_BYTES - 100:
                # The encoded object begins with its tag, {"action":"decision", time and level go before it; a test
                # holds msgspec to that. Made of the fields as a dict, as below, a line takes 2.2 us and not 1.2.
                return b'{"time":"%b","level":"%b",%b' % (rfc3339(now).encode(), level.encode(), encoded[1:])
            return json_line(now, level, "decision", _fields(record))
        return text_line(now, level, "decision", _fields(record))


def _fields(record: DecisionRecord) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(record)
    del fields["action"]
    return fields


def _destinations(routing: dict[str, Any]) -> int:
    egress = routing.get("egress_routing")
    return len(egress) if isinstance(egress, list) else 0
