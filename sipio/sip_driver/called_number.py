"""Which trunk a call comes by, and which number it is for.

A provider with which we register calls the Contact that we registered (RFC 3261 clause 16.5 makes it the Request-URI),
and names the number dialled elsewhere: in P-Called-Party-ID (RFC 7315 clause 4.2), in To, or in a header of its own.
"""

from collections.abc import Sequence
from typing import Final

from sipio.errors import MalformedMessage
from sipio.sip.message import Request
from sipio.sip.uri import Uri, parse_name_address, parse_uri, split_list
from sipio.sip_driver.settings import Trunk

REQUEST_URI: Final = "request-uri"
TO: Final = "to"
CALLED_PARTY: Final = "p-called-party-id"


def trunk_of(request: Request, source: str, trunks: Sequence[Trunk]) -> Trunk | None:
    """The trunk that a call from this host comes by: of several of one provider the one whose Contact is called."""
    by_host = [trunk for trunk in trunks if source in trunk.hosts]
    if not by_host:
        return None
    user = request.request_uri().decoded_user
    return next((trunk for trunk in by_host if trunk.contact_user and trunk.contact_user == user), by_host[0])


def called_address(request: Request, trunk: Trunk | None, trunks: Sequence[Trunk]) -> Uri:
    """The address whose number is called.

    ``trunk`` is the one that the call comes by. Also a call that comes by none, since no hosts are configured, may be
    to a Contact that one of ``trunks`` registered. Where the place that is to name the number is not there or cannot be
    read, To does, and at last the Request-URI.
    """
    asked = request.request_uri()
    place = trunk.called_number.lower() if trunk is not None else ""
    if not place:
        registered = any(one.contact_user and one.contact_user == asked.decoded_user for one in trunks)
        place = CALLED_PARTY if registered else REQUEST_URI
    if place == REQUEST_URI:
        return asked
    return _address(request, place) or _address(request, TO) or asked


def _address(request: Request, name: str) -> Uri | None:
    """The address in a header, also where that has the bare number of a provider's own."""
    value = request.get(name)
    if not value:
        return None
    try:
        uri = parse_name_address(split_list(value)[0]).uri
    except (MalformedMessage, IndexError):
        try:
            uri = parse_uri(f"tel:{value.strip()}")
        except MalformedMessage:
            return None
    return uri if uri.user else None
