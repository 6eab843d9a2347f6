"""What the shipped Kamailio configuration sends: messages of fields with ``;`` between them, text in base64.

docs/kamailio.md has the table of them, in both directions. evapi sends text up to the first NUL only, and a SIP user
part may hold ``;``: so whatever a caller or an operator can write goes as base64, and numbers go as they are.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64
from functools import lru_cache
from typing import Final

import msgspec

from sipio.errors import MalformedMessage
from sipio.routing import Direction
from sipio.sip import parse_uri

_DIRECTIONS: Final = {b"t": Direction.TERMINATION, b"o": Direction.ORIGINATION}
_ROUTE_FIELDS: Final = 15
_MAX_DIGITS: Final = 10
_CANDIDATE_LISTS: Final = 256
"""Lists of gateways remembered: Kamailio sends the same for every call of a dispatcher set, in a few orders, and
reading one of three gateways takes 3 us and more. Kamailio's own length of a variable bounds each."""

_SETTINGS: Final = 64
"""Fields remembered that are of Kamailio's configuration, the same for every call."""

_SOURCES: Final = 1_024
"""Addresses that INVITEs came from remembered: trunks and proxies send many each, and writing one anew takes 0.3 us."""


class Transaction(msgspec.Struct, frozen=True):
    """A suspended call: tm's own two numbers for it, which t_continue takes back."""

    index: int
    label: int


class KamailioCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway that Kamailio would use for this call."""

    id: str
    """The ``duid`` attribute, else the URI; unique within the call."""
    uri: str
    host: str
    """Host and port of the URI, or all of it where it cannot be read."""
    attributes: dict[str, str]
    """What the operator wrote in the dispatcher set for it."""


class CallRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A call is suspended and waits for our answer."""

    transaction: Transaction
    change_from: bool
    """A changed caller id is written to From."""
    change_asserted: bool
    """A changed caller id is written to P-Asserted-Identity."""
    allow_new_destinations: bool
    """A script may name a SIP URI that Kamailio did not offer."""
    fail_closed: bool | None
    """Whether Kamailio refuses the call if it gets no answer; None where its configuration is of before."""
    timeout_ms: int
    """How long Kamailio waits, with its own margin taken off."""
    timeouts_in_row: int
    """Calls in a row that Kamailio waited for in vain."""
    breaker_limit: int
    """Kamailio's circuit breaker opens at so many of them in a row."""
    source: str
    """``host:port`` that the INVITE came from."""
    direction: Direction
    customer: str
    route: str
    did: str
    candidates: tuple[KamailioCandidate, ...]
    message: bytes
    """The INVITE as received."""


class CallCancelled(msgspec.Struct, frozen=True):
    """The caller gave up. If the call is still being decided, no answer is wanted any more."""

    via: str
    """The CANCEL's Via, which is the INVITE's (RFC 3261 clause 9.1): while a call is suspended, Kamailio runs no
    route in which it knows the transaction's numbers."""


class CallEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A call is over."""

    call_id: str
    customer: str
    answered: bool
    """False: it failed before it was answered."""
    started: int
    """Unix time at which it was answered; 0 if it was not."""
    seconds: int
    """How long it lasted, from its answer to its end."""


class Mark(msgspec.Struct, frozen=True):
    """Kamailio has read all that we wrote before this mark."""

    token: bytes


class KamailioHello(msgspec.Struct, frozen=True):
    """The configuration at the other end greets."""

    version: str
    """The version of the messages that it speaks."""


Message = CallRoute | CallCancelled | CallEnded | Mark | KamailioHello


def decode(frame: bytes) -> Message:
    """Read one message of Kamailio's.

    Raises MalformedMessage for an unknown kind, or fields missing or wrong; `transaction_of` may still tell whom to
    answer.
    """
    fields = frame.split(b";")
    kind = fields[0]
    if kind == b"r":
        return _call_route(fields)
    if kind == b"m" and len(fields) == 2:
        return Mark(fields[1])
    if kind == b"x" and len(fields) == 2:
        return CallCancelled(_text(fields[1]))
    if kind == b"e" and len(fields) == 6:
        return CallEnded(
            answered=fields[1] == b"end",
            call_id=_text(fields[2]),
            customer=_text(fields[3]),
            started=_number(fields[4]),
            seconds=_number(fields[5]),
        )
    if kind == b"h" and len(fields) == 2:
        return KamailioHello(fields[1].decode("ascii", "replace"))
    raise MalformedMessage(f"evapi message of {len(fields)} fields beginning {frame[:32]!r}")


def transaction_of(frame: bytes) -> Transaction | None:
    """The call that a message is about even if the rest of it cannot be read, so that it gets an answer."""
    fields = frame.split(b";", 3)
    if len(fields) < 3 or fields[0] != b"r":
        return None
    try:
        return Transaction(_number(fields[1]), _number(fields[2]))
    except MalformedMessage:
        return None


def _call_route(fields: list[bytes]) -> CallRoute:
    if len(fields) != _ROUTE_FIELDS:
        raise MalformedMessage(f"call.route of {len(fields)} fields instead of {_ROUTE_FIELDS}")
    direction = _DIRECTIONS.get(fields[9])
    if direction is None:
        raise MalformedMessage(f"direction {fields[9][:32]!r}")
    change_from, change_asserted, allow_new_destinations, fail_closed = _options(fields[3])
    return CallRoute(
        transaction=Transaction(_number(fields[1]), _number(fields[2])),
        change_from=change_from,
        change_asserted=change_asserted,
        allow_new_destinations=allow_new_destinations,
        fail_closed=fail_closed,
        timeout_ms=_milliseconds(fields[4]),
        timeouts_in_row=_repeated_number(fields[5]),
        breaker_limit=_repeated_number(fields[6]),
        source=_source(fields[7], fields[8]),
        direction=direction,
        customer=_text(fields[10]),
        route=_text(fields[11]),
        did=_text(fields[12]),
        candidates=_candidates(fields[13]),
        message=_binary(fields[14]),
    )


@lru_cache(maxsize=_CANDIDATE_LISTS)
def _candidates(field: bytes) -> tuple[KamailioCandidate, ...]:
    found: dict[str, KamailioCandidate] = {}
    for line in _text(field).split("\n"):
        if not line:
            continue
        uri, _, rest = line.partition("|")
        attributes: dict[str, str] = {}
        for part in rest.rpartition("|")[2].split(";"):
            name, equals, value = part.partition("=")
            if equals:
                attributes[name.strip()] = value.strip()
        identity = name = attributes.get("duid") or uri
        repeat = 1
        while identity in found:
            repeat += 1
            identity = f"{name}#{repeat}"
        found[identity] = KamailioCandidate(id=identity, uri=uri, host=_host(uri), attributes=attributes)
    return tuple(found.values())


def _host(uri: str) -> str:
    try:
        return parse_uri(uri).address if uri else ""
    except MalformedMessage:
        return uri


def _number(field: bytes) -> int:
    if not field.isdigit() or len(field) > _MAX_DIGITS:
        raise MalformedMessage(f"number {field[:32]!r}")
    return int(field)


@lru_cache(maxsize=_SETTINGS)
def _options(field: bytes) -> tuple[bool, bool, bool, bool | None]:
    fail_closed = b"c" in field if b"c" in field or b"o" in field else None
    return b"f" in field, b"p" in field, b"u" in field, fail_closed


_repeated_number: Final = lru_cache(maxsize=_SETTINGS)(_number)


@lru_cache(maxsize=_SOURCES)
def _source(host: bytes, port: bytes) -> str:
    text = host.decode("ascii", "replace")
    number = _number(port)
    return f"[{text.strip('[]')}]:{number}" if ":" in text else f"{text}:{number}"


@lru_cache(maxsize=_SETTINGS)
def _milliseconds(field: bytes) -> int:
    number = _number(field)
    if not number:
        raise MalformedMessage("a call waits 0 ms: SCRIPTFORGE_BUDGET must be at least 1")
    return number


def _binary(field: bytes) -> bytes:
    try:
        return a2b_base64(field, strict_mode=True)
    except Base64Error as error:
        raise MalformedMessage(f"base64 {field[:32]!r}: {error}") from error


def _text(field: bytes) -> str:
    return _binary(field).decode("utf-8", "replace") if field else ""


def encode_mark(token: bytes) -> bytes:
    """Kamailio sends this back once it has read it."""
    return b"m;" + token


def encode_drain() -> bytes:
    """No more calls on this connection; those under way are still answered."""
    return b"d"
