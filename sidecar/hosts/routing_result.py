"""A Class 4 script's result: what of it may reach the switch.

`sidecar._result_check` says of most results, on their bytes, that they are plainly sound. All others are decoded and
checked here, and this is the definition.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from math import isfinite
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw

from sidecar import header_rules
from sidecar.header_rules import EXACT_INTEGER, RuleViolation
from sidecar.hosts.routing import NESTING, NO_CHANGES, RoutingState, destinations_of, list_of
from sidecar.language.near_misses import meant
from sidecar.result_check import check, count, look
from sidecar.text import printable
from sipio.routing import HeaderChanges, pack_routing, unpack_routing

DESTINATIONS: Final = 500
"""Entries of ``egress_routing`` that a script may leave, or as many as it was given; a switch offers some 3 to 20."""

VALUES: Final = 50_000
"""Values in a result, or as many as the script was given. A decision has some hundred; the daemon looks at them one by
one, and of a million it would be at the expense of everybody's calls."""

_TOO_DEEP: Final = f"it is nested more than {NESTING} deep"

UNREAD: Final = 10
"""Keys that a script put beside those that are read, of which it is told; routing.js gives no more."""
UNREAD_CHARACTERS: Final = 100
"""Of each: what one of 1 MB is nearly takes 50 ms to say."""


class Rejection(msgspec.Struct, frozen=True):
    """The script refused the call."""

    code: int
    reason: str


class _Result(msgspec.Struct):
    routing: dict[str, Any] | None = None
    # The adapter gives two lists of each; a toJSON of the author's would make of them as many as a result has room for.
    headers: Annotated[list[list[Any]], Meta(max_length=2)] = []
    remove_headers: Annotated[list[list[Any]], Meta(max_length=2)] = []
    reject: tuple[int, str] | None = None
    no_number: tuple[str, str] | None = None
    """What was to be a number and is none, and how JavaScript writes it."""
    unread: Annotated[list[Annotated[str, Meta(max_length=UNREAD_CHARACTERS)]], Meta(max_length=UNREAD)] = []


_decode = msgspec.msgpack.Decoder(_Result).decode
_BIG: Final = re.compile("-?[0-9]+n")
"""A BigInt, as JavaScript writes it."""


def read_result(value: bytes, before: RoutingState) -> RoutingState | Rejection:
    """What a run returned. Raises RuleViolation for a result that must not reach the switch."""
    given = before.given
    if given is not None and given.plain:
        sound = check(value, given.cli, given.dest_number)
        if sound is not None:
            routing, added, removed = sound
            changes = HeaderChanges(add=added, remove=removed) if added or removed else NO_CHANGES
            return RoutingState(Raw(routing), changes)
    return read_any_result(value, before)


def read_any_result(value: bytes, before: RoutingState) -> RoutingState | Rejection:
    """As `read_result`, of which this is the definition."""
    given = before.given
    assert given is not None  # noqa: S101 - a script was given it
    if len(value) > VALUES and (values := _values(value)) > VALUES and values > VALUES + _values(given.packed):
        raise RuleViolation(f"the result has more than {VALUES} values")
    result = _read(value)
    if result.reject is not None:
        code, reason = result.reject
        if not 300 <= code <= 699:
            raise RuleViolation(f"{code} is not a SIP error")
        return Rejection(code, printable(reason))
    if result.no_number is not None:
        what, written = result.no_number
        subject = "cli" if what.startswith("the cli of ") else what.removeprefix("the header ")
        why = "a BigInt: make it text or a number" if _BIG.fullmatch(written) else "which is no number"
        raise RuleViolation(f"{printable(what)} is {printable(written)}, {why}", subject)
    routing = result.routing
    if routing is None:
        raise RuleViolation("the result has no routing")
    # The adapter leaves them beside it; what a toJSON of the author's puts here nobody would check.
    for field in ("headers", "remove_headers"):
        if field in routing:
            raise RuleViolation(f"{field} of the call are left at data.{field}, and not by a toJSON of routing", field)
    destinations = routing.get("egress_routing")
    if type(destinations) is not list:
        raise RuleViolation("egress_routing must be a list")
    if len(destinations) > DESTINATIONS and len(destinations) > given.destinations:
        raise RuleViolation(f"egress_routing must be a list of at most {DESTINATIONS} destinations")
    came = unpack_routing(before.routing)
    if not given.plain:
        _restore_wide(routing, came)
    numbers = _Numbers(came)
    numbers.check("cli", routing)
    numbers.check("dest_number", routing)
    for destination in destinations:
        _check_destination(destination, routing.get("cli"), numbers)
    packed = _packed(routing)
    if not any(result.headers) and not any(result.remove_headers):
        return RoutingState(packed, NO_CHANGES, unread=result.unread)
    changes = HeaderChanges(
        add=[(entry["key"], entry["value"]) for entries in result.headers for entry in header_rules.checked(entries)],
        remove=[name for entries in result.remove_headers for name in header_rules.removed(entries)],
    )
    return RoutingState(packed, changes, unread=result.unread)


def _check_destination(destination: Any, cli: Any, numbers: "_Numbers") -> None:
    """Check one and change it in place to how the switch is told it; ``cli`` is the call's own."""
    if type(destination) is not dict:
        raise RuleViolation("every destination in egress_routing must be an object")
    entries = destination.get("headers")
    if entries:
        if type(entries) is not list:
            entries = destination["headers"] = list_of("headers", entries)
        header_rules.checked(entries)
    elif entries is not None and type(entries) is not list:
        # A Lua switch's empty table, an author's false: no changes, and a list to who reads the answer.
        destination["headers"] = []
    entries = destination.get("remove_headers")
    if entries:
        names = header_rules.removed(list_of("remove_headers", entries))
        destination["remove_headers"] = [{"key": name} for name in names]
    elif entries is not None and type(entries) is not list:
        destination["remove_headers"] = []
    gateways = destination.get("gw")
    if gateways is None:
        return
    if type(gateways) is not dict:
        raise RuleViolation("gw of a destination must be an object")
    for gateway in gateways.values():
        # Every gateway mostly has the same caller id.
        if type(gateway) is dict and gateway.get("cli") != cli:
            numbers.check("cli", gateway)


def _read(value: bytes) -> _Result:
    try:
        return _decode(value)
    except RecursionError:
        raise RuleViolation(f"the result has the wrong shape: {_TOO_DEEP}") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise RuleViolation(f"the result has the wrong shape: {error}") from None


def _values(packed: bytes | Raw) -> int:
    try:
        return count(packed)
    except ValueError as error:
        raise RuleViolation(f"the result has the wrong shape: {error}") from None


def _packed(routing: dict[str, Any]) -> Raw:
    """A routing as the switch is told it. Raises RuleViolation for what no script can have written."""
    try:
        packed = pack_routing(routing)
    except RecursionError:
        raise RuleViolation(f"the result has the wrong shape: {_TOO_DEEP}") from None
    except (TypeError, ValueError) as error:
        raise RuleViolation(f"the result has the wrong shape: {error}") from None
    if look(packed) is None and (odd := _odd_value(routing)):
        raise RuleViolation(f"the result has the wrong shape: {odd}")
    return packed


def _odd_value(routing: dict[str, Any]) -> str:
    """What in a result JavaScript has no word for or is too deep, in words; empty where there is nothing."""
    waiting: list[tuple[Any, int]] = [(routing, 1)]
    while waiting:
        container, depth = waiting.pop()
        if depth > NESTING:
            return _TOO_DEEP
        if type(container) is dict:
            for key in container:
                if type(key) is not str:
                    return f"the key {str(key)[:80]!r} is not text"
            container = container.values()
        for value in container:
            if type(value) in (dict, list):
                waiting.append((value, depth + 1))
            elif type(value) is float and not isfinite(value):
                return f"{value} is no number"
            elif type(value) in (bytes, datetime, msgspec.msgpack.Ext):
                return f"{type(value).__name__} is nothing that a script can write"
    return ""


def unread_text(key: str) -> str:
    """What a script's console says of a key that is not read."""
    nearest = meant(key)
    return f"data.{key} has no effect" + (f"; did you mean data.{nearest}?" if nearest else "")


def _restore_wide(routing: dict[str, Any], before: dict[str, Any]) -> None:
    """Make numbers again of the texts that stand for one that JavaScript would round, under the same name."""
    given = {(name, str(value)): value for name, _, _, value in _scalars(before) if _is_wide(value)}
    if not given:
        return
    for name, container, key, value in _scalars(routing):
        if type(value) is str and (name, value) in given:
            container[key] = given[name, value]


def _is_wide(value: Any) -> bool:
    return type(value) is int and not -EXACT_INTEGER <= value <= EXACT_INTEGER


def _scalars(tree: Any) -> Iterator[tuple[str, Any, Any, Any]]:
    """The name that each scalar stands under, its container, its key there and itself; elements have their list's name.

    Each may be replaced in its place meanwhile.
    """
    waiting: list[tuple[str, Any]] = [("", tree)]
    while waiting:
        name, container = waiting.pop()
        named = type(container) is dict
        for key, value in container.items() if named else enumerate(container):
            inner = str(key) if named else name
            if type(value) in (dict, list):
                waiting.append((inner, value))
            else:
                yield inner, container, key, value


class _Numbers:
    """Checks the numbers that a script may have set; what the switch itself sent passes as it was."""

    __slots__ = ("_before", "_given", "_last")

    def __init__(self, before: Mapping[str, Any]) -> None:
        self._before = before
        self._given: set[Any] | None = None
        self._last = ""

    def check(self, field: str, container: dict[str, Any]) -> None:
        value = container.get(field)
        if value is None:
            if field in container and not any(given is None for given in _numbers_of(self._before)):
                raise RuleViolation(f"{field} is null, which is no number", field)
            return
        # Every gateway mostly has the same caller id.
        if type(value) is str and (value == self._last or value == self._before.get(field)):
            return
        try:
            text = header_rules.number(field, value)
        except RuleViolation:
            if self._given is None:
                self._given = {given for given in _numbers_of(self._before) if isinstance(given, str)}
            if type(value) is str and value in self._given:
                return
            raise
        if text is not value:
            container[field] = text
        elif text is not None:
            self._last = text


def _numbers_of(routing: Mapping[str, Any]) -> Iterator[Any]:
    """What the switch sent for numbers, which may be nil."""
    yield from (routing[field] for field in ("cli", "dest_number") if field in routing)
    for destination in destinations_of(routing):
        gateways = destination.get("gw") if isinstance(destination, dict) else None
        for gateway in gateways.values() if isinstance(gateways, dict) else ():
            if isinstance(gateway, dict) and "cli" in gateway:
                yield gateway["cli"]
