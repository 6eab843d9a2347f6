"""What a Class 4 script is given, as MessagePack. The JavaScript side is hosts/routing.js, and what comes back is
`routing_result`'s.

A routing is bytes that came and bytes that go. `sidecar._result_check` says of most that they are plainly right; the
others are decoded and checked here.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from sandbox import values
from sidecar import header_rules
from sidecar.header_rules import RuleViolation
from sidecar.result_check import look
from sipio.routing import HeaderChanges, SipRequest, unpack_routing
from sipio.rpc.raw_routing import Seen

RESULT_FRAME: Final = 100
"""Bytes that the adapter's result may have more than its input around the same routing."""

NESTING: Final = 900
"""Lists and objects in one another in a routing that a switch sends or a script leaves. Python reads some 1,000, less
the calls that it is in: what can just be read here could not be read where the switch is told it."""

_SIP: Final = re.compile(r"\bsip\b")

_pack = msgspec.msgpack.Encoder().encode


class Given(msgspec.Struct, frozen=True):
    """A routing as a script is given it."""

    packed: Raw
    """Nothing in it is other than what JSON can say, but for integers that JavaScript would round: those the engine
    gives a script as text."""
    destinations: int
    plain: bool
    """Whether what a script leaves of it may be checked on its bytes alone."""
    cli: Any = None
    dest_number: Any = None


class RoutingState(msgspec.Struct, frozen=True):
    """A routing decision between two scripts: the object, and the header changes for all destinations."""

    routing: Raw
    headers: HeaderChanges
    given: Given | None = None
    """None of what a script left that no other is given."""
    unread: Sequence[str] = ()
    """Keys that the script put beside those that are read of what it returned."""


class _LastLook:
    """What was seen of the last routing: who serves the switch looks at it, and then who decides."""

    __slots__ = ("routing", "seen")

    def __init__(self) -> None:
        self.routing: Raw | None = None
        self.seen: Seen | None = None


_last_look: Final = _LastLook()


def seen_of(routing: Raw) -> Seen | None:
    """What `sidecar._result_check.look` sees of a routing: a `sipio.rpc.raw_routing.Look`."""
    if _last_look.routing is not routing:
        _last_look.seen = look(routing)
        _last_look.routing = routing
    return _last_look.seen


def initial_state(routing: Raw) -> RoutingState:
    """The switch's own decision. Raises RuleViolation where it cannot be given to a script, or its own header changes
    break the rules: said now, it is nobody's fault but the switch's."""
    seen = seen_of(routing)
    if seen is not None:
        destinations, wide, has_changes, cli, dest_number = seen
        changes = _given_changes(unpack_routing(routing), "routing") if has_changes else NO_CHANGES
        return RoutingState(routing, changes, Given(routing, destinations, not wide, cli, dest_number))
    return any_initial_state(routing)


def any_initial_state(routing: Raw) -> RoutingState:
    """As `initial_state`, of which this is the definition."""
    try:
        decoded = unpack_routing(routing)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RuleViolation(f"the call cannot be given to a script: {error}") from None
    if _is_too_deep(decoded):
        raise RuleViolation(f"the call cannot be given to a script: it is nested more than {NESTING} deep")
    given = _as_given(decoded)
    for index, destination in enumerate(destinations_of(decoded)):
        if type(destination) is dict:
            _given_changes(destination, f"routing.egress_routing[{index}]")
    return RoutingState(routing, _given_changes(decoded, "routing"), given)


def handed_on(state: RoutingState) -> RoutingState:
    """What a script left as the next one is given it. Raises RuleViolation where it cannot be."""
    seen = seen_of(state.routing)
    if seen is None:
        given = _as_given(unpack_routing(state.routing))
    else:
        destinations, wide, _, cli, dest_number = seen
        given = Given(state.routing, destinations, not wide, cli, dest_number)
    return msgspec.structs.replace(state, given=given)


def _as_given(routing: dict[str, Any]) -> Given:
    """A routing with what only MessagePack can say as a script sees it: bin as base64, moments as RFC 3339, keys that
    are numbers as text, NaN as null. Raises RuleViolation for one that cannot be given."""
    try:
        packed = Raw(values.encode(routing))
    except (TypeError, ValueError, RecursionError) as error:
        raise RuleViolation(_odd_key(routing) or f"the call cannot be given to a script: {error}") from None
    return Given(packed, len(destinations_of(routing)), plain=False)


def _given_changes(container: Mapping[str, Any], place: str) -> HeaderChanges:
    field = "headers"
    try:
        add = header_rules.added(list_of(field, container.get(field) or []))
        field = "remove_headers"
        remove = header_rules.removed(list_of(field, container.get(field) or []))
    except RuleViolation as error:
        raise RuleViolation(f"{error} - at `{place}.{field}`") from None
    return HeaderChanges(add=add, remove=remove)


NO_CHANGES: Final = HeaderChanges()


class Variables(msgspec.Struct, frozen=True):
    """The part of every input of an assignment that stays the same."""

    packed: bytes
    """Keys and values of a map, without its head."""
    keys: int


def pack_variables(variables: Mapping[str, Any], *, tells_unread: bool = False) -> Variables:
    """An assignment's vars for its inputs. Raises TypeError for what is not JSON.

    ``tells_unread`` is for an author who tries a script: a microsecond of every decision for what `check` mostly says.
    """
    packed = _pack("vars") + values.encode(dict(variables))
    if tells_unread:
        return Variables(packed + _pack("tells_unread") + _pack(True), 2)
    return Variables(packed, 1)


def check_size(packed: bytes, variables: Variables, most: int) -> None:
    """Raise RuleViolation where an input, its variables apart, is longer than a result may be: a script that changed
    nothing would fail."""
    length, room = len(packed) - len(variables.packed), most - RESULT_FRAME
    if length > room:
        raise RuleViolation(f"routing has {length} bytes as MessagePack, and a script can give back {room}")


def reads_sip(text: str) -> bool:
    """Whether a script's text has the word ``sip``.

    To look for it costs a call nothing; to give the request of 18 headers to a script that does not read it makes each
    run 53 us of 30.
    """
    return _SIP.search(text) is not None


_HEADS: Final = tuple(bytes((0x80 | keys,)) + _pack("routing") for keys in range(16))
"""The first bytes of an input of so many keys."""
_HEADERS: Final = _pack("headers")
_REMOVE_HEADERS: Final = _pack("remove_headers")
_SIP_KEY: Final = _pack("sip")
_NO_LISTS: Final = _HEADERS + _pack([]) + _REMOVE_HEADERS + _pack([])


def pack_input(state: RoutingState, variables: Variables, sip: SipRequest | None = None) -> bytes:
    """What the adapter's ``prepare`` takes. Raises RuleViolation for a SIP request that cannot be given to a script."""
    given = state.given
    assert given is not None  # noqa: S101 - of the state of a decision that goes on
    changes = state.headers
    lists = _NO_LISTS
    if changes.add or changes.remove:
        added = _pack([{"key": name, "value": value} for name, value in changes.add])
        removed = _pack([{"key": name} for name in changes.remove])
        lists = b"".join((_HEADERS, added, _REMOVE_HEADERS, removed))
    if sip is None:
        return b"".join((_HEADS[3 + variables.keys], given.packed, lists, variables.packed))
    try:
        request = _pack(msgspec.structs.replace(sip, headers=header_rules.without_passwords(sip.headers)))
    except ValueError as error:
        raise RuleViolation(f"the call cannot be given to a script: {error}") from None
    return b"".join((_HEADS[4 + variables.keys], given.packed, lists, _SIP_KEY, request, variables.packed))


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


def _is_too_deep(routing: dict[str, Any]) -> bool:
    level: list[Any] = [routing]
    for _ in range(NESTING):
        level = [
            value
            for container in level
            for value in (container.values() if type(container) is dict else container)
            if type(value) in (dict, list)
        ]
        if not level:
            return False
    return True


_JSON_WORDS: Final = {type(None): "nil", bool: "a truth value", tuple: "an array"}


def destinations_of(routing: Mapping[str, Any]) -> list[Any]:
    """Those of a routing of whatever shape."""
    destinations = routing.get("egress_routing")
    return destinations if type(destinations) is list else []


def list_of(field: str, value: Any) -> list[Any]:
    """Header changes as a list, of which one alone is one. Raises RuleViolation."""
    if type(value) is dict:
        return [value]
    if type(value) is not list:
        raise RuleViolation(f"{field} must be a list")
    return value
