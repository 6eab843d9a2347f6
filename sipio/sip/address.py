"""Where a SIP message goes to or came from."""

from typing import Final, NamedTuple

from sipio.sip.uri import Uri

DEFAULT_PORT: Final = {"udp": 5060, "tcp": 5060, "tls": 5061}
TRANSPORTS: Final = frozenset(DEFAULT_PORT)


class Address(NamedTuple):
    """One end of a hop: also the identity of a connection, of which there is one per remote address."""

    transport: str
    """``udp``, ``tcp`` or ``tls``."""
    host: str
    """An IP address without brackets, or a name that the shell resolves."""
    port: int
    local: str = ""
    """Which of our UDP sockets it leaves from, or came in by; empty for the first that fits, and for connections."""

    @property
    def reliable(self) -> bool:
        """Whether the transport retransmits by itself (RFC 3261 clause 17)."""
        return self.transport != "udp"

    @property
    def host_port(self) -> str:
        """``host:port``, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(uri: Uri, transport: str = "") -> Address:
    """Where requests to a URI are sent, by RFC 3263 without NAPTR and SRV: its maddr or host, its port or the default.

    ``transport`` is taken where the URI names none. What is no sip or sips URI gives an address without a host.
    """
    chosen = (uri.parameters.get("transport") or transport or "udp").lower()
    if uri.scheme == "sips":
        chosen = "tls"
    host = uri.parameters.get("maddr") or uri.host
    return Address(chosen, host.strip("[]").lower(), uri.port or DEFAULT_PORT.get(chosen, 5060))
