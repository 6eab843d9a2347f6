"""A Decision as what Kamailio is told.

Every text that reaches a SIP message is escaped or checked here once more, whoever checked it before. A destination's
address is the one that Kamailio offered under its gateway id; only where the operator allowed it may a gateway carry a
SIP URI of its own.
"""

from binascii import b2a_base64
from typing import Any, Final

import msgspec

from sipio.egress import USER_CHARACTERS, DecisionError, Egress, OwnRoute, Refusal, read_egress
from sipio.errors import MalformedMessage
from sipio.kamailio.messages import Transaction
from sipio.kamailio.question import Offer
from sipio.routing import Decision, HeaderChanges
from sipio.sip import NameAddress, Uri, parse_uri
from sipio.sip.message import is_token
from sipio.sip.uri import escape_user, with_number

_SEPARATORS: Final = frozenset("|\r\n\0")
_CONTROLS: Final = frozenset(chr(code) for code in (*range(9), *range(10, 32), 127))


class Answer(msgspec.Struct, frozen=True):
    """What is sent for one call."""

    kind: str
    """``continue``, ``route`` or ``reject``."""
    payload: bytes
    dropped: int = 0
    """Destinations left out because Kamailio had not offered them."""
    kept: tuple[str, ...] = ()
    """Headers in which the caller id stays as it came, since they have no SIP or telephone address to change."""


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
    writer = _CallerIdWriter(offer)
    lines = _lines(offer, egress, decision.headers, writer)
    # Kamailio's own destinations in its order, and nothing changed: the short answer.
    if lines == [f"{candidate.uri}|||||\n" for candidate in candidates]:
        return Answer("continue", b"c;%d;%d" % (index, label), egress.dropped, tuple(writer.kept))
    payload = b"r;%d;%d;%b" % (index, label, _base64("".join(lines)))
    return Answer("route", payload, egress.dropped, tuple(writer.kept))


class _CallerIdWriter:
    """Writes changed caller ids into the addresses of one call, where the operator has them changed."""

    __slots__ = ("_offer", "kept")

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self.kept: dict[str, None] = {}

    def written(self, cli: str) -> tuple[str, str]:
        """The new From URI and the new P-Asserted-Identity line, each empty where it stays."""
        offer, call = self._offer, self._offer.call
        caller = _writable(offer.caller)
        sender = asserted = ""
        if call.change_from:
            sender = self._uri("From", caller, cli)
        if call.change_asserted:
            uri = self._uri("P-Asserted-Identity", _writable(offer.asserted) or caller, cli)
            asserted = f"P-Asserted-Identity: <{uri}>\r\n" if uri else ""
        return sender, asserted

    def _uri(self, header: str, before: Uri | None, cli: str) -> str:
        if before is None:
            self.kept[header] = None
            return ""
        return _with_number(before, cli)


def _writable(address: NameAddress | None) -> Uri | None:
    """The address, if another number can be written into it and the result into a plan."""
    if address is None or address.uri.scheme not in {"sip", "sips", "tel"}:
        return None
    return address.uri if _SEPARATORS.isdisjoint(address.uri.raw) else None


def _with_number(uri: Uri, number: str) -> str:
    if len(number) > USER_CHARACTERS:
        raise DecisionError(f"number of {len(number)} characters")
    return with_number(uri, number)


def _request_uri(offer: Offer, number: str) -> str:
    """The Request-URI with another number. Raises DecisionError where that cannot be written: to go on with the old
    number is not what was decided."""
    uri = offer.dialled
    if uri is None or uri.scheme not in {"sip", "sips", "tel"} or not _SEPARATORS.isdisjoint(uri.raw):
        raise DecisionError(f"the number of {offer.invite.uri[:80]!r} cannot be changed")
    return _with_number(uri, number)


def _lines(offer: Offer, egress: Egress[str], common: HeaderChanges, writer: _CallerIdWriter) -> list[str]:
    """A line of ``|`` fields for each destination: URI, user, From URI, headers to remove, headers to add, and the
    Request-URI. The user is for a configuration of before that had no Request-URI here."""
    user = request_uri = ""
    if egress.number != offer.number:
        user, request_uri = escape_user(egress.number), _request_uri(offer, egress.number)
    common_add = _header_lines(common.add) if common.add else ""
    common_removed = _present(offer, common.remove) if common.remove else ""
    lines = []
    for destination in egress.destinations:
        add, removed, from_uri, own = common_add, common_removed, "", destination.remove
        if destination.add:
            add += _header_lines(destination.add)
        if destination.cli != offer.cli:
            from_uri, asserted = writer.written(destination.cli)
            if asserted:
                own = [*own, "P-Asserted-Identity"]
                add += asserted
        if own:
            removed = _present(offer, [*common.remove, *own])
        added = _base64(add).decode() if add else ""
        lines.append(f"{destination.offered}|{user}|{from_uri}|{removed}|{added}|{request_uri}\n")
    return lines


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


def _base64(text: str) -> bytes:
    return b2a_base64(text.encode("utf-8", "replace"), newline=False)
