"""SDP as data, and what two parties agree on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.errors import MalformedMessage
from sipio.sip.media_description import LocalMedia, MediaDirection
from sipio.sip.offer_answer import MediaNegotiation, NoCommonMedia
from sipio.sip.sdp import (
    MEDIA_LINES,
    SDP_BYTES,
    Codec,
    MediaLine,
    Origin,
    SessionDescription,
    build_sdp,
    parse_sdp,
)

OURS = LocalMedia(host="192.0.2.1", port=4000)


def sdp(*lines: str, host: str = "198.51.100.7", version: int = 1) -> bytes:
    family = "IP6" if ":" in host else "IP4"
    head = ["v=0", f"o=- 9 {version} IN {family} {host}", "s=-", f"c=IN {family} {host}", "t=0 0"]
    return "\r\n".join([*head, *lines, ""]).encode()


AUDIO = "m=audio 5000 RTP/AVP 8 0 96"
EVENT = "a=rtpmap:96 telephone-event/8000"


def test_the_offerers_order_and_numbers_count() -> None:
    body, agreed = MediaNegotiation("1").answer(sdp(AUDIO, EVENT, "a=ptime:30"), OURS)
    assert (agreed.codec, agreed.payload_type, agreed.ptime_ms) == ("PCMA", 8, 30)
    assert agreed.receive_codecs == {8: "PCMA", 0: "PCMU"}
    assert agreed.dtmf_payload_type == agreed.dtmf_receive_payload_type == 96
    assert (agreed.remote_host, agreed.remote_port, agreed.remote_rtcp_port) == ("198.51.100.7", 5000, 5001)
    assert b"m=audio 4000 RTP/AVP 8 0 96\r\n" in body
    assert b"a=rtpmap:96 telephone-event/8000\r\n" in body


@pytest.mark.parametrize(
    ("lines", "sent"),
    [
        ((), 20),
        (("a=ptime:10",), 10),
        (("a=ptime:60", "a=maxptime:40"), 40),
        (("a=maxptime:150",), 20),
        (("a=maxptime:10",), 10),
        (("a=ptime:x", "a=maxptime:-1"), 20),
    ],
)
def test_how_long_packets_may_be(lines: tuple[str, ...], sent: int) -> None:
    _, agreed = MediaNegotiation("1").answer(sdp(AUDIO, *lines), OURS)
    assert agreed.ptime_ms == sent


def test_dynamic_numbers_and_rtcp_addresses() -> None:
    body = sdp("m=audio 5000 RTP/AVP 110 18", "a=rtpmap:110 pcmu/8000/1", "a=rtcp:7001 IN IP4 203.0.113.5")
    _, agreed = MediaNegotiation("1").answer(body, OURS)
    assert (agreed.codec, agreed.payload_type) == ("PCMU", 110)
    assert (agreed.remote_rtcp_host, agreed.remote_rtcp_port) == ("203.0.113.5", 7001)
    assert agreed.dtmf_payload_type is None


@pytest.mark.parametrize(
    "lines",
    [
        ["m=audio 5000 RTP/AVP 18"],
        ["m=audio 0 RTP/AVP 0"],
        ["m=video 5000 RTP/AVP 0"],
        ["m=audio 5000 RTP/SAVP 0"],
        ["m=audio 5000 RTP/AVP 96", "a=rtpmap:96 PCMU/16000"],
        ["m=audio 5000 RTP/AVP 0", "a=rtpmap:0 G729/8000"],
        [],
    ],
)
def test_nothing_in_common(lines: list[str]) -> None:
    with pytest.raises(NoCommonMedia):
        MediaNegotiation("1").answer(sdp(*lines), OURS)


def test_other_media_lines_are_refused_in_their_place() -> None:
    body, _ = MediaNegotiation("1").answer(
        sdp("m=video 6000 RTP/AVP 96", AUDIO, "m=audio 7000 RTP/AVP 0", "m=image 8000 udptl t38"), OURS
    )
    lines = [line for line in body.decode().split("\r\n") if line.startswith("m=")]
    assert lines == [
        "m=video 0 RTP/AVP 96",
        "m=audio 4000 RTP/AVP 8 0",
        "m=audio 0 RTP/AVP 0",
        "m=image 0 udptl t38",
    ]


@pytest.mark.parametrize(
    ("offered", "answered", "holds"),
    [
        ("sendrecv", "sendrecv", False),
        ("sendonly", "recvonly", True),
        ("recvonly", "sendonly", False),
        ("inactive", "inactive", True),
    ],
)
def test_directions(offered: str, answered: str, holds: bool) -> None:
    body, agreed = MediaNegotiation("1").answer(sdp(AUDIO, f"a={offered}"), OURS)
    assert f"a={answered}\r\n".encode() in body
    assert (agreed.direction, agreed.peer_holds) == (MediaDirection(answered), holds)


def test_a_direction_of_the_session_is_the_default_of_its_media() -> None:
    body, _ = MediaNegotiation("1").answer(sdp("a=sendonly", AUDIO), OURS)
    assert b"a=recvonly" in body


def test_the_hold_of_rfc_2543() -> None:
    body, agreed = MediaNegotiation("1").answer(sdp(AUDIO, host="0.0.0.0"), OURS)
    assert agreed.peer_holds
    assert agreed.remote_port == 0
    assert b"a=recvonly" in body


def test_our_hold_narrows_the_answer() -> None:
    held = LocalMedia(host="192.0.2.1", port=4000, direction=MediaDirection.INACTIVE)
    _, agreed = MediaNegotiation("1").answer(sdp(AUDIO), held)
    assert agreed.direction is MediaDirection.INACTIVE


def test_ipv6() -> None:
    ours = LocalMedia(host="2001:db8::1", port=4000)
    body, agreed = MediaNegotiation("1").answer(sdp(AUDIO, host="2001:db8::7"), ours)
    assert agreed.remote_host == "2001:db8::7"
    assert b"c=IN IP6 2001:db8::1\r\n" in body


def test_the_version_goes_up_with_a_change_and_only_then() -> None:
    negotiation = MediaNegotiation("5")
    bodies = [
        negotiation.answer(sdp(AUDIO), OURS)[0],
        negotiation.answer(sdp(AUDIO), OURS)[0],
        negotiation.answer(sdp(AUDIO, "a=sendonly"), OURS)[0],
        negotiation.offer(OURS),
    ]
    versions = [body.split(b"\r\n")[1].split()[2] for body in bodies]
    assert versions == [b"1", b"1", b"2", b"3"]


def test_an_offer_keeps_the_number_and_order_of_lines_and_the_agreed_codec_first() -> None:
    negotiation = MediaNegotiation("5")
    negotiation.answer(sdp("m=video 6000 RTP/AVP 96", AUDIO, EVENT), OURS)
    lines = [line for line in negotiation.offer(OURS).decode().split("\r\n") if line.startswith("m=")]
    assert lines == ["m=video 0 RTP/AVP 96", "m=audio 4000 RTP/AVP 8 0 96"]


def test_an_answer_that_takes_nothing_leaves_what_was_agreed() -> None:
    negotiation = MediaNegotiation("5")
    _, before = negotiation.answer(sdp(AUDIO), OURS)
    negotiation.offer(OURS)
    assert negotiation.offer_pending
    with pytest.raises(NoCommonMedia):
        negotiation.accept_answer(sdp("m=audio 0 RTP/AVP 0"))
    negotiation.abandon_offer()
    assert negotiation.agreed == before
    assert not negotiation.offer_pending


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"v=0\r\nm=audio\r\n",
        b"v=0\r\nm=audio x RTP/AVP 0\r\n",
        b"v=0\r\nm=audio 99999 RTP/AVP 0\r\n",
        b"v=0\r\n" + b"m=audio 1 RTP/AVP 0\r\n" * (MEDIA_LINES + 1),
        b"v=0\r\n" + b"a=x\r\n" * SDP_BYTES,
    ],
)
def test_what_is_no_sdp(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_sdp(body)


@given(st.binary(max_size=400))
def test_no_bytes_do_anything_but_parse_or_be_refused(data: bytes) -> None:
    for body in (data, b"v=0\r\nm=audio 4 RTP/AVP 0\r\n" + data):
        try:
            MediaNegotiation("1").answer(body, OURS)
        except (MalformedMessage, NoCommonMedia):
            continue


TOKEN = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
CODEC = st.builds(
    Codec,
    payload_type=st.integers(0, 127),
    name=TOKEN.map(str.upper).filter(lambda name: name != "TELEPHONE-EVENT"),
    clock_rate=st.sampled_from([8000, 16000, 48000]),
    channels=st.integers(1, 2),
    parameters=st.just("") | TOKEN,
)
LINE = st.builds(
    lambda codecs, port, direction, ptime, maxptime, rtcp: MediaLine(
        kind="audio",
        port=port,
        protocol="RTP/AVP",
        formats=[str(codec.payload_type) for codec in codecs],
        codecs=codecs,
        host="192.0.2.3",
        direction=direction,
        ptime_ms=ptime,
        maxptime_ms=maxptime,
        rtcp_port=rtcp,
    ),
    st.lists(CODEC, min_size=1, max_size=6, unique_by=lambda codec: codec.payload_type),
    st.integers(1, 65_535),
    st.sampled_from(MediaDirection),
    st.sampled_from([0, 10, 20, 60]),
    st.sampled_from([0, 20, 150]),
    st.sampled_from([0, 5001]),
)


@given(st.lists(LINE, max_size=4), st.integers(0, 2**62), st.integers(0, 2**62))
def test_what_is_built_is_what_is_parsed(lines: list[MediaLine], session: int, version: int) -> None:
    described = SessionDescription(
        origin=Origin(session_id=str(session), version=str(version), host="192.0.2.3"), media=lines
    )
    assert parse_sdp(build_sdp(described)) == described


@given(
    st.permutations(["PCMU", "PCMA"]).flatmap(lambda order: st.sampled_from([order, order[:1]])),
    st.permutations(["PCMU", "PCMA"]).flatmap(lambda order: st.sampled_from([order, order[:1]])),
    st.sampled_from(MediaDirection),
    st.sampled_from(MediaDirection),
    st.booleans(),
    st.booleans(),
)
def test_both_sides_of_an_offer_agree(
    offered: list[str], taken: list[str], one: MediaDirection, two: MediaDirection, events: bool, their_events: bool
) -> None:
    caller, callee = MediaNegotiation("1"), MediaNegotiation("2")
    ours = LocalMedia(host="192.0.2.1", port=4000, codecs=tuple(offered), direction=one, telephone_event=events)
    theirs = LocalMedia(host="192.0.2.2", port=6000, codecs=tuple(taken), direction=two, telephone_event=their_events)
    offer = caller.offer(ours)
    if not set(offered) & set(taken):
        with pytest.raises(NoCommonMedia):
            callee.answer(offer, theirs)
        return
    answer, seen_by_callee = callee.answer(offer, theirs)
    seen_by_caller = caller.accept_answer(answer)
    assert seen_by_caller.codec == seen_by_callee.codec
    assert seen_by_caller.direction.reversed == seen_by_callee.direction
    assert seen_by_caller.dtmf_payload_type == seen_by_callee.dtmf_receive_payload_type
    assert seen_by_callee.dtmf_payload_type == seen_by_caller.dtmf_receive_payload_type
    assert (seen_by_caller.remote_port, seen_by_callee.remote_port) == (6000, 4000)
