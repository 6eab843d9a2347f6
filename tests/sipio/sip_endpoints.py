"""Endpoints on real sockets, and what they told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

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

    async def first(self, kind: type[Any]) -> Any:
        async with asyncio.timeout(10):
            while True:
                for event in self.events:
                    if isinstance(event, kind):
                        return event
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def endpoint(
    *listeners: SipListener, settings: UserAgentSettings | None = None, client_tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[SipEndpoint, Recorder]]:
    recorder = Recorder()
    found = SipEndpoint(list(listeners), settings or UserAgentSettings(), recorder, client_tls=client_tls)
    await found.start()
    try:
        yield found, recorder
    finally:
        await found.close(0.5)


def target(found: SipEndpoint, transport: str, host: str = "127.0.0.1") -> str:
    port = next(address.port for address in found.addresses if address.transport == transport)
    return f"sip:100@{host}:{port};transport={transport}"
