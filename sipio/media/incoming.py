"""The RTP stream that we hear: from whom we take it, and what is counted of it."""

import ipaddress
from collections.abc import Mapping
from typing import Final

from sipio.media.g711 import Law
from sipio.media.reception import Reception
from sipio.media.rtp import RtpPacket, parse_rtp

SocketAddress = tuple[str, int]

COMFORT_NOISE: Final = 13
"""RFC 3389. Sent by some peers though it was not agreed: it shows that they live, and is silence."""

_BROADCAST: Final = ipaddress.IPv4Address("255.255.255.255")


def signalled_address(host: str, port: int) -> SocketAddress | None:
    """An address of an SDP as the socket will name it; None for a name, which would be looked up at every packet, or
    for none, or for one that is no one party's: a multicast group's, everybody's, or 0.0.0.0, which the kernel takes
    for this machine."""
    if not port:
        return None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if address.is_multicast or address.is_unspecified or address == _BROADCAST else (str(address), port)


class IncomingStream:
    """Symmetric RTP: the first source that sends something valid is the peer, and then nobody else is.

    Another is believed once that one has been silent for a while; the address that was signalled is believed at any
    time over one that was not; and after a re-INVITE with another address the choice is open again.
    """

    __slots__ = (
        "_known",
        "_relatch_seconds",
        "_signalled",
        "event_type",
        "expected",
        "garbage",
        "heard_at",
        "laws",
        "receives",
        "reception",
        "restarts",
        "source",
        "step",
        "wrong_source",
    )

    def __init__(self, relatch_seconds: float) -> None:
        self._relatch_seconds: Final = relatch_seconds
        self._signalled: SocketAddress | None = None
        self._known: frozenset[int] = frozenset()
        self.laws: Mapping[int, Law] = {}
        """The laws of the agreed codecs, by payload type."""
        self.event_type: int | None = None
        self.receives = False
        self.expected = False
        """Whether silence means something: a peer that holds us may send music, or nothing."""
        self.source: SocketAddress | None = None
        """Where the peer sends from; None until it has."""
        self.reception: Reception | None = None
        self.restarts = 0
        """Times that another source was taken up: whatever goes by timestamps begins anew."""
        self.step = 0
        """How far the packet last given is past the highest sequence number before; not positive for a late one."""
        self.heard_at = 0.0
        self.garbage = 0
        self.wrong_source = 0

    def configure(
        self,
        *,
        laws: Mapping[int, Law],
        event_type: int | None,
        signalled: SocketAddress | None,
        receives: bool,
        expected: bool,
        now: float,
    ) -> None:
        """Take the peer's stream as SDP has it now."""
        if expected and not self.expected:
            # Silence is counted from when there was something to hear.
            self.heard_at = now
        if signalled != self._signalled:
            self._signalled = signalled
            self.source = None
        self.laws = laws
        self.event_type = event_type
        self.receives = receives
        self.expected = expected
        known = {*laws, COMFORT_NOISE}
        if event_type is not None:
            known.add(event_type)
        self._known = frozenset(known)

    def packet(self, datagram: bytes, source: SocketAddress, now: float) -> RtpPacket | None:
        """The packet, where it is the peer's and of an agreed payload type. Never raises."""
        if not self.receives:
            return None
        packet = parse_rtp(datagram)
        if packet is None or packet.payload_type not in self._known:
            self.garbage += 1
            return None
        if source != self.source and not self._admit(source, now):
            self.wrong_source += 1
            return None
        reception = self.reception
        if reception is None or reception.ssrc != packet.ssrc:
            reception = self.reception = Reception(packet.ssrc, packet.sequence)
            self.restarts += 1
        self.heard_at = now
        self.step = reception.packet(packet.sequence, packet.timestamp, now)
        return packet

    def _admit(self, source: SocketAddress, now: float) -> bool:
        present = self.source
        if present is None or source == self._signalled or now - self.heard_at > self._relatch_seconds:
            self.source = source
            return True
        return False
