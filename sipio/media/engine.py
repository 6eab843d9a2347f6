"""What all sessions share: the tick, the ports, the sounds, the threads that write recordings."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from sipio.address_gate import AllowAddress
from sipio.media.library import SoundLibrary
from sipio.media.readiness import Readiness
from sipio.media.relay import Relay
from sipio.media.resources import MediaResources
from sipio.media.session import MediaSession
from sipio.media.settings import MediaSettings
from sipio.media.sockets import PortRange
from sipio.media.statistics import MediaSnapshot, MediaTotals
from sipio.media.ticker import Ticker

_WRITERS: Final = 4
"""A disk that hangs holds up as many recordings, not all."""
_LAST_WRITES_SECONDS: Final = 5.0
"""How long the end waits for what recordings still have to write; a disk that hangs is not waited for without end."""


class MediaEngine:
    """Made on the running event loop that all its sessions live on."""

    def __init__(self, settings: MediaSettings | None = None, *, allow: AllowAddress | None = None) -> None:
        """``allow`` is asked for each address of a URL, redirects included; None allows none but global ones."""
        settings = settings or MediaSettings()
        loop = asyncio.get_running_loop()
        self._writers: Final = ThreadPoolExecutor(_WRITERS, thread_name_prefix="recording")
        self._resources: Final = MediaResources(
            settings=settings,
            loop=loop,
            clock=loop.time,
            ticker=Ticker(loop),
            readiness=Readiness(loop),
            ports=PortRange(settings.port_first, settings.port_last, settings.dscp),
            library=SoundLibrary(settings, allow),
            writers=self._writers,
        )
        self._sessions: Final[set[MediaSession]] = set()
        self._totals: Final = MediaTotals()

    def snapshot(self) -> MediaSnapshot:
        """The counters as they are now."""
        ticker = self._resources.ticker
        return self._totals.snapshot(
            sessions=len(self._sessions), clock_steps_skipped=ticker.skipped, clock_late_seconds=ticker.lateness
        )

    def open(self, host: str) -> MediaSession:
        """A session with a pair of UDP ports at the local IP address ``host``: ``session.host`` and ``session.port``
        go into the SDP. It takes nothing and sends nothing until it is started.

        Raises NoFreePort where the range is used up.
        """
        pair = self._resources.ports.open(host)
        session = MediaSession(host, pair, self._resources, self._ended)
        self._sessions.add(session)
        return session

    def bridge(self, first: MediaSession, second: MediaSession) -> Relay:
        """Let two sessions hear each other until the relay, or one of them, is closed. Either may be started later
        (early media), and may still play something meanwhile: it then hears that."""
        return Relay(first, second)

    async def close(self) -> None:
        """Close every session, finish recordings, stop what is being fetched and spoken."""
        for session in list(self._sessions):
            session.close()
        self._resources.readiness.close()
        await self._resources.library.close()
        if self._resources.recordings:
            await asyncio.wait(self._resources.recordings, timeout=_LAST_WRITES_SECONDS)
        self._writers.shutdown(wait=False, cancel_futures=True)

    def _ended(self, session: MediaSession) -> None:
        self._sessions.discard(session)
        self._totals.add(session.statistics())
