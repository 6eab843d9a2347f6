"""Endpoints on real sockets, and what they told."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sipio.sip.dns_locator import DnsLocator
from sipio.sip.endpoint import SipEndpoint, SipListener
from sipio.sip.events import SipEvent
from sipio.sip.media_description import LocalMedia
from sipio.sip.settings import UserAgentSettings

MEDIA = LocalMedia(host="127.0.0.1", port=40_000)


class Recorder:
    """What an endpoint told."""

    def __init__(self) -> None:
        self.events: list[SipEvent] = []
        self.changed = asyncio.Event()
        self.react: Callable[[SipEvent], None] = lambda _: None

    def __call__(self, event: SipEvent) -> None:
        self.events.append(event)
        self.changed.set()
        self.react(event)

    async def first(self, kind: type[Any] | tuple[type[Any], ...]) -> Any:
        async with asyncio.timeout(10):
            while True:
                for event in self.events:
                    if isinstance(event, kind):
                        return event
                self.changed.clear()
                await self.changed.wait()


def tls_contexts(file: Path, *names: x509.GeneralName) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for these names, and a client's that trusts it; ``file`` holds its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sip.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cafile=str(file))


@asynccontextmanager
async def endpoint(
    *listeners: SipListener,
    settings: UserAgentSettings | None = None,
    client_tls: ssl.SSLContext | None = None,
    locator: DnsLocator | None = None,
) -> AsyncIterator[tuple[SipEndpoint, Recorder]]:
    recorder = Recorder()
    found = SipEndpoint(
        list(listeners), settings or UserAgentSettings(), recorder, client_tls=client_tls, locator=locator
    )
    await found.start()
    try:
        yield found, recorder
    finally:
        await found.close(0.5)


def target(found: SipEndpoint, transport: str, host: str = "127.0.0.1") -> str:
    port = next(address.port for address in found.addresses if address.transport == transport)
    return f"sip:100@{host}:{port};transport={transport}"
