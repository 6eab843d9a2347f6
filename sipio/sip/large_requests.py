"""Requests too long for one datagram go over TCP (RFC 3261 clause 18.1.1)."""

from collections.abc import Callable
from typing import Final

from sipio.sip.address import Address

DATAGRAM_BYTES: Final = 1_300
"""The longest request sent over UDP while the path's MTU is unknown. Past it datagrams come in fragments, which
firewalls drop, and a congested path loses the whole for one of them."""
REFUSED_SECONDS: Final = 600.0
"""A peer that takes no connection is not asked for one again so soon: many carriers have UDP alone."""
REFUSED: Final = 1_000
"""Peers remembered so; past it all are forgotten at once."""


class LargeRequests:
    """Which peers take them over TCP. A peer that does not gets them over UDP all the same."""

    __slots__ = ("_local", "_refused")

    def __init__(self, local: Callable[[Address], Address | None]) -> None:
        """``local`` gives our own address towards a peer over TCP, None where we do not listen: then the peer could not
        call back, and nothing is changed."""
        self._local: Final = local
        self._refused: dict[Address, float] = {}

    def stream(self, destination: Address, size: int, now: float) -> tuple[Address, Address] | None:
        """The peer's and our own end for a request of ``size`` bytes that would go over UDP; None where it does so."""
        if size <= DATAGRAM_BYTES:
            return None
        peer = destination._replace(transport="tcp")
        if self._refused.get(_of_any(peer), now) > now:
            return None
        local = self._local(peer)
        return None if local is None else (peer._replace(local=local.local), local)

    def refused(self, peer: Address, now: float) -> None:
        """It takes no connection."""
        if len(self._refused) >= REFUSED:
            self._refused.clear()
        self._refused[_of_any(peer)] = now + REFUSED_SECONDS


def _of_any(peer: Address) -> Address:
    """The peer, whichever listener of ours it is reached from."""
    return Address(peer.transport, peer.host, peer.port)
