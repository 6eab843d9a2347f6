"""Where a SIP message goes to or came from."""

import ipaddress
from functools import lru_cache
from typing import Final, NamedTuple

from sipio.sip.uri import Uri

DEFAULT_PORT: Final = {"udp": 5060, "tcp": 5060, "tls": 5061}
TRANSPORTS: Final = frozenset(DEFAULT_PORT)


class Address(NamedTuple):
    """One end of a hop: also the identity of a connection, of which each listener has one per remote address."""

    transport: str
    """``udp``, ``tcp`` or ``tls``."""
    host: str
    """An IP address without brackets, or a name that the shell resolves."""
    port: int
    """0 for a name alone: its SRV records have the port (RFC 3263 clause 4.2)."""
    local: str = ""
    """Which of our listeners it leaves from, or came in by; empty for the first that fits. A connection of ours belongs
    to the listener whose address it has."""
    name: str = ""
    """Whom a TLS certificate has to be for where ``host`` was located by a name (RFC 5922 clause 7.1)."""

    @property
    def reliable(self) -> bool:
        """Whether the transport retransmits by itself (RFC 3261 clause 17)."""
        return self.transport != "udp"

    @property
    def host_port(self) -> str:
        """``host:port``, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(uri: Uri, transport: str = "") -> Address:
    """Where requests to a URI are sent: its maddr or host, and its port, else the default for an IP address.

    ``transport`` is taken where the URI names none. What is no sip or sips URI gives an address without a host.
    """
    chosen = named_transport(uri) or transport or "udp"
    host = host_of(uri)
    port = uri.port or (DEFAULT_PORT.get(chosen, 5060) if is_ip_address(host) else 0)
    return Address(chosen, host, port)


def named_transport(uri: Uri) -> str:
    """The transport that a URI asks for; empty for none."""
    return "tls" if uri.scheme == "sips" else (uri.parameters.get("transport") or "").lower()


def host_of(uri: Uri) -> str:
    """What a URI has us call: its maddr or else its host, in lower case and without brackets."""
    return (uri.parameters.get("maddr") or uri.host).strip("[]").lower()


@lru_cache(maxsize=4_096)
def is_ip_address(host: str) -> bool:
    """Whether a host is an address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
