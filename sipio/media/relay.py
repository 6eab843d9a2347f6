"""Two sessions that hear each other: packets are passed on as they come, decoded by nobody.

Sequence numbers, timestamps and SSRC become those of the other leg, so that its stream has no break; PCMU and PCMA are
translated by table where the legs differ; telephone-events get the other leg's payload type. Blocked digits
are left out.
"""

from typing import Final

from sipio.media.session import MediaSession


class Relay:
    """Made by `engine.MediaEngine.bridge`."""

    def __init__(self, first: MediaSession, second: MediaSession) -> None:
        self._first: Final = first
        self._second: Final = second
        for session in (first, second):
            # A leg has one partner: whoever was it before hears it no more.
            if session.partner is not None:
                session.partner.partner = None
        first.partner, second.partner = second, first

    def close(self) -> None:
        """Part the two; both go on. Idempotent."""
        if self._first.partner is self._second:
            self._first.partner = None
        if self._second.partner is self._first:
            self._second.partner = None
