"""Where a stranger's URL may lead: nowhere but to the open internet, however the address is written or wrapped."""

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.address_gate import allow_global, is_global, is_literal
from sipio.gated_resolver import GatedResolver


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "2606:2800:220:1::1",
        "64:ff9b::5db8:d822",  # 93.184.216.34 through NAT64
        "::ffff:93.184.216.34",
    ],
)
def test_the_open_internet_is_allowed(address: str) -> None:
    assert allow_global("x", address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # metadata of clouds
        "100.64.0.1",
        "100.100.100.200",  # the same of one more
        "192.0.0.192",  # and of another
        "192.88.99.1",
        "198.18.0.1",
        "203.0.113.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "::",
        "::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:0:127.0.0.1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "64:ff9b:1::7f00:1",
        "::7f00:1",
        "::ffff:10.0.0.1",
        "::ffff:7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:5db8:d822::1",  # 6to4, whatever is in it
        "2001:0:7f00:1::",  # Teredo, whose server is 127.0.0.1
    ],
)
def test_what_is_not_the_open_internet_is_refused(address: str) -> None:
    assert not allow_global("x", address)


@given(st.ip_addresses(v=4))
def test_what_wraps_an_address_is_no_better_than_the_address(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    wrappings = [
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
    ]
    assert [is_global(wrapped) for wrapped in wrappings] == [is_global(address)] * 2


@given(st.ip_addresses())
def test_every_address_has_an_answer(address: Any) -> None:
    assert is_literal(str(address))
    assert allow_global("x", str(address)) is is_global(address)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost", ""])
def test_what_only_a_resolver_takes_for_an_address_is_left_to_it(host: str) -> None:
    assert not is_literal(host)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost", "0"])
async def test_a_name_of_this_machine_resolves_to_nothing(host: str) -> None:
    resolver = GatedResolver(allow_global)
    with pytest.raises(OSError, match=r"no address that may be connected to|not known|No address"):
        await resolver.resolve(host, 80)
    await resolver.close()
