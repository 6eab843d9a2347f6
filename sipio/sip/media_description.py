"""What two parties agree on about one audio stream: plain data between the user agent and whoever sends the media."""

from enum import StrEnum
from typing import Final

import msgspec

SUPPORTED_CODECS: Final = ("PCMU", "PCMA")


class MediaDirection(StrEnum):
    """Which way audio flows, from the point of view of whoever says it (RFC 8866 clause 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        return self in {MediaDirection.SENDRECV, MediaDirection.SENDONLY}

    @property
    def receives(self) -> bool:
        return self in {MediaDirection.SENDRECV, MediaDirection.RECVONLY}

    @property
    def reversed(self) -> "MediaDirection":
        """This flow as the other end sees it."""
        return _REVERSED.get(self, self)

    def within(self, other: "MediaDirection") -> "MediaDirection":
        """The widest direction that both allow."""
        return _DIRECTIONS[(self.sends and other.sends, self.receives and other.receives)]


_REVERSED: Final = {MediaDirection.SENDONLY: MediaDirection.RECVONLY, MediaDirection.RECVONLY: MediaDirection.SENDONLY}
_DIRECTIONS: Final = {
    (True, True): MediaDirection.SENDRECV,
    (True, False): MediaDirection.SENDONLY,
    (False, True): MediaDirection.RECVONLY,
    (False, False): MediaDirection.INACTIVE,
}


class LocalMedia(msgspec.Struct, frozen=True, kw_only=True):
    """Our side of the audio: what goes into our SDP."""

    host: str
    """The IP address that the other party is to send to."""
    port: int
    """The port of RTP; RTCP has the next one."""
    codecs: tuple[str, ...] = SUPPORTED_CODECS
    """In order of our preference. An answer follows the offerer's order."""
    telephone_event: bool = True
    telephone_event_payload_type: int = 101
    """What we offer; in an answer the offerer's own number is used."""
    ptime_ms: int = 20
    direction: MediaDirection = MediaDirection.SENDRECV
    """What we are willing to do; the answer narrows it to what was offered."""


class NegotiatedMedia(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of an offer and its answer, from our point of view."""

    codec: str
    """``PCMU`` or ``PCMA``: what we send. Both may be received."""
    payload_type: int
    """The peer's number for ``codec``, which we send with."""
    receive_codecs: dict[int, str]
    """Payload type to codec, for what may come in."""
    dtmf_payload_type: int | None
    """The peer's number for telephone-event; None where the peer has not got it."""
    dtmf_receive_payload_type: int | None
    """Our number, that the peer sends telephone-event with."""
    ptime_ms: int
    """What the peer wants to be sent."""
    remote_host: str
    remote_port: int
    """0 where the peer sends no audio at all."""
    remote_rtcp_host: str
    remote_rtcp_port: int
    direction: MediaDirection
    """What we do now. Neither sends nor receives while the peer holds us with ``inactive``."""
    peer_holds: bool
    """The peer asked for hold: sendonly, inactive or the connection address 0.0.0.0."""
    local: LocalMedia
