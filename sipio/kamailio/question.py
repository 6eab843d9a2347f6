"""What Kamailio asks about one call, as a RoutingRequest."""

from typing import Any

import msgspec

from sipio.errors import MalformedMessage
from sipio.kamailio.messages import CallRoute, KamailioCandidate
from sipio.number import Number, read_number
from sipio.routing import RoutingRequest, SipRequest, pack_routing
from sipio.sip import NameAddress, Request, Uri, parse_message, parse_uri


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One call that Kamailio asked about, parsed."""

    call: CallRoute
    invite: Request
    caller: NameAddress | None
    """The From address; None if it cannot be read, and then the caller id cannot be changed."""
    asserted: NameAddress | None
    """P-Asserted-Identity where the operator has it changed."""
    cli: str
    dialled: Uri | None
    """The Request-URI; None if it cannot be read, and then the number cannot be changed."""
    number: str
    """The number dialled, empty if the Request-URI cannot be read."""
    request: RoutingRequest


def read_offer(call: CallRoute) -> Offer:
    """Parse the SIP message and state the question.

    Raises MalformedMessage where the message is no SIP request or has no Call-ID, OversizedFrame where it is too long.
    """
    invite = parse_message(call.message)
    if not isinstance(invite, Request):
        raise MalformedMessage("a SIP response where a request was expected")
    call_id = invite.get("call-id")
    if not call_id:
        raise MalformedMessage("no Call-ID")
    caller, asserted = _identities(invite, asserted=call.change_asserted)
    calling = caller.uri.number if caller is not None else Number("")
    if asserted is not None and not (call.change_from and calling.text):
        calling = asserted.uri.number
    cli = calling.text
    try:
        dialled = parse_uri(invite.uri)
        called, server = dialled.number, dialled.host
    except MalformedMessage:
        dialled, called, server = None, Number(""), ""
    routing: dict[str, Any] = {
        "account_id": call.customer,
        "cli": cli,
        "dest_number": called.text,
        "server": server,
        "direction": call.direction.value,
        "egress_routing": [_entry(candidate, cli) for candidate in call.candidates],
    }
    if calling.parameters:
        routing["cli_parameters"] = calling.parameters
    if called.parameters:
        routing["dest_number_parameters"] = called.parameters
    request = RoutingRequest(
        call_id=call_id,
        direction=call.direction,
        customer=call.customer,
        route=call.route,
        did=_did(call.did, dialled, called),
        routing=pack_routing(routing),
        timeout_ms=call.timeout_ms,
        fail_closed=call.fail_closed,
        sip=SipRequest(method=invite.method, uri=invite.uri, source=call.source, headers=invite.headers),
    )
    return Offer(
        call=call,
        invite=invite,
        caller=caller,
        asserted=asserted,
        cli=cli,
        dialled=dialled,
        number=called.text,
        request=request,
    )


def _did(text: str, dialled: Uri | None, called: Number) -> str:
    """What the operator's configuration calls the DID: mostly the Request-URI's user part (``$rU``) as it stands."""
    if not text:
        return ""
    if dialled is not None and text in {dialled.user, dialled.user.partition(";")[0]}:
        return called.text
    return read_number(text).text


def _identities(invite: Request, *, asserted: bool) -> tuple[NameAddress | None, NameAddress | None]:
    """From, and P-Asserted-Identity where it is wanted; None for one that is not there or cannot be read."""
    try:
        caller = invite.address("from")
    except MalformedMessage:
        caller = None
    try:
        identity = invite.address("p-asserted-identity") if asserted else None
    except MalformedMessage:
        identity = None
    return caller, identity


def _entry(candidate: KamailioCandidate, cli: str) -> dict[str, Any]:
    gateway = {**candidate.attributes, "cli": cli, "uri": candidate.uri, "host": candidate.host}
    return {"gw": {candidate.id: gateway}, "headers": [], "remove_headers": []}
