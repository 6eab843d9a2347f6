"""The RTCP socket of a session: where reports go, and whose are taken."""

import socket
import time
from collections.abc import Callable
from typing import Final

from sipio.media.incoming import SocketAddress
from sipio.media.outgoing import OutgoingStream
from sipio.media.reception import Reception
from sipio.media.report import Reports
from sipio.media.rtp import LARGEST_DATAGRAM


class RtcpPort:
    """Reports to the peer and from it. ``peer`` is always where its RTP is, None while that is not known."""

    __slots__ = ("_clock", "_socket", "_stream", "_target", "reports", "unsent")

    def __init__(
        self, bound: socket.socket, seconds: float, stream: OutgoingStream, clock: Callable[[], float]
    ) -> None:
        self._socket: Final = bound
        self._stream: Final = stream
        self._clock: Final = clock
        self._target: SocketAddress | None = None
        self.reports: Final = Reports(seconds, clock())
        self.unsent = 0

    def signalled(self, target: SocketAddress | None) -> None:
        """Report to this address from now on, as SDP has it: None for where RTP's address leads."""
        self._target = target

    def is_signalled(self, host: str) -> bool:
        """Whether this is the machine that SDP has reports sent to."""
        return self._target is not None and self._target[0] == host

    def answer_to(self, source: SocketAddress) -> None:
        """Report to where the peer's reports come from."""
        self._target = source

    def read(self) -> tuple[bytes, SocketAddress] | None:
        """What the socket, which has something, has, and from where; None for nothing after all."""
        try:
            datagram, source = self._socket.recvfrom(LARGEST_DATAGRAM)
        except OSError:
            return None
        return datagram, source[:2]

    def receive(self, datagram: bytes) -> bool:
        """Take a datagram with reports that is the peer's. Whether it shows that the peer is there."""
        return self.reports.receive(datagram, self._stream.ssrc, now=self._clock(), wall=time.time())

    def every_second(self, reception: Reception | None, peer: SocketAddress | None, now: float) -> None:
        """Send the report, where it is due."""
        deadline = self.reports.deadline
        if deadline is not None and now >= deadline:
            self._send(self.reports.report(self._stream, reception, now=now, wall=time.time()), peer)

    def close(self, reception: Reception | None, peer: SocketAddress | None) -> None:
        """Say goodbye. The socket is closed by whoever opened it."""
        if self.reports.deadline is not None:
            self._send(self.reports.bye(self._stream, reception, now=self._clock(), wall=time.time()), peer)

    def _send(self, datagram: bytes, peer: SocketAddress | None) -> None:
        if peer is None:
            return
        target = self._target
        if target is None or target[0] != peer[0]:
            # The peer is behind a NAT: the port next to its RTP is the best guess.
            target = (peer[0], min(peer[1] + 1, 65_535))
        try:
            self._socket.sendto(datagram, target)
        except OSError:
            self.unsent += 1
