"""Pairs of UDP ports: RTP on an even one, RTCP on the next (RFC 3550 clause 11)."""

import contextlib
import errno
import random
import socket
from collections import deque
from typing import Final

from sipio.media.errors import NoFreePort


class PortPair:
    """The two sockets of a session."""

    __slots__ = ("port", "rtcp", "rtp")

    def __init__(self, rtp: socket.socket, rtcp: socket.socket, port: int) -> None:
        self.rtp: Final = rtp
        self.rtcp: Final = rtcp
        self.port: Final = port
        """The port of RTP; that of RTCP is the next."""

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()


class PortRange:
    """Gives out the ports of a range, the one free for longest first: packets that are still on their way to the call
    before reach nobody."""

    def __init__(self, first: int, last: int, dscp: int) -> None:
        """The ports are those from ``first`` to ``last``, both included."""
        ports = list(range(first + first % 2, last, 2))
        # Not from the beginning: after a restart the calls of before may still be sent to.
        start = random.randrange(len(ports)) if ports else 0  # noqa: S311 - spreads, keeps no secret
        self._ports: Final = (*ports[start:], *ports[:start])
        self._free: dict[str, deque[int]] = {}
        self._dscp: Final = dscp

    def open(self, host: str) -> PortPair:
        """Two bound sockets at a local address.

        Raises NoFreePort where all are taken, by us or by others, or the address is not this machine's.
        """
        free = self._free.setdefault(host, deque(self._ports))
        for _ in range(len(free)):
            port = free.popleft()
            try:
                return PortPair(*self._bind(host, port), port)
            except OSError as error:
                free.append(port)
                if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                    raise NoFreePort(f"no RTP port at {host}: {error.strerror}") from error
        raise NoFreePort(f"every RTP port at {host} is taken")

    def release(self, host: str, pair: PortPair) -> None:
        """Close the pair; its port is the last to be used again."""
        pair.close()
        self._free[host].append(pair.port)

    def _bind(self, host: str, port: int) -> tuple[socket.socket, socket.socket]:
        with contextlib.ExitStack() as stack:
            opened = []
            for number in (port, port + 1):
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                made = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                made.setblocking(False)
                if family == socket.AF_INET6:
                    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                made.bind((host, number))
                if self._dscp:
                    if family == socket.AF_INET6:
                        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, self._dscp << 2)
                    else:
                        made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, self._dscp << 2)
                opened.append(made)
            stack.pop_all()
        return opened[0], opened[1]
