"""What the dialplan asks about one Class 4 call, as a RoutingRequest."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from sipio.call_control import CallOffer
from sipio.errors import MalformedMessage
from sipio.freeswitch.offer import Arrival
from sipio.number import read_number
from sipio.routing import SIP_HEADERS, Direction, RoutingRequest, SipRequest, pack_routing

CANDIDATES: Final = 500
"""Gateways of one call: more than any dialplan tries, and few enough to be read without holding up other calls."""

_TIMEOUT: Final = re.compile("0{0,3}[1-9][0-9]{0,17}")


class DialplanCandidate(msgspec.Struct, frozen=True):
    """A gateway that the dialplan offers."""

    id: str
    dial: str
    """Dial string; ``{number}`` stands for the number dialled."""


def read_candidates(text: str) -> list[DialplanCandidate]:
    """Read ``scriptforge_candidates``, which is ``id=dial string`` separated by ``|``.

    Raises MalformedMessage for an entry without an id or a dial string, for an id that comes twice, and for more than
    `CANDIDATES`.
    """
    found: dict[str, DialplanCandidate] = {}
    for entry in text.split("|"):
        identity, equals, dial = (part.strip() for part in entry.partition("="))
        if not entry.strip():
            continue
        if not equals or not identity or not dial or identity in found:
            raise MalformedMessage(f"scriptforge_candidates has {entry[:80]!r}")
        found[identity] = DialplanCandidate(identity, dial)
    if len(found) > CANDIDATES:
        raise MalformedMessage(f"scriptforge_candidates has {len(found)} gateways, over {CANDIDATES}")
    return list(found.values())


def parameters_of(offer: CallOffer) -> dict[str, dict[str, str]]:
    """The parameters of the two numbers, as scripts find them beside these; nothing where there are none."""
    found = {"cli_parameters": offer.from_parameters, "dest_number_parameters": offer.to_parameters}
    return {name: parameters for name, parameters in found.items() if parameters}


def _request_uri(variables: Mapping[str, str]) -> str:
    """The Request-URI, which FreeSWITCH keeps without its scheme."""
    uri = variables.get("sip_req_uri", "")
    return f"sip:{uri}" if uri else ""


def read_question(arrival: Arrival, candidates: Sequence[DialplanCandidate]) -> RoutingRequest:
    """State the question to be decided. Raises MalformedMessage for a scriptforge variable that cannot be read."""
    variables = arrival.variables
    offer = arrival.offer
    timeout = variables.get("scriptforge_timeout_ms", "")
    try:
        direction = Direction(variables.get("scriptforge_direction", Direction.TERMINATION))
    except ValueError as error:
        raise MalformedMessage(f"scriptforge_direction: {error}") from None
    if timeout and _TIMEOUT.fullmatch(timeout) is None:
        raise MalformedMessage(f"scriptforge_timeout_ms is {timeout[:40]!r}, not a number of milliseconds from 1 on")
    return RoutingRequest(
        call_id=offer.id,
        direction=direction,
        customer=offer.customer,
        route=variables.get("scriptforge_route", ""),
        did=read_number(variables.get("scriptforge_did", "")).text,
        sip=SipRequest(uri=_request_uri(variables), source=offer.source, headers=offer.headers[:SIP_HEADERS]),
        routing=pack_routing(
            {
                "account_id": offer.customer,
                "cli": offer.from_user,
                "dest_number": offer.to_user,
                "server": offer.to_host,
                "direction": direction.value,
                "egress_routing": [
                    {
                        "gw": {candidate.id: {"cli": offer.from_user, "dial": candidate.dial}},
                        "headers": [],
                        "remove_headers": [],
                    }
                    for candidate in candidates
                ],
                **parameters_of(offer),
            }
        ),
        timeout_ms=int(timeout) if timeout else None,
    )
