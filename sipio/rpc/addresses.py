"""Where a MessagePack-RPC server listens and a client connects."""

import ssl
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

import msgspec

from sipio.errors import LocalError
from sipio.host_port import HostPort, InvalidHostPort


class TlsFiles(msgspec.Struct, frozen=True, kw_only=True):
    """PEM files of one end of a TLS connection."""

    certificate: Path | None = None
    """Our certificate chain: a server must have one, a client shows one if asked."""
    key: Path | None = None
    """The private key of ``certificate``."""
    authority: Path | None = None
    """Certificates that the peer's must be signed by. A server that has this demands one of every client;
    a client without it uses the system's."""

    def server_context(self) -> ssl.SSLContext:
        """Load the files. Raises LocalError where one cannot be used."""
        if self.certificate is None or self.key is None:
            raise LocalError("TLS needs a certificate and its key")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._load(context)
        if self.authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client_context(self) -> ssl.SSLContext:
        """Load the files. Raises LocalError where one cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.authority is None:
            context.load_default_certs()
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
            if self.authority is not None:
                context.load_verify_locations(self.authority)
        except (OSError, ssl.SSLError) as error:
            raise LocalError(f"TLS files cannot be used: {error}") from error


class UnixAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A unix socket."""

    path: Path
    mode: int = 0o660
    group: str = ""
    """Group that owns it; empty leaves the process's own."""


class TcpAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A TCP socket."""

    host: str
    port: int
    """0 lets the system choose, for tests."""
    allow: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Networks whose connections are accepted."""
    tls: TlsFiles | None = None


ListenAddress = UnixAddress | TcpAddress


class AllowList:
    """Networks that may connect. Raises `LocalError` for a text that is no network."""

    __slots__ = ("_networks",)

    def __init__(self, networks: tuple[str, ...]) -> None:
        try:
            self._networks: list[IPv4Network | IPv6Network] = [ip_network(text) for text in networks]
        except ValueError as error:
            raise LocalError(f"not a network: {error}") from error

    def allows(self, host: str) -> bool:
        """Whether a connection from this numeric address may stay."""
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return False
        # A dual-stack socket shows an IPv4 peer as ::ffff:a.b.c.d (RFC 4291 2.5.5.2); the operator wrote
        # IPv4.
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._networks)


def parse_address(text: str) -> UnixAddress | TcpAddress:
    """Read ``unix:/path``, ``tcp:host:port`` or ``tcp:[v6]:port``. Raises `LocalError`."""
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest:
        return UnixAddress(path=Path(rest))
    if kind == "tcp":
        try:
            where = HostPort.parse(rest)
        except InvalidHostPort as error:
            raise LocalError(f"{text!r}: {error}") from error
        return TcpAddress(host=where.host, port=where.port)
    raise LocalError(f"{text!r} is neither unix:/path nor tcp:host:port")
