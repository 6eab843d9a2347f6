"""Which of our addresses each peer is to know us by, in SIP and in SDP."""

import pytest

from sipio.errors import LocalError
from sipio.sip.address import Address
from sipio.sip.listeners import Listeners, Listening, MediaAddress

ROUTES = {"10.1.0.9": "10.1.0.1", "10.2.0.9": "10.2.0.1", "2001:db8:9::9": "2001:db8::1"}
"""What reaches each peer."""


def listeners(*bound: str, advertised: str = "", transport: str = "udp") -> Listeners:
    made = Listeners(lambda host: ROUTES.get(host, ""))
    for number, host in enumerate(bound):
        unspecified = host in {"0.0.0.0", "::"}
        address = Address(
            transport, advertised or ("192.0.2.77" if unspecified else host), 5060, f"{transport}{number}"
        )
        made.add(Listening(address, host, unspecified and not advertised))
    return made


def peer(host: str, local: str = "", transport: str = "udp") -> Address:
    return Address(transport, host, 5060, local)


def test_a_peer_knows_us_by_the_listener_that_it_came_in_by() -> None:
    two = listeners("10.1.0.1", "10.2.0.1")
    assert two.towards(peer("10.1.0.9", "udp1")).host == "10.2.0.1"
    assert two.towards(peer("10.2.0.9", "udp0")).host == "10.1.0.1"


def test_whom_we_call_first_knows_us_by_the_address_that_reaches_it() -> None:
    two = listeners("10.1.0.1", "10.2.0.1", "2001:db8::1")
    assert two.towards(peer("10.1.0.9")) == Address("udp", "10.1.0.1", 5060, "udp0")
    assert two.towards(peer("10.2.0.9")) == Address("udp", "10.2.0.1", 5060, "udp1")
    assert two.towards(peer("2001:db8:9::9")) == Address("udp", "2001:db8::1", 5060, "udp2")
    assert two.towards(peer("198.51.100.9")).host == "10.1.0.1", "the first, where no route says"
    assert two.towards(peer("gateway.example")).host == "10.1.0.1", "the first, until it is located"
    with pytest.raises(LocalError):
        two.towards(peer("10.1.0.9", transport="tcp"))


def test_a_wildcard_is_told_as_each_peer_sees_it_unless_an_address_is_advertised() -> None:
    everywhere = listeners("0.0.0.0")
    assert everywhere.towards(peer("10.1.0.9", "udp0")).host == "10.1.0.1"
    assert everywhere.towards(peer("10.2.0.9", "udp0")).host == "10.2.0.1"
    assert everywhere.towards(peer("198.51.100.9")).host == "192.0.2.77"
    told = listeners("0.0.0.0", advertised="203.0.113.9")
    assert told.towards(peer("10.1.0.9", "udp0")).host == "203.0.113.9"
    assert told.for_media(told.towards(peer("10.1.0.9", "udp0")), "10.1.0.9") == MediaAddress("0.0.0.0", "203.0.113.9")


def test_a_connection_in_place_of_datagrams_is_in_the_same_network() -> None:
    both = listeners("10.1.0.1", "10.2.0.1")
    for number, host in enumerate(("10.1.0.1", "10.2.0.1")):
        both.add(Listening(Address("tcp", host, 5060, f"tcp{number}"), host, False))
    assert both.towards(peer("10.1.0.9", "udp1", "tcp")) == Address("tcp", "10.2.0.1", 5060, "tcp1")


def test_media_is_in_the_network_of_its_signalling_and_in_the_family_of_the_other_partys() -> None:
    three = listeners("10.1.0.1", "10.2.0.1", "2001:db8::1")
    second = three.towards(peer("10.2.0.9", "udp1"))
    assert three.for_media(second) == MediaAddress("10.2.0.1", "10.2.0.1")
    assert three.for_media(second, "10.1.0.9") == MediaAddress("10.2.0.1", "10.2.0.1")
    assert three.for_media(second, "0.0.0.0") == MediaAddress("10.2.0.1", "10.2.0.1")
    assert three.for_media(second, "2001:db8:9::9") == MediaAddress("2001:db8::1", "2001:db8::1")
    sixth = three.towards(peer("2001:db8:9::9", "udp2"))
    assert three.for_media(sixth, "10.2.0.9") == MediaAddress("10.2.0.1", "10.2.0.1")
    alone = listeners("10.1.0.1")
    first = alone.towards(peer("10.1.0.9"))
    assert alone.for_media(first, "2001:db8:9::9") == MediaAddress("2001:db8::1", "2001:db8::1"), "listened on or not"
    assert alone.for_media(first, "2001:db8:7::7") == MediaAddress("10.1.0.1", "10.1.0.1"), "no way there"
