"""Whatever a stranger sends, four times as much of it is some four times the work: a datagram of 64 KB stops nobody.

What grew with the square was 4 s for a Content-Length of 30 KB.
"""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sipio import number
from sipio.errors import PeerError
from sipio.freeswitch.event_socket import FrameReader
from sipio.freeswitch.question import read_candidates
from sipio.kamailio.messages import decode
from sipio.kamailio.netstring import NetstringDecoder
from sipio.sip import bodies, digest, reason_header, sdp, serialize, session_timer, tag, uri, uri_comparison, via
from sipio.sip.address import Address
from sipio.sip.contact import parse_contact
from sipio.sip.message import parse_message
from sipio.sip.stream import SipStream
from tests.growth import grows_in_its_length

SOURCE = Address("udp", "192.0.2.1", 5060)
PIECES = [
    *('"', "\\", "<", ">", ",", ";", "=", " ", "\t", "\r\n ", "\r\n", "\n", "%3b", "a", ":", "[", "]", "@", "?", "1"),
    *(
        "--x",
        "Q.850;",
        "cause=",
        "tag=",
        "rport",
        "m=audio 9 RTP/AVP 0\n",
        "a=rtpmap:1 x/8000\n",
        '"a"',
        "l:",
        "a:b\r\n",
    ),
]


def _message(header: str, text: str, body: str = "") -> bytes:
    return f"INFO sip:a@b SIP/2.0\r\n{header}: {text}\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}".encode()


def _multipart(parameters: str, body: str) -> None:
    message = parse_message(_message("Content-Type", f"multipart/mixed;{parameters}", body))
    bodies.find_part(message, (bodies.SDP,))


READERS: dict[str, Callable[[str], object]] = {
    "a message": lambda text: parse_message(text.encode()),
    "a header of a message": lambda text: parse_message(_message("X", text)),
    "a stream": lambda text: SipStream().receive(text.encode(), 0.0),
    "a Content-Length in a stream": lambda text: SipStream().receive(
        f"X: y\r\nl:{text[: len(text) // 2]}a\r\n\r\n".encode(), 0.0
    ),
    "a URI": lambda text: uri.parse_uri(f"sip:{text}"),
    "a URI's parameters": lambda text: uri.parse_uri(f"sip:a@b;{text}"),
    "two URIs that are compared": lambda text: uri_comparison.equivalent(
        uri.parse_uri(f"sip:a@b;{text}"), uri.parse_uri(f"sip:A@b;{text}")
    ),
    "an address": uri.parse_name_address.__wrapped__,
    "an address's parameters": lambda text: uri.parse_name_address.__wrapped__(f"<sip:a@b>;{text}"),
    "a list": uri.split_list,
    "a Contact": parse_contact,
    "a Via": via.parse_via.__wrapped__,
    "a Via's parameters": lambda text: via.check_via(f"SIP/2.0/UDP a;{text}"),
    "where a Via came from": lambda text: serialize.stamped_via(f"SIP/2.0/UDP a;{text}", SOURCE),
    "a tag": tag.tag_of,
    "a Reason": lambda text: reason_header.q850_cause([text]),
    "a Session-Expires": lambda text: session_timer.session_expires(parse_message(_message("Session-Expires", text))),
    "a Supported": lambda text: session_timer.supports(parse_message(_message("Supported", text)), "x"),
    "a challenge": lambda text: digest.parse_challenge(f"Digest {text}"),
    "an SDP": lambda text: sdp.parse_sdp(f"v=0\r\n{text}".encode()),
    "a media line": lambda text: sdp.parse_sdp(f"v=0\r\nm=audio 9 RTP/AVP {text}".encode()),
    "a multipart body": lambda text: _multipart("boundary=x", text),
    "a boundary": lambda text: _multipart(f"boundary={text}", "--x\r\n"),
    "a number": lambda text: number._read(text, telephone=False),
    "a telephone number": lambda text: number._read(f"+1{text}", telephone=True),
    "a number or a whole address": number.number_of,
    "a whole address": lambda text: number.number_of(f"sip:{text}"),
    "an event of FreeSWITCH": lambda text: FrameReader().receive(text.encode()),
    "candidates of FreeSWITCH's dialplan": read_candidates,
    "a frame of Kamailio": lambda text: NetstringDecoder(100_000).feed(text.encode()),
    "a message of Kamailio": lambda text: decode(text.encode()),
}


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    before=st.sampled_from(["", "a", '"', "<"]),
    unit=st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join),
    after=st.sampled_from(["", "a", '"', ">", "\r\n\r\n"]),
)
@example(before="", unit='""', after="")
@example(before="", unit='"\\"', after="")
@example(before="a", unit=" ", after="a")
@example(before="", unit="Q.850;", after="")
@example(before="", unit=";", after='"')
@example(before="", unit="a:b\n\n", after="")
def test_four_times_as_much_is_some_four_times_the_work(reader: str, before: str, unit: str, after: str) -> None:
    def read(length: int) -> None:
        with contextlib.suppress(PeerError, ValueError):
            READERS[reader](f"{before}{unit * (length // len(unit))}{after}")

    assert grows_in_its_length(read)


@pytest.mark.parametrize("end", ["", "\r\n\r\n"])
def test_a_head_that_comes_byte_by_byte_is_looked_through_once(end: str) -> None:
    def receive(length: int) -> None:
        stream = SipStream()
        for byte in ("X: " + "a" * (length // 2) + end).encode():
            stream.receive(bytes([byte]), 0.0)

    assert grows_in_its_length(receive)
