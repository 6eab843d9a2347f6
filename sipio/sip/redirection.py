"""The contacts of a 3xx (RFC 3261 clause 8.1.3.4)."""

from typing import Final

from sipio.errors import MalformedMessage
from sipio.sip.message import Response
from sipio.sip.uri import NameAddress, parse_name_address, split_list

CONTACTS: Final = 16
"""Contacts read of one 3xx."""


def contacts_by_preference(response: Response) -> list[str]:
    """The URIs, highest q first; those that cannot be read are left out."""
    found: list[NameAddress] = []
    for field in response.get_all("contact"):
        try:
            found += [parse_name_address(value) for value in split_list(field)]
        except MalformedMessage:
            continue
    found.sort(key=_preference, reverse=True)
    return [contact.uri.raw for contact in found[:CONTACTS]]


def _preference(contact: NameAddress) -> float:
    try:
        return min(max(float(contact.parameters.get("q") or 1.0), 0.0), 1.0)
    except ValueError:
        return 1.0
