"""The SIP message parser: RFC 4475's torture messages, and whatever hypothesis thinks of."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.errors import MalformedMessage, OversizedFrame, SipioError
from sipio.sip import Request, Response, parse_message
from sipio.sip.message import HEADER_COUNT, MESSAGE_BYTES

INVITE = (
    b"INVITE sip:15551234567@10.0.0.1:5060 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK-1\r\n"
    b'f: "Alice" <sip:alice@example.com>;tag=123\r\n'
    b"t: <sip:15551234567@10.0.0.1>\r\n"
    b"i: one@10.0.0.9\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"X-Twice: a\r\n"
    b"x-twice: b\r\n"
    b"P-Asserted-Identity: <sip:alice@example.com>, <tel:+15550000>\r\n"
    b"l: 4\r\n\r\nbody"
)

# RFC 4475 clause 3.1.1.1, A Short Tortuous INVITE
WSINV = (
    b"INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n"
    b"TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n"
    b'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n'
    b"MaX-fOrWaRdS: 0068\r\n"
    b"Call-ID: wsinv.ndaksdj@192.0.2.1\r\n"
    b"Content-Length   : 150\r\n"
    b"cseq: 0009\r\n  INVITE\r\n"
    b"Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n"
    b"s :\r\n"
    b"NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
    b"UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n"
    b"v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n"
    b"  branch  =   z9hG4bK9ikj8  ,\r\n SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
    b'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n'
    b"  secondparam ; q = 0.33\r\n\r\n"
)
WSINV += b"v=0\r\n" + b"x" * 145

COMMON = (
    b"To: sip:user@example.com;tag=1\r\nFrom: sip:caller@example.net;tag=2\r\nCall-ID: c@192.0.2.1\r\n"
    b"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw\r\n"
)


def options(start: bytes = b"OPTIONS sip:user@example.com SIP/2.0", extra: bytes = b"") -> bytes:
    return start + b"\r\n" + COMMON + extra + b"\r\n"


def test_what_a_usual_invite_holds() -> None:
    message = parse_message(INVITE)
    assert isinstance(message, Request)
    assert (message.method, message.uri, message.version) == ("INVITE", "sip:15551234567@10.0.0.1:5060", "SIP/2.0")
    assert message.get("call-id") == message.get("I") == "one@10.0.0.9"
    assert message.get_all("X-TWICE") == ["a", "b"]
    assert message.spellings("X-Twice") == ["X-Twice", "x-twice"]
    assert message.spellings("From") == ["f"]
    assert message.spellings("Nothing") == []
    assert message.headers[0] == ("Via", "SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK-1")
    assert message.body == b"body"
    assert message.raw is INVITE
    caller = message.address("From")
    assert caller is not None
    assert (caller.display_name, caller.uri.user, caller.tag) == ("Alice", "alice", "123")
    asserted = message.address("P-Asserted-Identity")
    assert asserted is not None
    assert asserted.uri.host == "example.com"
    assert message.address("Reply-To") is None
    assert message.request_uri().user == "15551234567"
    message.verify()


def test_a_response() -> None:
    message = parse_message(b"SIP/2.0 404 Not Found Here\r\nCSeq: 1 INVITE\r\n\r\n")
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (404, "Not Found Here")
    no_reason = parse_message(b"SIP/2.0 100 \r\n\r\n")  # RFC 4475 clause 3.1.1.13
    assert isinstance(no_reason, Response)
    assert no_reason.reason == ""


def test_rfc4475_short_tortuous_invite() -> None:
    message = parse_message(WSINV)
    assert isinstance(message, Request)
    assert message.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert message.get("Subject") == ""
    assert message.get("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    assert message.sequence() == (9, "INVITE")
    caller, to, contact = message.address("From"), message.address("To"), message.address("Contact")
    assert caller is not None
    assert to is not None
    assert contact is not None
    assert (caller.display_name, caller.tag) == ('J Rosenberg \\"', "98asjd8")
    assert to.tag == "1918181833n"
    assert contact.display_name == 'Quoted string ""'
    assert contact.parameters == {"newparam": "newvalue", "secondparam": None, "q": "0.33"}
    assert len(message.get_all("Via")) == 2
    assert len(message.body) == 150
    message.verify()


def test_rfc4475_wide_range_of_valid_characters() -> None:  # clause 3.1.1.2
    method = b"!interesting-Method0123456789_*+`.%indeed'~"
    uri = b"sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com"
    message = parse_message(
        options(method + b" " + uri + b" SIP/2.0", b"extensionHeader-!.%*+_`'~: \xef\xbb\xbf\xe5\xa4\xa7\r\n")
    )
    assert isinstance(message, Request)
    assert message.method == method.decode()
    assert message.request_uri().host == "example.com"
    assert message.get("extensionheader-!.%*+_`'~") == "\ufeff大"


def test_rfc4475_escapes() -> None:  # clauses 3.1.1.3 to 3.1.1.5
    message = parse_message(options(b"OPTIONS sip:sips%3Auser%40example.com@example.net SIP/2.0"))
    assert isinstance(message, Request)
    assert message.request_uri().decoded_user == "sips:user@example.com"
    null = parse_message(options(b"REGISTER sip:null-%00-null@example.com SIP/2.0"))
    assert isinstance(null, Request)
    assert null.request_uri().decoded_user == "null-\0-null"
    percent = parse_message(options(b"RE%47IST%45R sip:registrar.example.com SIP/2.0"))
    assert isinstance(percent, Request)
    assert percent.method == "RE%47IST%45R", "a method is no URI"


def test_rfc4475_no_white_space_before_the_bracket() -> None:  # clause 3.1.1.6
    message = parse_message(options(extra=b"Contact: caller<sip:caller@example.com>;tag=323\r\n"))
    contact = message.address("contact")
    assert contact is not None
    assert contact.display_name == "caller"


def test_rfc4475_long_values() -> None:  # clause 3.1.1.7
    name = b"amazinglylongcallername" * 20
    message = parse_message(
        options(extra=b'Contact: "' + name + b'" <sip:a@b.example>\r\nUnknown: ' + b"long" * 900 + b"\r\n")
    )
    contact = message.address("Contact")
    assert contact is not None
    assert contact.display_name == name.decode()


def test_rfc4475_extra_trailing_octets() -> None:  # clause 3.1.1.8
    second = options()
    message = parse_message(options(extra=b"Content-Length: 0\r\n") + second)
    assert message.body == b""


def test_rfc4475_semicolon_in_the_user_part() -> None:  # clause 3.1.1.9
    message = parse_message(options(b"OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0"))
    assert isinstance(message, Request)
    assert message.request_uri().user == "user;par=u%40example.net"
    assert message.request_uri().parameters == {}


def test_rfc4475_multipart_body_is_left_alone() -> None:  # clause 3.1.1.11
    body = b"--b\r\n\r\nHello\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n\x00\xff\x80\r\n--b--"
    message = parse_message(options(extra=b"l: %d\r\n" % len(body)) + body)
    assert message.body == body


def test_rfc4475_unusual_reason_phrase() -> None:  # clause 3.1.1.12
    reason = "= 2**3 * 5**2 но сто девяносто девять - простое"
    message = parse_message(f"SIP/2.0 200 {reason}\r\n\r\n".encode())
    assert isinstance(message, Response)
    assert message.reason == reason


@pytest.mark.parametrize(
    ("data", "clause"),
    [
        (options(extra=b"Content-Length: 9999\r\n"), "3.1.2.2 length larger than the message"),
        (options(extra=b"Content-Length: -999\r\n"), "3.1.2.3 negative length"),
        (options(extra=b"Content-Length: 1\r\nl: 0\r\n") + b"x", "two lengths that differ"),
        (options(extra=b"no colon here\r\n"), "3.1.2.1 extraneous text"),
        (options(extra=b"bad name: x\r\n"), "a space inside a header name"),
        (options(extra=b": x\r\n"), "no header name"),
        (options(b"OPTIONS sip:user@example.com; lr SIP/2.0"), "3.1.2.8 white space in the Request-URI"),
        (options(b"OPTIONS  sip:user@example.com  SIP/2.0"), "3.1.2.9 more than one space in the start line"),
        (options(b"OPTIONS sip:user@example.com SIP/2.0  "), "3.1.2.10 spaces after the start line"),
        (options(b"OPTIONS sip:user@example.com"), "no version"),
        (b"SIP/2.0 4294967301 better not break the receiver\r\n\r\n", "3.1.2.19 status over 699"),
        (b"SIP/2.0 099 low\r\n\r\n", "status under 100"),
        (b"SIP/x 200 OK\r\n\r\n", "bad version"),
        (b"", "nothing"),
        (b"\r\n\r\n", "a keep-alive"),
        (b"INVITE sip:a SIP/2.0\r\n folded first\r\n\r\n", "a continuation of nothing"),
    ],
)
def test_not_readable_without_guessing(data: bytes, clause: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_message(data)


def replaced(old: bytes, new: bytes) -> bytes:
    assert old in options()
    return options().replace(old, new)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (replaced(b"CSeq: 1 OPTIONS\r\n", b""), "no CSeq"),
        (replaced(b"CSeq: 1 OPTIONS", b"CSeq: 36893488147419103232 OPTIONS"), "3.1.2.4 CSeq past 32 bits"),
        (replaced(b"CSeq: 1 OPTIONS", b"CSeq: 4294967296 OPTIONS"), "just past"),
        (replaced(b"CSeq: 1 OPTIONS", b"CSeq: 1 INVITE"), "3.1.2.17 another method"),
        (replaced(b"CSeq: 1 OPTIONS", b"CSeq: one OPTIONS"), "no number"),
        (replaced(b"Call-ID: c@192.0.2.1\r\n", b"Call-ID: c\r\nCall-ID: d\r\n"), "3.3.8 two Call-IDs"),
        (replaced(b"To: sip:user@example.com;tag=1\r\n", b""), "3.3.1 no To"),
        (replaced(b"To: sip:user@", b'To: "Mr J. User <sip:j@'), "3.1.2.6 unterminated quote"),
        (replaced(b"OPTIONS sip:user@example.com", b"OPTIONS <sip:user@example.com>"), "3.1.2.7 <> around it"),
        (replaced(b"To: sip:user@example.com", b"To: Bell, Alexander <sip:a.g.bell@bell-tel.com>"), "3.1.2.15"),
    ],
)
def test_readable_but_not_to_be_acted_on(data: bytes, what: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_message(data).verify()


def test_another_version_is_told_from_nonsense() -> None:  # RFC 4475 clause 3.1.2.16: the answer is 505
    assert parse_message(options(b"OPTIONS sip:t@example.com SIP/7.0")).version == "SIP/7.0"


def test_bare_line_feeds_and_keep_alives_before_the_message() -> None:
    message = parse_message(b"\r\n\r\n" + INVITE.replace(b"\r\n", b"\n"))
    assert message.get("X-Twice") == "a"
    assert message.body == b"body"
    mixed = parse_message(b"OPTIONS sip:a SIP/2.0\r\nX: 1\nY: 2\r\n\r\n")
    assert mixed.headers == [("X", "1"), ("Y", "2")], "as Kamailio reads it: a header may not hide behind a LF"


def test_bytes_that_are_no_utf8_become_latin1() -> None:
    assert parse_message(options(extra=b"X-Name: M\xfcller\r\n")).get("X-Name") == "Müller"


def test_caps() -> None:
    with pytest.raises(OversizedFrame):
        parse_message(b"x" * (MESSAGE_BYTES + 1))
    with pytest.raises(OversizedFrame):
        parse_message(options(extra=b"X: 1\r\n" * HEADER_COUNT))


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for candidate in (data, b"INVITE sip:a@b SIP/2.0\r\n" + data, INVITE[:60] + data + INVITE[60:]):
        try:
            message = parse_message(candidate)
            message.verify()
        except SipioError:
            continue
        assert message.raw == candidate


@given(st.data())
def test_a_message_with_a_few_bytes_changed_is_read_or_refused(data: st.DataObject) -> None:
    changed = bytearray(WSINV)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(SipioError):
        parse_message(bytes(changed)).verify()


_names = st.from_regex(r"X-[A-Za-z0-9]{1,12}", fullmatch=True)
_values = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=40).map(str.strip)


@given(st.lists(st.tuples(_names, _values), max_size=10), st.binary(max_size=50))
def test_headers_come_back_as_written(headers: list[tuple[str, str]], body: bytes) -> None:
    head = "INVITE sip:a@b SIP/2.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers)
    message = parse_message(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert [(name, value) for name, value in message.headers[:-1]] == [
        (name, value.strip(" \t")) for name, value in headers
    ]
    assert message.body == body
