"""The user agent on real sockets: interface, its body follows."""

import ssl
from collections.abc import Callable

import msgspec

from sipio.sip.address import Address
from sipio.sip.events import SipEvent
from sipio.sip.media_description import LocalMedia
from sipio.sip.session import OutgoingSession
from sipio.sip.settings import Credentials, RegistrationSettings, UserAgentSettings


class SipListener(msgspec.Struct, frozen=True, kw_only=True):
    """One socket to listen on. Outgoing traffic leaves from the first listener of its transport and address family."""

    transport: str = "udp"
    """``udp``, ``tcp`` or ``tls``."""
    host: str = "127.0.0.1"
    port: int = 5060
    """0 for any free one; `SipEndpoint.addresses` tells it."""
    advertised_host: str = ""
    """In Via and Contact; empty for ``host`` (needed where that is a wildcard or behind NAT)."""
    tls: ssl.SSLContext | None = None
    """Server side, for ``tls``."""


class SipEndpoint:
    """`on_event` is called on the event loop for every event, and may call any command. It must not raise."""

    def __init__(
        self,
        listeners: list[SipListener],
        settings: UserAgentSettings,
        on_event: Callable[[SipEvent], None],
        *,
        client_tls: ssl.SSLContext | None = None,
    ) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        """Bind every listener. Raises OSError where one cannot be had; then none is left open."""
        raise NotImplementedError

    async def close(self, grace: float = 5.0) -> None:
        """Refuse new calls with 503, unregister, end every session (480, CANCEL or BYE), wait at most ``grace`` seconds
        for the peers' answers, close every socket."""
        raise NotImplementedError

    def drain(self) -> None:
        """Refuse new calls with 503 from now on; those that are up go on."""
        raise NotImplementedError

    @property
    def addresses(self) -> list[Address]:
        """What is listened on, ports as bound."""
        raise NotImplementedError

    @property
    def sessions(self) -> int:
        """Sessions that have not ended."""
        raise NotImplementedError

    def invite(
        self,
        target: str,
        *,
        from_: str,
        media: LocalMedia,
        headers: list[tuple[str, str]] | None = None,
        credentials: Credentials | None = None,
        proxy: Address | None = None,
    ) -> OutgoingSession:
        """Call ``target`` (a sip, sips URI). ``from_`` is a From value without a tag: ``"A" <sip:user@host>`` or a URI.
        ``proxy`` is where to send it where that is not the target's own address, such as `Binding.path`.

        Raises:
            MalformedMessage: the target or ``from_`` cannot be read.
        """
        raise NotImplementedError

    def contacts(self, user: str) -> list[tuple[str, Address]]:
        """Where a registered user is now: for each binding its Contact URI and the address it registered from, which is
        the ``proxy`` to call it by. The newest first; empty for not registered."""
        raise NotImplementedError

    def register(self, registration: RegistrationSettings) -> None:
        """Keep us registered from now on; `RegistrationChanged` tells of it."""
        raise NotImplementedError
