"""The examples of RFC 3261 clause 19.1.4, and what they stand for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.errors import MalformedMessage
from sipio.sip import parse_uri
from sipio.sip.uri_comparison import equivalent


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@h:5060;ob", "SIP:a@H:5060"),
        ("sip:a%3bb@h", "sip:a%3Bb@h"),
        ("tel:+1", "tel:+1"),
    ],
)
def test_the_same_address(one: str, other: str) -> None:
    assert equivalent(parse_uri(one), parse_uri(other))
    assert equivalent(parse_uri(other), parse_uri(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@h", "sips:a@h"),
        ("sip:a@h", "sip:a:secret@h"),
        ("sip:a%3bb@h", "sip:a;b@h"),
        ("sip:a@h;user=phone", "sip:a@h"),
        ("sip:h", "sip:a@h"),
        ("tel:+1", "tel:+1;x"),
    ],
)
def test_another_address(one: str, other: str) -> None:
    assert not equivalent(parse_uri(one), parse_uri(other))
    assert not equivalent(parse_uri(other), parse_uri(one))


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_two_are_compared_alike_from_either_side(one: str, other: str) -> None:
    try:
        mine, theirs = parse_uri(f"sip:{one}@h{other}"), parse_uri(f"sip:{other}@h{one}")
    except MalformedMessage:
        return
    assert equivalent(mine, mine)
    assert equivalent(mine, theirs) == equivalent(theirs, mine)
