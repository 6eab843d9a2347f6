"""A Class 4 script's data as JSON, and its result read back and checked. The JavaScript side is hosts/routing.js."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from sandbox.sound_text import without_halves
from sidecar import header_rules
from sidecar.header_rules import EXACT_INTEGER, RuleViolation
from sidecar.language.near_misses import meant
from sidecar.text import printable
from sipio.routing import HeaderChanges, SipRequest

DESTINATIONS: Final = 500
"""Entries of ``egress_routing`` that a script may leave, or as many as it was given; a switch offers some 3 to 20."""

VALUES: Final = 50_000
"""Values in a result, or as many as the script was given. A decision has some hundred; the daemon looks at them one by
one, and of a million it would be at the expense of everybody's calls."""

UNREAD: Final = 10
"""Keys that a script put beside those that are read, of which it is told; routing.js gives no more."""
RESULT_FRAME: Final = 100
"""Characters that the adapter's result may have more than its input around the same routing."""

_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
"""The integers of MessagePack."""
_ANY_DIGIT: Final = bytes.maketrans(b"123456789", b"000000000")
_WIDE: Final = b"0" * len(str(EXACT_INTEGER))
_SAMPLED: Final = 4
_WIDE_SAMPLED: Final = b"0" * (len(_WIDE) // _SAMPLED)

_PASSWORDS: Final = frozenset({"authorization", "proxy-authorization"})
_SIP: Final = re.compile(r"\bsip\b")

_encode = msgspec.json.Encoder().encode
_decode_any = msgspec.json.Decoder().decode


class RoutingState(msgspec.Struct, frozen=True):
    """A routing decision between two scripts: the object, and the header changes for all destinations."""

    routing: dict[str, Any]
    headers: HeaderChanges
    unread: Sequence[str] = ()
    """Keys that the script put beside those that are read of what it returned."""


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
    """What is NaN or infinite, which JSON cannot say, and how JavaScript writes it."""
    unread: Annotated[list[str], Meta(max_length=UNREAD)] = []


_decode = msgspec.json.Decoder(_Result).decode


def initial_state(routing: dict[str, Any]) -> RoutingState:
    """The switch's own decision. Raises RuleViolation where its own header changes break the rules: said now, it is
    nobody's fault but the switch's."""
    destinations = routing.get("egress_routing")
    if type(destinations) is list:
        for destination in destinations:
            if type(destination) is dict:
                added = destination.get("headers")
                if (added and not header_rules.are_plain(added)) or destination.get("remove_headers"):
                    _given_changes(destination, f"routing.egress_routing[{destinations.index(destination)}]")
    if "headers" not in routing and "remove_headers" not in routing:
        return RoutingState(routing, _NO_CHANGES)
    return RoutingState(routing, _given_changes(routing, "routing"))


def _given_changes(container: Mapping[str, Any], place: str) -> HeaderChanges:
    field = "headers"
    try:
        add = header_rules.added(_list(field, container.get(field) or []))
        field = "remove_headers"
        remove = header_rules.removed(_list(field, container.get(field) or []))
    except RuleViolation as error:
        raise RuleViolation(f"{error} - at `{place}.{field}`") from None
    return HeaderChanges(add=add, remove=remove)


_NO_CHANGES: Final = HeaderChanges()


def variables_json(variables: Mapping[str, Any], *, tells_unread: bool = False) -> bytes:
    """The part of every input of an assignment that stays the same. Raises TypeError for what is not JSON.

    ``tells_unread`` is for an author who tries a script: a microsecond of every decision for what `check` mostly says.
    """
    return b',"vars":' + _encode(dict(variables)) + (b',"tells_unread":true}' if tells_unread else b"}")


def check_size(text: bytes, variables: bytes, most: int) -> None:
    """Raise RuleViolation where an input, its variables apart, is longer than a result may be: a script that changed
    nothing would fail."""
    if len(text) - len(variables) + RESULT_FRAME <= most:
        return
    # The engine counts what JavaScript does, units of UTF-16.
    units = (len(text.decode().encode("utf-16-le")) - len(variables.decode().encode("utf-16-le"))) // 2
    if units + RESULT_FRAME > most:
        raise RuleViolation(f"routing has {units} characters as JSON, and a script can give back {most - RESULT_FRAME}")


def reads_sip(text: str) -> bool:
    """Whether a script's text has the word ``sip``.

    To look for it costs a call nothing; to give the request of 18 headers to a script that does not read it makes each
    run 53 us of 30.
    """
    return _SIP.search(text) is not None


def _without_passwords(sip: SipRequest) -> SipRequest:
    """The request without what proves the caller's password: from a digest it can be guessed at leisure."""
    if any(name.lower() in _PASSWORDS for name, _ in sip.headers):
        headers = [(name, value) for name, value in sip.headers if name.lower() not in _PASSWORDS]
        return msgspec.structs.replace(sip, headers=headers)
    return sip


def input_json(state: RoutingState, variables: bytes, sip: SipRequest | None = None) -> bytes:
    """What the adapter's ``prepare`` takes. Raises RuleViolation for a routing that is not JSON."""
    changes = state.headers
    try:
        if sip is not None:
            variables = b',"sip":' + _encode(_without_passwords(sip)) + variables
        routing = _encode(state.routing)
        if _has_wide(routing):
            routing = _wide_as_text(routing)
    except (TypeError, ValueError, RecursionError) as error:
        raise RuleViolation(_odd_key(state.routing) or f"the call cannot be given to a script: {error}") from None
    if not changes.add and not changes.remove:
        return b'{"routing":' + routing + b',"headers":[],"remove_headers":[]' + variables
    return b"".join(
        (
            b'{"routing":',
            routing,
            b',"headers":',
            _encode([{"key": name, "value": value} for name, value in changes.add]),
            b',"remove_headers":',
            _encode([{"key": name} for name in changes.remove]),
            variables,
        )
    )


def _odd_key(routing: dict[str, Any]) -> str:
    """Which map of a routing has a key that JSON cannot have, in words; empty where none has."""
    waiting: list[tuple[str, Any]] = [("routing", routing)]
    while waiting:
        place, container = waiting.pop()
        named = type(container) is dict
        for key, value in container.items() if named else enumerate(container):
            if named and (key is None or type(key) in (bool, tuple)):
                return f"a key of a map is {_JSON_WORDS[type(key)]}, text or a number is needed - at `{place}`"
            if type(value) in (dict, list):
                waiting.append((f"{place}.{key}" if named else f"{place}[{key}]", value))
    return ""


_JSON_WORDS: Final = {type(None): "nil", bool: "a truth value", tuple: "an array"}


def read_result(value: bytes, before: RoutingState) -> RoutingState | Rejection:
    """What a run returned. Raises RuleViolation for a result that must not reach the switch."""
    values = value.count(b",") if len(value) > VALUES else 0
    if values > VALUES and values > VALUES + _encode(before.routing).count(b","):
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
        raise RuleViolation(f"{printable(what)} is {printable(written)}, which is no number", subject)
    routing = result.routing
    if routing is None:
        raise RuleViolation("the result has no routing")
    destinations = routing.get("egress_routing")
    if type(destinations) is not list:
        raise RuleViolation("egress_routing must be a list")
    if len(destinations) > DESTINATIONS and len(destinations) > _count(before.routing.get("egress_routing")):
        raise RuleViolation(f"egress_routing must be a list of at most {DESTINATIONS} destinations")
    if _has_wide(value):
        _restore_wide(routing, before.routing)
    numbers = _Numbers(before.routing)
    numbers.check("cli", routing)
    numbers.check("dest_number", routing)
    # Every gateway mostly has the same caller id.
    cli = routing.get("cli")
    for destination in destinations:
        if type(destination) is not dict:
            raise RuleViolation("every destination in egress_routing must be an object")
        entries = destination.get("headers")
        if entries:
            if type(entries) is not list:
                entries = destination["headers"] = _list("headers", entries)
            header_rules.checked(entries)
        elif entries is not None and type(entries) is not list:
            # A Lua switch's empty table, an author's false: no changes, and a list to who reads the answer.
            destination["headers"] = []
        entries = destination.get("remove_headers")
        if entries:
            names = header_rules.removed(_list("remove_headers", entries))
            destination["remove_headers"] = [{"key": name} for name in names]
        elif entries is not None and type(entries) is not list:
            destination["remove_headers"] = []
        gateways = destination.get("gw")
        if gateways is not None:
            if type(gateways) is not dict:
                raise RuleViolation("gw of a destination must be an object")
            for gateway in gateways.values():
                if type(gateway) is dict and gateway.get("cli") != cli:
                    numbers.check("cli", gateway)
    if not any(result.headers) and not any(result.remove_headers):
        return RoutingState(routing, _NO_CHANGES, result.unread)
    changes = HeaderChanges(
        add=[(entry["key"], entry["value"]) for entries in result.headers for entry in header_rules.checked(entries)],
        remove=[name for entries in result.remove_headers for name in header_rules.removed(entries)],
    )
    return RoutingState(routing, changes, result.unread)


def _read(value: bytes) -> _Result:
    try:
        try:
            return _decode(value)
        except msgspec.MsgspecError:
            return _decode(without_halves(value))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RuleViolation(f"the result has the wrong shape: {error}") from None


def unread_text(key: str) -> str:
    """What a script's console says of a key that is not read."""
    nearest = meant(key)
    return f"data.{key} has no effect" + (f"; did you mean data.{nearest}?" if nearest else "")


def _has_wide(text: bytes) -> bool:
    """Whether JSON may have an integer that JavaScript would round: 0.6 us for 2 KB, the long way is 50."""
    # Every fourth byte first: where sixteen in a row are digits, four of those in a row are. So may they be where there
    # are thirteen, as in milliseconds of the epoch, but mostly are not.
    if _WIDE_SAMPLED not in text[::_SAMPLED].translate(_ANY_DIGIT):
        return False
    return _WIDE in text.translate(_ANY_DIGIT)


def _wide_as_text(routing: bytes) -> bytes:
    """JSON in which the integers that JavaScript would round are texts of the same digits."""
    tree = _decode_any(routing)
    for _, container, key, value in _scalars(tree):
        if _is_wide(value):
            container[key] = str(value)
    return _encode(tree)


def _restore_wide(routing: dict[str, Any], before: dict[str, Any]) -> None:
    """Make numbers again of the texts that stand for one, under the same name, and fit the others to MessagePack."""
    given = {(name, str(value)): value for name, _, _, value in _scalars(before) if _is_wide(value)}
    for name, container, key, value in _scalars(routing):
        if type(value) is str:
            if (name, value) in given:
                container[key] = given[name, value]
        elif type(value) is int and not _SMALLEST <= value <= _LARGEST:
            try:
                container[key] = float(value)
            except OverflowError:
                raise RuleViolation(f"{name} is a number that no switch can be given") from None


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


def _count(destinations: Any) -> int:
    return len(destinations) if type(destinations) is list else 0


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
        if value is None or (type(value) is str and (value == self._last or value == self._before.get(field))):
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
        raise RuleViolation(f"{field} must be a list")
    return value
