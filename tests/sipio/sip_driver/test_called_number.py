"""Which trunk a call comes by, and which number it is for."""

import pytest

from sipio.sip.message import Request, parse_message
from sipio.sip_driver.called_number import called_address, trunk_of
from sipio.sip_driver.settings import Trunk


def invite(uri: str, to: str = "<sip:+442079460000@provider.example>", *headers: str) -> Request:
    lines = [f"INVITE {uri} SIP/2.0", f"To: {to}", *headers]
    message = parse_message("\r\n".join([*lines, "", ""]).encode())
    assert isinstance(message, Request)
    return message


def trunk(name: str, called_number: str = "", contact_user: str = "", hosts: tuple[str, ...] = ("192.0.2.1",)) -> Trunk:
    return Trunk(
        name=name,
        target="sip:{number}@h",
        called_number=called_number,
        contact_user=contact_user,
        hosts=frozenset(hosts),
    )


def called(request: Request, *trunks: Trunk, source: str = "192.0.2.1") -> str:
    return called_address(request, trunk_of(request, source, trunks), trunks).number.text


ACCOUNT = trunk("t", contact_user="acct1")
OURS = "sip:acct1@198.51.100.1:5060"


def test_the_request_uri_names_the_number() -> None:
    assert called(invite("sip:100;tgrp=a@h")) == "100"
    assert called(invite("sip:100@h"), ACCOUNT) == "100"


def test_of_a_call_to_the_registered_contact_it_is_in_to() -> None:
    assert called(invite(OURS), ACCOUNT) == "+442079460000"
    assert called(invite(OURS, "tel:+44-20-7946-0000;npdi"), ACCOUNT) == "+442079460000"
    assert called(invite(OURS, "tel:+44-20-7946-0000"), trunk("t", contact_user="acct1", hosts=())) == "+442079460000"


def test_or_in_p_called_party_id() -> None:
    request = invite(OURS, "<sip:acct1@p>", 'P-Called-Party-ID: "DDI" <sip:+4930111;npdi@p;user=phone>')
    assert called(request, ACCOUNT) == "+4930111"


@pytest.mark.parametrize(
    ("place", "number"),
    [
        ("request-uri", "acct1"),
        ("Request-URI", "acct1"),
        ("to", "+442079460000"),
        ("To", "+442079460000"),
        ("x-did", "4930222"),
        ("X-Address", "4930333"),
        ("X-Absent", "+442079460000"),
        ("X-Broken", "+442079460000"),
        ("X-Empty", "+442079460000"),
    ],
)
def test_the_operator_chooses_where_it_is(place: str, number: str) -> None:
    request = invite(
        OURS,
        "<sip:+442079460000@provider.example>",
        "X-Did: 4930222",
        "X-Address: <sip:4930333@p>",
        'X-Broken: "',
        "X-Empty:",
    )
    assert called(request, trunk("t", place, "acct1")) == number


def test_where_to_cannot_be_read_either_it_is_the_request_uri() -> None:
    assert called(invite(OURS, "<sip:provider.example>"), ACCOUNT) == "acct1"
    assert called(invite(OURS, '"broken'), ACCOUNT) == "acct1"


def test_trunks_of_one_provider_are_told_apart_by_their_contacts() -> None:
    one, other = trunk("one", contact_user="acct1"), trunk("other", contact_user="acct2")
    both = (one, other)
    assert trunk_of(invite("sip:acct1@h"), "192.0.2.1", both) is one
    assert trunk_of(invite("sip:acct2@h"), "192.0.2.1", both) is other
    assert trunk_of(invite("sip:4420@h"), "192.0.2.1", both) is one


def test_a_contact_makes_no_stranger_a_trunk() -> None:
    assert trunk_of(invite(OURS), "203.0.113.9", (ACCOUNT,)) is None
