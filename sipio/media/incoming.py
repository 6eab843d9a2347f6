"""The RTP stream that we hear: from whom we take it, and what is counted of it."""

import ipaddress
from collections import deque
from collections.abc import Mapping
from typing import Final

from sipio.media.g711 import Law
from sipio.media.reception import Reception
from sipio.media.rtp import RtpPacket, parse_rtp

SocketAddress = tuple[str, int]

COMFORT_NOISE: Final = frozenset({13, 19})
"""RFC 3389, and the number that drafts of it had. Sent by some peers though it was not agreed: it is silence."""
_REPLACED: Final = 4
"""Sources remembered that another has taken the place of."""
_RETURN_SECONDS: Final = 0.2
"""A source that was replaced is heard again once the present one has been silent for ten packets: of two that send side
by side one is heard, the newer, and a transfer back costs no more than that."""

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
    """Symmetric RTP: the first address that sends something valid is the peer's, and then no other is.

    Another is believed once that one has been silent for a while; the address that was signalled is believed at any
    time over one that was not; and after a re-INVITE with another address the choice is open again.

    Of several synchronization sources at that address the audio of one is taken, the newest; telephone-events under a
    source of their own are a stream beside it.
    """

    __slots__ = (
        "_beside_at",
        "_known",
        "_relatch_seconds",
        "_replaced",
        "_sign_at",
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
        """Of the source whose audio is taken."""
        self._replaced: deque[int] = deque(maxlen=_REPLACED)
        """The sources before it."""
        self.restarts = 0
        """Times that another source was taken up: audio by its timestamps begins anew."""
        self.step = 0
        """How far the packet last given is past the highest sequence number before; not positive for a late one."""
        self.heard_at = 0.0
        """When the present source's last packet came."""
        self._beside_at = 0.0
        """When the last packet of another source came from the peer's address."""
        self._sign_at = 0.0
        """When the peer was last known to live by anything but RTP."""
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
        self._replaced.clear()
        if signalled != self._signalled:
            self._signalled = signalled
            self.source = None
        self.laws = laws
        self.event_type = event_type
        self.receives = receives
        self.expected = expected
        known = {*laws, *COMFORT_NOISE}
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
            if source in (self.source, self._signalled):
                # RFC 6263 clause 4 has keep-alives of every sort: empty, STUN, a payload type that nobody knows.
                self._sign_at = now
            return None
        if source != self.source and not self._admit(source, now):
            self.wrong_source += 1
            return None
        reception = self.reception
        if reception is None or reception.ssrc != packet.ssrc:
            return self._other_source(packet, now)
        self.heard_at = now
        self.step = reception.packet(packet.sequence, packet.timestamp, now)
        return packet

    @property
    def alive_at(self) -> float:
        """When the peer was last known to live, by whatever it was."""
        return max(self.heard_at, self._beside_at, self._sign_at)

    def lives(self, at: float) -> bool:
        """Take note that the peer was alive then, as something else than its RTP tells. False where that is no news."""
        if at <= self.alive_at:
            return False
        self._sign_at = at
        return True

    def is_peers(self, host: str) -> bool:
        """Whether this is the machine that the peer sends from, or was signalled to."""
        return any(known is not None and known[0] == host for known in (self.source, self._signalled))

    def _other_source(self, packet: RtpPacket, now: float) -> RtpPacket | None:
        """The packet of another source than the one whose audio is taken, unless that one is heard instead."""
        present = self.reception
        if present is not None:
            if packet.payload_type not in self.laws:
                self._beside_at = now
                self.step = 1
                return packet
            if packet.ssrc in self._replaced and now - self.heard_at < _RETURN_SECONDS:
                self._beside_at = now
                self.wrong_source += 1
                return None
            self._replaced.append(present.ssrc)
        self.reception = reception = Reception(packet.ssrc, packet.sequence)
        self.restarts += 1
        self.heard_at = now
        self.step = reception.packet(packet.sequence, packet.timestamp, now)
        return packet

    def _admit(self, source: SocketAddress, now: float) -> bool:
        present = self.source
        silent = now - max(self.heard_at, self._beside_at)
        if present is None or source == self._signalled or silent > self._relatch_seconds:
            self.source = source
            return True
        return False
