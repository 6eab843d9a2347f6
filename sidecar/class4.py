"""A Class 4 script's data as JSON, and its result read back and checked. The JavaScript side is adapters/class4.js."""

from collections.abc import Mapping
from typing import Any

import msgspec

from sidecar import adapters, header_rules
from sidecar.header_rules import RuleViolation
from sipio.routing import HeaderChanges

ADAPTER = adapters.source("class4")

DESTINATIONS = 500
"""Entries of ``egress_routing`` that a script may leave; a switch offers some 3 to 20."""

_encode = msgspec.json.Encoder().encode


class RoutingState(msgspec.Struct, frozen=True):
    """A routing decision between two scripts: the object, and the header changes for all destinations."""

    routing: dict[str, Any]
    headers: HeaderChanges


class Rejection(msgspec.Struct, frozen=True):
    """The script refused the call."""

    code: int
    reason: str


class _Result(msgspec.Struct):
    routing: dict[str, Any] | None = None
    headers: list[list[Any]] = []
    remove_headers: list[list[Any]] = []
    reject: tuple[int, str] | None = None


_decode = msgspec.json.Decoder(_Result).decode


def initial(routing: dict[str, Any]) -> RoutingState:
    """The switch's own decision. Raises RuleViolation where its own header changes are not sound."""
    if "headers" not in routing and "remove_headers" not in routing:
        return RoutingState(routing, _NO_CHANGES)
    changes = HeaderChanges(
        add=header_rules.added(routing.get("headers") or ()),
        remove=header_rules.removed(routing.get("remove_headers") or ()),
    )
    return RoutingState(routing, changes)


_NO_CHANGES = HeaderChanges()


def variables_json(variables: Mapping[str, Any]) -> bytes:
    """The part of every input of an assignment that stays the same. Raises TypeError for what is not JSON."""
    return b',"vars":' + _encode(dict(variables)) + b"}"


def input_json(state: RoutingState, variables: bytes) -> bytes:
    """What the adapter's ``prepare`` takes. Raises TypeError, ValueError or RecursionError for what is not JSON."""
    changes = state.headers
    if not changes.add and not changes.remove:
        return b'{"routing":' + _encode(state.routing) + b',"headers":[],"remove_headers":[]' + variables
    return b"".join(
        (
            b'{"routing":',
            _encode(state.routing),
            b',"headers":',
            _encode([{"key": name, "value": value} for name, value in changes.add]),
            b',"remove_headers":',
            _encode([{"key": name} for name in changes.remove]),
            variables,
        )
    )


def read(value: bytes, before: RoutingState) -> RoutingState | Rejection:
    """What a run returned. Raises RuleViolation for a result that must not reach the switch."""
    try:
        result = _decode(value)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RuleViolation(f"the result has the wrong shape: {error}") from None
    if result.reject is not None:
        code, reason = result.reject
        if not 300 <= code <= 699:
            raise RuleViolation(f"{code} is not a SIP error")
        return Rejection(code, _reason(reason))
    routing = result.routing
    if routing is None:
        raise RuleViolation("the result has no routing")
    destinations = routing.get("egress_routing")
    if type(destinations) is not list or len(destinations) > DESTINATIONS:
        raise RuleViolation(f"egress_routing must be a list of at most {DESTINATIONS} destinations")
    numbers = _Numbers(before.routing)
    numbers.check("cli", routing)
    numbers.check("dest_number", routing)
    for destination in destinations:
        if type(destination) is not dict:
            raise RuleViolation("every destination in egress_routing must be an object")
        if destination.get("headers"):
            destination["headers"] = header_rules.sound(_list("headers", destination["headers"]))
        if destination.get("remove_headers"):
            entries = _list("remove_headers", destination["remove_headers"])
            destination["remove_headers"] = [{"key": name} for name in header_rules.removed(entries)]
        gateways = destination.get("gw")
        if gateways is not None:
            if type(gateways) is not dict:
                raise RuleViolation("gw of a destination must be an object")
            for gateway in gateways.values():
                if type(gateway) is dict:
                    numbers.check("cli", gateway)
    if not any(result.headers) and not any(result.remove_headers):
        return RoutingState(routing, _NO_CHANGES)
    changes = HeaderChanges(
        add=[change for entries in result.headers for change in header_rules.added(entries)],
        remove=[name for entries in result.remove_headers for name in header_rules.removed(entries)],
    )
    return RoutingState(routing, changes)


class _Numbers:
    """Checks the numbers that a script may have set; what the switch itself sent passes as it was."""

    __slots__ = ("_before", "_given", "_last")

    def __init__(self, before: Mapping[str, Any]) -> None:
        self._before = before
        self._given: set[Any] | None = None
        self._last = ""

    def check(self, field: str, container: dict[str, Any]) -> None:
        value = container.get(field)
        # Every gateway mostly has the same caller id.
        if value is None or (type(value) is str and value == self._last):
            return
        try:
            text = header_rules.number(field, value)
        except RuleViolation:
            if self._given is None:
                self._given = set(_numbers_of(self._before))
            if type(value) is str and value in self._given:
                return
            raise
        if text is not value:
            container[field] = text
        elif text is not None:
            self._last = text


def _numbers_of(routing: Mapping[str, Any]) -> list[str]:
    found = [routing.get("cli"), routing.get("dest_number")]
    destinations = routing.get("egress_routing")
    for destination in destinations if isinstance(destinations, list) else ():
        gateways = destination.get("gw") if isinstance(destination, dict) else None
        if isinstance(gateways, dict):
            found += [gateway.get("cli") for gateway in gateways.values() if isinstance(gateway, dict)]
    return [value for value in found if isinstance(value, str)]


def _list(field: str, value: Any) -> list[Any]:
    if type(value) is dict:
        return [value]
    if type(value) is not list:
        raise RuleViolation(f"{field} of a destination must be a list")
    return value


def _reason(text: str) -> str:
    """A reason phrase that ends no status line early (RFC 3261 25.1); empty for the code's own phrase."""
    return "".join(character if character.isprintable() else " " for character in text[:200]).strip()
