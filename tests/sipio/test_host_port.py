"""host:port, read once for the whole product."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.errors import LocalError
from sipio.host_port import HostPort, InvalidHostPort


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9464", "127.0.0.1", 9464),
        ("kamailio.example:8448", "kamailio.example", 8448),
        ("[::1]:0", "::1", 0),
        ("[fe80::1%eth0]:65535", "fe80::1%eth0", 65_535),
        ("[::ffff:192.0.2.1]:1", "::ffff:192.0.2.1", 1),
    ],
)
def test_a_host_and_a_port(text: str, host: str, port: int) -> None:
    parsed = HostPort.parse(text)
    assert (parsed.host, parsed.port) == (host, port)
    assert str(parsed) == text
    assert parsed == HostPort(host, port)
    assert hash(parsed) == hash(HostPort(host, port))


@pytest.mark.parametrize(
    "text",
    ["", "9464", "host", ":9464", ":8448", "host:", "host:x", "host:port", "host:70000", "::1:9464", "host:²", "host:٣",
     "[]:1", "[host]:1", "[::1:1", "::1]:1", "[::1]1", "a b:1", "host:1 ", "host:-1", "host:000001", "host:1\n"],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    with pytest.raises(InvalidHostPort) as caught:
        HostPort.parse(text)
    assert isinstance(caught.value, LocalError)
    assert str(caught.value) == f"expected host:port, such as 127.0.0.1:8448 or [::1]:8448, got {text!r}"


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parsed = HostPort.parse(text)
    except InvalidHostPort:
        return
    assert HostPort.parse(str(parsed)) == parsed


def test_it_cannot_be_changed() -> None:
    address = HostPort("::1", 1)
    with pytest.raises(AttributeError):
        address.port = 2
    assert address != HostPort("::1", 2)
    assert address != "[::1]:1"
    assert repr(address) == "HostPort('::1', 1)"
