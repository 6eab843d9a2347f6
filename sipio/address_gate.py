"""Where connections that strangers' texts ask for may go: the open internet, and nothing of this machine's networks."""

import ipaddress
from collections.abc import Callable
from typing import Final

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

AllowAddress = Callable[[str, str], bool]
"""Given a URL's host and an IP address of it: whether a connection may be made there."""

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_UNLISTED: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "fec0::/10",  # site-local, deprecated by RFC 3879 and still routed where it was set up
        "64:ff9b:1::/48",  # local-use translation, RFC 8215
        "3fff::/20",  # documentation, RFC 9637
        "5f00::/16",  # segment routing, RFC 9602
        "::/96",  # IPv4-compatible, deprecated by RFC 4291 clause 2.5.5.1
        "::ffff:0:0:0/96",  # IPv4-translated, of RFC 2765, which RFC 6145 follows
        "2002::/16",  # 6to4, deprecated by RFC 7526 with its relays, which follow
        "192.88.99.0/24",
    )
)
"""Special-purpose networks (RFC 6890) that ``is_global`` of Python 3.11 takes for global."""


def allow_global(host: str, address: str) -> bool:  # noqa: ARG001 - a policy may look at the name
    """Only addresses of the open internet: nothing of this machine, its networks or a cloud's metadata."""
    return is_global(parse_address(address))


def parse_address(text: str) -> IPAddress:
    """An IP address as a resolver or a URL writes it, perhaps with the zone of a link. Raises ValueError."""
    return ipaddress.ip_address(text.partition("%")[0])


def is_global(address: IPAddress) -> bool:
    """Whether an address is one of the open internet, as is the IPv4 address that may be wrapped in it."""
    wrapped = _wrapped(address)
    if wrapped is not None:
        return is_global(wrapped)
    return (
        address.is_global
        and not address.is_multicast
        and not any(address in network for network in _UNLISTED if network.version == address.version)
    )


def _wrapped(address: IPAddress) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a connection to this one goes to."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:  # RFC 6052 clause 2.1
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped


def is_literal(host: str) -> bool:
    """Whether a URL's host is an address already, of which no resolver is asked."""
    try:
        parse_address(host)
    except ValueError:
        return False
    return True
