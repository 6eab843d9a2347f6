"""URIs, name-addrs and Via."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from sipio.errors import MalformedMessage
from sipio.sip import parse_name_address, parse_uri, parse_via, split_list
from sipio.sip.uri import escape_user, with_number


def test_every_part_of_a_uri() -> None:
    uri = parse_uri("SIPS:alice:secret@[2001:db8::1]:5061;transport=TCP;lr?Subject=a@b&Priority=x")
    assert (uri.scheme, uri.user, uri.password) == ("sips", "alice", "secret")
    assert (uri.host, uri.port, uri.address) == ("[2001:db8::1]", 5061, "[2001:db8::1]:5061")
    assert uri.parameters == {"transport": "TCP", "lr": None}
    assert uri.headers == "Subject=a@b&Priority=x"


def test_a_uri_without_a_user() -> None:
    uri = parse_uri("sip:gw.example;lr")
    assert (uri.user, uri.host, uri.port, uri.address) == ("", "gw.example", None, "gw.example")


def test_tel_and_other_schemes() -> None:
    tel = parse_uri("tel:+1-201-555-0123;phone-context=example.com")
    assert (tel.user, tel.parameters) == ("+1-201-555-0123", {"phone-context": "example.com"})
    assert parse_uri("urn:service:sos").scheme == "urn"


@pytest.mark.parametrize(
    "text",
    ["", "alice", "sip:", "sip:@host", "sip:a@", "sip:a@b:port", "sip:a@b:70000", "sip:a@b:", "sip:a@[::1",
     "sip:a@[::1]x", "sip:a b@c", "<sip:a@b>", "tel:", "1sip:a@b", "sip:a@b@c", 'sip:"a"@b'],
)  # fmt: skip
def test_no_uri(text: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_uri(text)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_an_escaped_user_comes_back_and_breaks_out_of_nothing(text: str) -> None:
    uri = parse_uri(f"sip:{escape_user(text)}@host.example:5060;lr")
    assert uri.decoded_user == text
    assert (uri.host, uri.port, uri.parameters) == ("host.example", 5060, {"lr": None})


def test_name_address_forms() -> None:
    quoted = parse_name_address('"Bell, Alexander \\"A\\"" <sip:a@b;x=1>;tag=t;note="q;r"')
    assert quoted.display_name == 'Bell, Alexander "A"'
    assert quoted.uri.parameters == {"x": "1"}
    assert quoted.parameters == {"tag": "t", "note": "q;r"}
    bare = parse_name_address("sip:a@b;tag=t")
    assert (bare.tag, bare.uri.parameters) == ("t", {})
    token = parse_name_address("  Mr Watson  <sip:w@b>")
    assert token.display_name == "Mr Watson"


@pytest.mark.parametrize(
    "text", ['"open <sip:a@b>', '"name" sip:a@b', "<sip:a@b", "a, b <sip:a@b>", "<sip:a@b> x", "", '"\\']
)
def test_no_name_address(text: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_name_address(text)


def test_lists_split_outside_quotes_and_brackets() -> None:
    assert split_list('"a, b" <sip:x@y;q="1,2">, <sip:c,d@e> ,, tel:1') == [
        '"a, b" <sip:x@y;q="1,2">',
        "<sip:c,d@e>",
        "tel:1",
    ]
    assert split_list(" ") == []


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_uri, parse_name_address, parse_via, split_list):
        try:
            parse(text)
        except MalformedMessage:
            continue


def test_via() -> None:
    via = parse_via("SIP  / 2.0  / TCP     spindle.example.com   ;  branch  =   z9hG4bK9ikj8  , SIP/2.0/UDP h;branch=2")
    assert (via.transport, via.host, via.port, via.branch) == ("TCP", "spindle.example.com", None, "z9hG4bK9ikj8")
    with_port = parse_via("SIP/2.0/UDP [::1]:5062;rport;branch=x;received=::2")
    assert (with_port.host, with_port.port, with_port.branch) == ("[::1]", 5062, "x")
    assert parse_via("SIP/2.0/UDP h, SIP/2.0/UDP g;branch=not-its-own").branch == ""
    with pytest.raises(MalformedMessage):
        parse_via("HTTP/1.1 h")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("sip:+44-20-79460000;npdi;rn=+44111@h;user=phone", "+442079460000"),
        ("sip:(020)7946@h;user=phone", "0207946"),
        ("sip:020-7946@h", "020-7946"),
        ("tel:020-7946;phone-context=+44", "0207946"),
        ("tel:+44-20-79460000;npdi", "+442079460000"),
        ("sip:%2b44@h", "+44"),
        ("sip:alice;day=tuesday@atlanta.com", "alice;day=tuesday"),
        ("sip:h", ""),
    ],
)
def test_the_number_of_a_uri(text: str, number: str) -> None:
    assert parse_uri(text).number.text == number


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("sip:+44;npdi;rn=+44111@h:5070;user=phone?X=1", "sip:77@h:5070;user=phone?X=1"),
        ("SIPS:a:secret@[::1];lr", "SIPS:77@[::1];lr"),
        ("sip:h;lr", "sip:77@h;lr"),
        ("tel:+44;npdi;rn=+1", "tel:77"),
        ("tel:44;phone-context=example.com;npdi", "tel:77;phone-context=example.com"),
    ],
)
def test_another_number_goes_out_with_none_of_the_old_ones_parameters(text: str, written: str) -> None:
    assert with_number(parse_uri(text), "77") == written
    parse_uri(written)


def test_a_global_number_needs_no_context() -> None:
    assert with_number(parse_uri("tel:44;phone-context=example.com"), "+77") == "tel:+77"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_a_number_written_into_a_uri_breaks_out_of_nothing(text: str) -> None:
    uri = parse_uri(with_number(parse_uri("sip:1;rn=2@host.example:5060;lr"), text))
    assert uri.decoded_user == text
    assert (uri.host, uri.port, uri.parameters) == ("host.example", 5060, {"lr": None})


_PIECES = st.sampled_from(
    [
        '"',
        "Bell",
        " ",
        "\\",
        "<",
        ">",
        "sip:",
        "tel:",
        "1",
        "a@b",
        ":",
        "5060",
        ";",
        "tag",
        "=",
        "x",
        "%3b",
        ",",
        "Lr",
        "?",
    ]
)


@given(st.sampled_from(["", '"Bell" <sip:a@b>']), st.lists(_PIECES, max_size=16).map("".join))
def test_an_address_is_read_the_same_whether_white_space_is_around_it_or_not(start: str, rest: str) -> None:
    def read(text: str) -> object:
        try:
            return structs.replace(parse_name_address(text), raw="")
        except MalformedMessage:
            return None

    assert read(start + rest) == read(f" {start}{rest}")
