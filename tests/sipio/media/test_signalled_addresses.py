"""Where audio goes that an SDP asks for: to one party, or nowhere until that has sent some."""

import pytest

from sipio.media.incoming import signalled_address


@pytest.mark.parametrize("host", ["192.0.2.1", "127.0.0.1", "2001:db8::1"])
def test_one_party(host: str) -> None:
    assert signalled_address(host, 4000) == (host, 4000)


@pytest.mark.parametrize(
    "host",
    ["224.1.1.1", "239.255.0.1", "ff02::1", "255.255.255.255", "0.0.0.0", "::", "phone.test", "127.0.0.1x", ""],
)
def test_nobody_in_particular(host: str) -> None:
    assert signalled_address(host, 4000) is None


def test_no_port() -> None:
    assert signalled_address("192.0.2.1", 0) is None
