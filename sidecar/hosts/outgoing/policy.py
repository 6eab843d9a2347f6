"""Where scripts' connections may go: a name, a port, and each address that the name turns out to have."""

import ipaddress
from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from sipio.address_gate import is_global, is_literal, parse_address

SCHEME_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
"""Ports that a URL need not name."""
CONNECTION_PORTS: Final = frozenset((21, 80, 443, 990))
"""Known services that a connection may speak to whose bytes are the script's own: FTP, HTTP, and both over TLS. Mail is
not among them, which is sent as the operator has it (`sidecar.hosts.mail`)."""
LEAST_FREE_PORT: Final = 1024
"""Ports below this are known services: a script speaks to that of its scheme alone, unless one is named."""
CALL_PORTS: Final = frozenset((5060, 5061, 5038, 8021))
"""SIP, Asterisk's manager and FreeSWITCH's event socket: a request in a body of text is a message to each of them."""
DATA_PORTS: Final = frozenset((1433, 1521, 2049, 3306, 3389, 5432, 5900, 6379, 6380, 9200, 11211, 27017))
"""Databases and caches whose protocols take lines of text, or which are nobody's web server."""


class OutgoingRefused(Exception):
    """Where a connection may not go, in words for the author of the script."""


class OutgoingPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Names, networks and ports, as the operator has named them."""

    hosts: tuple[str, ...] = ("*",)
    """Names that may be connected to: one as it is, ``*.example.com`` for all below it, ``*`` for every one. Of an
    address that a URL names itself, in ``networks`` or of the open internet, only ``*`` says yes, or the address."""
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    """Networks of this machine's own side that may be connected to nevertheless."""
    ports: frozenset[int] = frozenset()
    """Ports beside those of the scheme and the free ones."""

    def check_host(self, scheme: str, host: str, port: int | None) -> None:
        """Raises OutgoingRefused for a name, or a port of it, that may not be connected to."""
        if scheme not in SCHEME_PORTS:
            raise OutgoingRefused(f"{scheme}: is not a scheme for a request of a script")
        name = self._check_name(host)
        if port is not None and port != SCHEME_PORTS[scheme]:
            self._check_port(port)
        self._check_literal(host, name)

    def check_connection(self, host: str, port: int, known: Collection[str] = ()) -> None:
        """Raises OutgoingRefused for a name, and a port of it, that no connection may be made to. ``known`` are
        addresses that count as named: those of names that may be connected to."""
        name = self._check_name(host) if host not in known else host
        if port not in CONNECTION_PORTS:
            self._check_port(port)
        self._check_literal(host, name)

    def check_name(self, host: str) -> None:
        """Raises OutgoingRefused for a name that nothing may be asked of."""
        self._check_literal(host, self._check_name(host))

    def _check_name(self, host: str) -> str:
        name = host.rstrip(".").lower()
        if not name:
            raise OutgoingRefused("no host is named")
        if ":" in name and not is_literal(name):
            # Who connects takes it for an address, and asks nobody what it is.
            raise OutgoingRefused(f"{host} is not an address")
        if not names_host(self.hosts, name):
            raise OutgoingRefused(f"{host} is not among the hosts that scripts may reach")
        return name

    def _check_port(self, port: int) -> None:
        free = port >= LEAST_FREE_PORT and port not in CALL_PORTS and port not in DATA_PORTS
        if not free and port not in self.ports:
            raise OutgoingRefused(f"port {port} is not one that scripts may reach")

    def _check_literal(self, host: str, name: str) -> None:
        if is_literal(name) and not self.allows_address(name, name):
            raise OutgoingRefused(f"{host} is not an address that scripts may reach")

    def allows_address(self, host: str, address: str) -> bool:  # noqa: ARG002 - as `sipio.address_gate.AllowAddress`
        """Whether an address that a name has, or is, may be connected to."""
        parsed = parse_address(address)
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        named = any(parsed in network for network in self.networks if network.version == parsed.version)
        return named or is_global(parsed)


def policy(hosts: Iterable[str], networks: Iterable[str], ports: Iterable[int]) -> OutgoingPolicy:
    """The policy of these texts. Raises ValueError for what is no network."""
    return OutgoingPolicy(
        hosts=tuple(host.rstrip(".").lower() for host in hosts),
        networks=tuple(ipaddress.ip_network(network) for network in networks),
        ports=frozenset(ports),
    )


def names_host(patterns: Iterable[str], host: str) -> bool:
    """Whether these name a host: by itself, by what it is below, or all."""
    name = host.rstrip(".").lower()
    return any(_matches(name, pattern) for pattern in patterns)


def _matches(name: str, pattern: str) -> bool:
    return pattern in ("*", name) or (pattern.startswith("*.") and name.endswith(pattern[1:]))
