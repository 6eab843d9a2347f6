"""Contact (RFC 3261 clause 20.10): where a peer is to be reached, which has to be readable without a guess."""

import re
from typing import Final

from sipio.errors import MalformedMessage
from sipio.sip.message import Request, SipMessage
from sipio.sip.uri import NameAddress, Uri, parse_name_address, split_list

_EMPTY_PARAMETER: Final = re.compile(r";\s*;")


def request_uri_of(uri: Uri) -> str:
    """A URI as it may stand in a request line: without headers (clause 19.1.1). What a Contact asks for by them is not
    done, since it could be a Route."""
    return uri.raw.removesuffix(f"?{uri.headers}")


def parse_contact(value: str) -> NameAddress:
    """Read one value of a Contact header of a request.

    Raises:
        MalformedMessage: an empty parameter, a URI without angle brackets that needs them (clause 20: with a question
            mark or a comma), or no address at all.
    """
    address = parse_name_address(value)
    bare = "<" not in value
    after = value.strip() if bare else value[value.rindex(">") + 1 :] if ">" in value else ""
    if bare and ("?" in value or "," in value):
        raise MalformedMessage(f"Contact without the angle brackets that it needs: {value[:80]!r}")
    if _EMPTY_PARAMETER.search(after):
        raise MalformedMessage(f"Contact with an empty parameter: {value[:80]!r}")
    return address


def contact_of(message: SipMessage) -> NameAddress | None:
    """The first Contact of a message; None where it has none. Those of requests have to be right, since they can be
    refused.

    Raises:
        MalformedMessage: it cannot be read, or is no SIP URI.
    """
    field = message.get("contact")
    if field is None:
        return None
    values = split_list(field)
    if not values:
        raise MalformedMessage("empty Contact")
    contact = parse_contact(values[0]) if isinstance(message, Request) else parse_name_address(values[0])
    if contact.uri.scheme not in {"sip", "sips"}:
        raise MalformedMessage("Contact is no SIP URI")
    return contact
