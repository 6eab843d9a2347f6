"""One structured record for each decision, and the log that writes them."""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Raw, structs

from sidecar.configuration.tree import LogSection
from sidecar.logs.logger import LINE_BYTES, json_line, renderer, rfc3339, text_line
from sidecar.logs.output import LineOutput
from sidecar.result_check import outline
from sidecar.runs.outcomes import FAILURES, OutcomeName
from sidecar.text import safe_json
from sipio.routing import Action, Decision, HeaderChanges, RoutingRequest, ScriptReference, unpack_routing

NAME_CHARACTERS: Final = 256
"""A call id, customer, route, DID or reason kept in a record. RFC 3261 bounds none; real ones are short."""

GATEWAYS: Final = 20
"""Gateways of a routing kept in a record; a switch offers some 3 to 20, and the record has the number of all."""

ERROR_CHARACTERS: Final = 2_000
"""An error text kept in a record: a message and what a script put into it."""

_ROUTE: Final = Action.ROUTE
_NO_LIST: Final[list[Any]] = []
_NO_CHANGES: Final[dict[Any, list[Any]]] = {}
_unpack: Final = msgspec.msgpack.Decoder(list[Any]).decode

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
    cli: str = ""
    """The caller's number as the switch sent it."""
    dest_number: str = ""
    """The number dialled as the switch sent it."""
    cli_out: str = ""
    """The caller's number that the switch was told, where it is another."""
    dest_number_out: str = ""
    """The number dialled that the switch was told, where it is another."""
    destinations_in: int
    """Destinations that the switch offered."""
    destinations_out: int
    """Destinations that it was given back."""
    gateways_in: list[Any] = []
    """Ids of the gateways that the switch offered, in its order; no more than `GATEWAYS`."""
    gateways_out: list[Any] = []
    """Ids of the gateways that it was given back, in the order to be tried; none of a reject."""
    headers: HeaderChanges | None = None
    """Header changes for every destination."""
    gateway_headers: dict[Any, list[Any]] = {}
    """Headers added for the destination tried first alone, the switch's own among them, by its gateway: those of all
    would make the record four times as long."""
    gateway_headers_removed: dict[Any, list[Any]] = {}
    """Headers removed for the destination tried first alone."""
    micros: dict[str, int]
    """Microseconds by stage; ``total`` from the request's arrival to its answer."""
    error: str = ""
    """What went wrong, as the script or the sandbox said it."""
    error_location: str = ""
    """``file:line:column`` of the author's file."""
    scripts: list[str] = []
    """Id and version of every script that was begun, ``id@version``, where there were more than one."""
    console_lines: int = 0
    """Console lines that the scripts of this decision wrote."""
    kept: str = ""
    """The file that has all of it, for ``scriptforge run --repeat``."""


class EndedDecision(msgspec.Struct, frozen=True, gc=False):
    """A request that was answered, for those who count or record it. The record costs more than all the rest, and is
    made by who writes it."""

    request: RoutingRequest
    decision: Decision
    """What the switch was told."""
    error: str = ""
    error_location: str = ""
    console_lines: int = 0
    scripts: Sequence[ScriptReference] = ()
    """All that were begun."""
    kept: str = ""
    """Name of the file that has all of it."""

    def record(self) -> DecisionRecord:
        """The record of it. Texts are cut to their named caps here: a record is small."""
        request, decision = self.request, self.decision
        script = decision.script
        before, after = request.routing, decision.routing
        cli, number, destinations, offered, *_ = _outline(before)
        cli, number = _text(cli), _text(number)
        kept = destinations
        told = _NO_LIST
        added = removed = _NO_CHANGES
        cli_out = number_out = ""
        action = decision.action
        if action is _ROUTE and after is before:
            told = offered
        elif after is not before:
            new_cli, new_number, kept, gateways, first_has_gateway, own_added, own_removed = _outline(after)
            if action is _ROUTE:
                told = gateways
                if (text := _text(new_cli)) != cli:
                    cli_out = text
                if (text := _text(new_number)) != number:
                    number_out = text
                if first_has_gateway:
                    if own_added:
                        added = {gateways[0]: _unpack(own_added)}
                    if own_removed:
                        removed = {gateways[0]: _unpack(own_removed)}
        headers = decision.headers
        # What ``value`` is of a member takes 0.07 us each time; and each field that is given costs more the more are.
        record = DecisionRecord(
            call_id=request.call_id[:NAME_CHARACTERS],
            direction=request.direction._value_,
            customer=request.customer[:NAME_CHARACTERS],
            route=request.route[:NAME_CHARACTERS],
            did=request.did[:NAME_CHARACTERS],
            script=script.id[:NAME_CHARACTERS] if script else "",
            script_version=script.version[:NAME_CHARACTERS] if script else "",
            outcome=decision.outcome,
            decision=action._value_,
            cli=cli,
            dest_number=number,
            cli_out=cli_out,
            dest_number_out=number_out,
            destinations_in=destinations,
            destinations_out=kept,
            gateways_in=offered,
            gateways_out=told,
            headers=headers if headers.add or headers.remove else None,
            gateway_headers=added,
            micros=decision.micros,
        )
        usual = action is _ROUTE and not (
            self.error or self.error_location or self.console_lines or removed or self.kept
        )
        if usual and len(self.scripts) <= 1:
            return record
        return structs.replace(
            record,
            code=decision.code,
            reason=decision.reason[:NAME_CHARACTERS],
            gateway_headers_removed=removed,
            error=self.error[:ERROR_CHARACTERS],
            error_location=self.error_location[:NAME_CHARACTERS],
            scripts=[f"{one.id}@{one.version}" for one in self.scripts] if len(self.scripts) > 1 else _NO_LIST,
            console_lines=self.console_lines,
            kept=self.kept,
        )


_Outline: TypeAlias = tuple[Any, Any, int, list[Any], bool, bytes | None, bytes | None]


def _outline(routing: Raw) -> _Outline:
    """``cli`` and ``dest_number``, destinations, the first gateways' ids, whether the first destination has one, and
    its header changes as MessagePack."""
    return outline(routing) or _outline_of_any(routing)


def _outline_of_any(routing: Raw) -> _Outline:
    """As `_outline`, of a routing of whatever shape."""
    try:
        decoded = unpack_routing(routing)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None, None, 0, _NO_LIST, False, None, None
    listed = decoded.get("egress_routing")
    destinations = listed if type(listed) is list else _NO_LIST
    possible = [one.get("gw") for one in destinations if type(one) is dict]
    ids = [identity for gateways in possible if type(gateways) is dict for identity in gateways]
    first = destinations[0] if destinations and type(destinations[0]) is dict else {}
    own = first.get("gw")
    return (
        decoded.get("cli"),
        decoded.get("dest_number"),
        len(destinations),
        ids[:GATEWAYS],
        type(own) is dict and bool(own),
        _packed(first.get("headers")),
        _packed(first.get("remove_headers")),
    )


def _packed(changes: Any) -> bytes | None:
    return msgspec.msgpack.encode(changes) if changes else None


def _text(value: Any) -> str:
    """A number as a switch or a script may write it."""
    if value is None:
        return ""
    text: str = value if type(value) is str else str(value)
    return text if len(text) <= NAME_CHARACTERS else text[:NAME_CHARACTERS]


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

    def decided(self, ended: EndedDecision) -> None:
        """Write one record, or leave it out of the sample."""
        share = self._share
        if share < 1.0 and ended.decision.outcome in SAMPLED_OUTCOMES and self._draw() >= share:
            return
        self._output.write(self._line(ended.record()))

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
