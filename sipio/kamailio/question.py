"""Kamailio's question as a RoutingRequest, and the Decision as what Kamailio is told.

A script's word is not Kamailio's command. It may drop destinations and change their order, but not make them
up: an entry is matched to a candidate by its gateway id, and its address is the candidate's. Only where the
operator allowed it may a gateway carry a SIP URI of its own. Every text that reaches a SIP message is escaped or
checked here once more, whoever checked it before.
"""

from typing import Any, Final

import msgspec

from sipio.errors import LocalError, MalformedMessage
from sipio.kamailio.messages import (
    CallRoute,
    Candidate,
    PlannedDestination,
    encode_continue,
    encode_reject,
    encode_route,
)
from sipio.routing import Action, Decision, RoutingRequest, SipRequest
from sipio.sip import NameAddress, Request, Via, parse_message, parse_uri, parse_via
from sipio.sip.message import is_token
from sipio.sip.uri import escape_user

USER_CHARACTERS: Final = 128
"""The longest caller id or number written into a SIP message."""
_SEPARATORS: Final = frozenset("|\r\n\0")
_CONTROLS: Final = frozenset(chr(code) for code in (*range(9), *range(10, 32), 127))


class DecisionError(LocalError):
    """A decision that cannot be carried out as it stands. Kamailio applies its failure policy instead."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One call that Kamailio asked about, parsed."""

    call: CallRoute
    invite: Request
    caller: NameAddress | None
    """The From address; None if it cannot be read, and then the caller id cannot be changed."""
    asserted: NameAddress | None
    """P-Asserted-Identity where the operator has it changed."""
    cli: str
    via: Via | None
    """What a CANCEL of this call will carry."""
    request: RoutingRequest


def read_offer(call: CallRoute) -> Offer:
    """Parse the SIP message and state the question.

    Raises:
        MalformedMessage: the message is no SIP request, or has no Call-ID.
        OversizedFrame: it is too long.
    """
    invite = parse_message(call.message)
    if not isinstance(invite, Request):
        raise MalformedMessage("a SIP response where a request was expected")
    call_id = invite.get("call-id")
    if not call_id:
        raise MalformedMessage("no Call-ID")
    caller = _address(invite, "from")
    cli = caller.uri.decoded_user if caller is not None else ""
    asserted = _address(invite, "p-asserted-identity") if call.change_asserted else None
    if asserted is not None and not (call.change_from and cli):
        cli = asserted.uri.decoded_user
    try:
        dialled = invite.request_uri()
        number, server = dialled.decoded_user, dialled.host
    except MalformedMessage:
        number = server = ""
    try:
        via = parse_via(invite.get("via") or "")
    except MalformedMessage:
        via = None
    request = RoutingRequest(
        call_id=call_id,
        direction=call.direction,
        customer=call.customer,
        route=call.route,
        did=call.did,
        routing={
            "account_id": call.customer,
            "cli": cli,
            "dest_number": number,
            "server": server,
            "direction": call.direction.value,
            "egress_routing": [_entry(candidate, cli) for candidate in call.candidates],
        },
        sip=SipRequest(method=invite.method, uri=invite.uri, headers=invite.headers, source=call.source),
        timeout_ms=call.timeout_ms,
    )
    return Offer(call=call, invite=invite, caller=caller, asserted=asserted, cli=cli, via=via, request=request)


def _address(invite: Request, name: str) -> NameAddress | None:
    try:
        return invite.address(name)
    except MalformedMessage:
        return None


def _entry(candidate: Candidate, cli: str) -> dict[str, Any]:
    gateway = {**candidate.attributes, "cli": cli, "uri": candidate.uri, "host": candidate.host}
    return {"gw": {candidate.id: gateway}, "headers": [], "remove_headers": []}


def encode_decision(offer: Offer, decision: Decision) -> tuple[bytes, int]:
    """What Kamailio is told, and how many destinations were dropped because Kamailio had not offered them.

    Raises:
        DecisionError: nothing safe can be made of it.
    """
    transaction = offer.call.transaction
    if decision.action is Action.REJECT:
        if not 300 <= decision.code <= 699:
            raise DecisionError(f"reject with status {decision.code}")
        reason = "".join(character for character in decision.reason if character.isprintable())
        return encode_reject(transaction, decision.code, reason[:USER_CHARACTERS] or "Rejected"), 0
    entries = decision.routing.get("egress_routing")
    if not isinstance(entries, list):
        raise DecisionError("egress_routing is no list")
    if not entries and offer.call.candidates:
        return encode_reject(transaction, 503, "No Route"), 0
    plan, dropped = _Planner(offer, decision).plan(entries)
    if dropped and not plan:
        raise DecisionError("no destination is one that Kamailio offered")
    if plan == [PlannedDestination(uri=candidate.uri) for candidate in offer.call.candidates]:
        return encode_continue(transaction), dropped
    return encode_route(transaction, plan), dropped


class _Planner:
    """Turns the entries of one decision into destinations."""

    def __init__(self, offer: Offer, decision: Decision) -> None:
        self._offer = offer
        self._candidates = {candidate.id: candidate for candidate in offer.call.candidates}
        self._common_add = [(name, _header_value(name, value)) for name, value in decision.headers.add]
        self._common_remove = decision.headers.remove
        routing = decision.routing
        original = offer.request.routing
        self._cli = _text(routing.get("cli"), offer.cli)
        number = _text(routing.get("dest_number"), "")
        self._user = ""
        if number and number != original["dest_number"]:
            self._user = _user_part(number)

    def plan(self, entries: list[Any]) -> tuple[list[PlannedDestination], int]:
        found = []
        dropped = 0
        for entry in entries:
            gateways = entry.get("gw") if isinstance(entry, dict) else None
            if not isinstance(gateways, dict):
                dropped += 1
                continue
            for identity, gateway in gateways.items():
                uri = self._address_of(str(identity), gateway)
                if uri is None:
                    dropped += 1
                else:
                    found.append(self._destination(uri, gateway, entry))
        return found, dropped

    def _address_of(self, identity: str, gateway: Any) -> str | None:
        candidate = self._candidates.get(identity)
        if self._offer.call.allow_new_destinations and isinstance(gateway, dict):
            uri = gateway.get("uri")
            if isinstance(uri, str) and (candidate is None or uri != candidate.uri):
                return _destination_uri(uri)
        return candidate.uri if candidate is not None else None

    def _destination(self, uri: str, gateway: Any, entry: dict[str, Any]) -> PlannedDestination:
        cli = self._cli
        if isinstance(gateway, dict):
            own = _text(gateway.get("cli"), self._offer.cli)
            if own != self._offer.cli:
                cli = own
        remove = [*self._common_remove, *_keys(entry.get("remove_headers"))]
        add = [*self._common_add, *_pairs(entry.get("headers"))]
        from_uri = ""
        if cli != self._offer.cli:
            from_uri = self._change_caller(cli, remove, add)
        return PlannedDestination(uri=uri, user=self._user, from_uri=from_uri, remove=self._present(remove), add=add)

    def _change_caller(self, cli: str, remove: list[str], add: list[tuple[str, str]]) -> str:
        """The new From URI, or nothing if From stays; P-Asserted-Identity is changed in the two lists."""
        caller = self._offer.caller
        call = self._offer.call
        if caller is None or not caller.uri.host:
            raise DecisionError("the caller id of a From without a SIP address cannot be changed")
        user = _user_part(cli)
        if call.change_asserted:
            asserted = self._offer.asserted
            host = asserted.uri.address if asserted is not None and asserted.uri.host else caller.uri.address
            remove.append("P-Asserted-Identity")
            add.append(("P-Asserted-Identity", f"<{caller.uri.scheme}:{user}@{host}>"))
        return f"{caller.uri.scheme}:{user}@{caller.uri.address}" if call.change_from else ""

    def _present(self, names: list[str]) -> list[str]:
        """The headers to remove as this message spells them.

        Kamailio removes by spelling, compact forms apart, and what is not there would cost it a walk over the
        message.
        """
        if not names:
            return []
        found: dict[str, None] = {}
        for name in names:
            if not is_token(name):
                raise DecisionError(f"header name {name[:80]!r}")
            found.update(dict.fromkeys(self._offer.invite.spellings(name)))
        return list(found)


def _destination_uri(text: str) -> str:
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


def _text(value: Any, default: str) -> str:
    """Scripts write numbers as text or as numbers."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return default


def _header_value(name: str, value: str) -> str:
    if not is_token(name):
        raise DecisionError(f"header name {name[:80]!r}")
    if not value.isprintable() and not _CONTROLS.isdisjoint(value):
        raise DecisionError(f"control character in header {name}")
    return value


def _pairs(entries: Any) -> list[tuple[str, str]]:
    if not entries:
        return []
    try:
        return [(entry["key"], _header_value(entry["key"], entry["value"])) for entry in entries]
    except (TypeError, KeyError, AttributeError) as error:
        raise DecisionError(f"headers of a destination: {error!r}") from error


def _keys(entries: Any) -> list[str]:
    if not entries:
        return []
    try:
        return [entry["key"] for entry in entries]
    except (TypeError, KeyError, AttributeError) as error:
        raise DecisionError(f"remove_headers of a destination: {error!r}") from error
