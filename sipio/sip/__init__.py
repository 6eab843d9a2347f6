"""SIP messages (RFC 3261) as data: bytes in, immutable messages out, no I/O."""

from sipio.sip.message import Request, Response, SipMessage, parse_message
from sipio.sip.uri import NameAddress, Uri, parse_name_address, parse_uri, split_list
from sipio.sip.via import Via, parse_via

__all__ = [
    "NameAddress",
    "Request",
    "Response",
    "SipMessage",
    "Uri",
    "Via",
    "parse_message",
    "parse_name_address",
    "parse_uri",
    "parse_via",
    "split_list",
]
