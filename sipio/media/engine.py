"""What all sessions share: the tick, the ports, the sounds, the threads that write recordings."""

from collections.abc import Callable

from sipio.media.relay import Relay
from sipio.media.session import MediaSession
from sipio.media.settings import MediaSettings

AllowAddress = Callable[[str, str], bool]
"""Given a URL's host and an IP address of it: whether a sound may be fetched there."""


class MediaEngine:
    """Made on the running event loop that all its sessions live on."""

    def __init__(self, settings: MediaSettings | None = None, *, allow: AllowAddress | None = None) -> None:
        """``allow`` is asked for each address of a URL, redirects included; None allows none but global ones."""
        raise NotImplementedError

    def open(self, host: str) -> MediaSession:
        """A session with a pair of UDP ports at the local IP address ``host``: ``session.host`` and ``session.port``
        go into the SDP. It takes nothing and sends nothing until it is started.

        Raises:
            NoFreePort: the range is used up.
        """
        raise NotImplementedError

    def bridge(self, first: MediaSession, second: MediaSession) -> Relay:
        """Let two sessions hear each other until the relay, or one of them, is closed. Either may be started later
        (early media), and may still play something meanwhile: it then hears that."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close every session, finish recordings, stop what is being fetched and spoken."""
        raise NotImplementedError
