"""A Decision as what Kamailio is told.

Every text that reaches a SIP message is escaped or checked here once more, whoever checked it before. A destination's
address is the one that Kamailio offered under its gateway id; only where the operator allowed it may a gateway carry a
SIP URI of its own.
"""

from binascii import b2a_base64
from typing import Any, Final

import msgspec

from sipio.egress import USER_CHARACTERS, DecisionError, Destination, Egress, OwnRoute, Refusal, read_egress
from sipio.errors import MalformedMessage
from sipio.kamailio.messages import Transaction
from sipio.kamailio.question import Offer
from sipio.routing import Decision, HeaderChanges
from sipio.sip import parse_uri
from sipio.sip.message import is_token
from sipio.sip.uri import escape_user

_SEPARATORS: Final = frozenset("|\r\n\0")
_CONTROLS: Final = frozenset(chr(code) for code in (*range(9), *range(10, 32), 127))


class Answer(msgspec.Struct, frozen=True):
    """What is sent for one call."""

    kind: str
    """``continue``, ``route`` or ``reject``."""
    payload: bytes
    dropped: int = 0
    """Destinations left out because Kamailio had not offered them."""


def encode_fallback(transaction: Transaction, reason: str) -> bytes:
    """We cannot decide: Kamailio applies its fail-open or fail-closed policy. ``reason``: one plain word."""
    return b"f;%d;%d;%b" % (transaction.index, transaction.label, reason.encode("ascii"))


def encode_answer(offer: Offer, decision: Decision) -> Answer:
    """What Kamailio is told. Raises DecisionError where nothing safe can be made of the decision."""
    call = offer.call
    index, label = call.transaction.index, call.transaction.label
    candidates = call.candidates
    egress = read_egress(
        decision,
        cli=offer.cli,
        number=offer.number,
        offered={candidate.id: candidate.uri for candidate in candidates},
        named=_named if call.allow_new_destinations else None,
    )
    if isinstance(egress, Refusal):
        reason = _base64(egress.reason or "Rejected")
        return Answer("reject", b"x;%d;%d;%d;%b" % (index, label, egress.code, reason))
    if isinstance(egress, OwnRoute):
        return Answer("continue", b"c;%d;%d" % (index, label))
    lines = _lines(offer, egress, decision.headers)
    # Kamailio's own destinations in its order, and nothing changed: the short answer.
    if lines == [f"{candidate.uri}|||||\n" for candidate in candidates]:
        return Answer("continue", b"c;%d;%d" % (index, label), egress.dropped)
    return Answer("route", b"r;%d;%d;%b" % (index, label, _base64("".join(lines))), egress.dropped)


def _lines(offer: Offer, egress: Egress[str], common: HeaderChanges) -> list[str]:
    """A line of ``|`` fields for each destination: URI, user, From URI, headers to remove, headers to add."""
    user = _user_part(egress.number) if egress.number != offer.number else ""
    common_add = _header_lines(common.add) if common.add else ""
    plain = not (user or common_add or common.remove)
    return [
        f"{one.offered}|||||\n"
        if plain and one.cli == offer.cli and not one.add and not one.remove
        else _line(offer, one, user, common_add, common.remove)
        for one in egress.destinations
    ]


def _line(offer: Offer, destination: Destination[str], user: str, common_add: str, common_remove: list[str]) -> str:
    add = common_add
    if destination.add:
        add += _header_lines(destination.add)
    remove = [*common_remove, *destination.remove]
    from_uri = ""
    if destination.cli != offer.cli:
        from_uri, asserted = _changed_caller(offer, destination.cli)
        if asserted:
            remove.append("P-Asserted-Identity")
            add += asserted
    removed = _present(offer, remove) if remove else ""
    added = _base64(add).decode() if add else ""
    return f"{destination.offered}|{user}|{from_uri}|{removed}|{added}|\n"


def _changed_caller(offer: Offer, cli: str) -> tuple[str, str]:
    """The new From URI and the new P-Asserted-Identity line, each empty where the operator leaves it."""
    call, caller = offer.call, offer.caller
    if caller is None or not caller.uri.host:
        raise DecisionError("the caller id of a From without a SIP address cannot be changed")
    user = _user_part(cli)
    scheme, host = caller.uri.scheme, caller.uri.address
    asserted = ""
    if call.change_asserted:
        before = offer.asserted
        asserted_host = before.uri.address if before is not None and before.uri.host else host
        asserted = f"P-Asserted-Identity: <{scheme}:{user}@{asserted_host}>\r\n"
    return f"{scheme}:{user}@{host}" if call.change_from else "", asserted


def _present(offer: Offer, names: list[str]) -> str:
    """The headers to remove as this message spells them.

    Kamailio removes by spelling, compact forms apart, and what is not there would cost it a walk over the message.
    """
    found: dict[str, None] = {}
    for name in names:
        if not is_token(name):
            raise DecisionError(f"header name {name[:80]!r}")
        found.update(dict.fromkeys(offer.invite.spellings(name)))
    return ",".join(found)


def _header_lines(headers: list[tuple[str, str]]) -> str:
    lines = ""
    for name, value in headers:
        if not is_token(name):
            raise DecisionError(f"header name {name[:80]!r}")
        if not value.isprintable() and not _CONTROLS.isdisjoint(value):
            raise DecisionError(f"control character in header {name}")
        lines += f"{name}: {value}\r\n"
    return lines


def _named(gateway: Any, offered: str | None) -> str | None:
    """The SIP URI that a script wrote into a gateway, else the one that Kamailio offered."""
    text = gateway.get("uri") if isinstance(gateway, dict) else None
    if not isinstance(text, str) or text == offered:
        return offered
    try:
        uri = parse_uri(text)
    except MalformedMessage as error:
        raise DecisionError(str(error)) from error
    if uri.scheme not in {"sip", "sips"} or not _SEPARATORS.isdisjoint(text) or not text.isprintable():
        raise DecisionError(f"destination {text[:80]!r}")
    return text


def _user_part(text: str) -> str:
    if len(text) > USER_CHARACTERS:
        raise DecisionError(f"number of {len(text)} characters")
    return escape_user(text)


def _base64(text: str) -> bytes:
    return b2a_base64(text.encode("utf-8", "replace"), newline=False)
