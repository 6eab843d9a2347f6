"""Where connections that strangers' texts ask for may go: the open internet, and nothing of this machine's networks."""

import errno
import ipaddress
import socket
from collections.abc import Callable
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

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


class GatedResolver(AbstractResolver):
    """Names resolve to nothing but allowed addresses, and connections go to what was resolved: a name that changes
    its address between the question and the connection gains nothing."""

    def __init__(self, allow: AllowAddress) -> None:
        self._allow: Final = allow
        self._resolver: Final = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        allowed = [result for result in found if self._allow(host, result["host"])]
        if not allowed:
            raise PermissionError(errno.EACCES, f"{host} has no address that may be connected to")
        return allowed

    async def close(self) -> None:
        await self._resolver.close()
