"""What one user agent listens on, and which of it each peer is to know us by."""

from collections.abc import Callable
from typing import Final, NamedTuple

from sipio.errors import LocalError
from sipio.sip.address import DEFAULT_PORT, Address, is_ip_address
from sipio.sip.own_addresses import UNSPECIFIED


class Listening(NamedTuple):
    """One local address that is listened on."""

    address: Address
    """As it is to stand in Via and Contact; its ``local`` is that of the traffic."""
    bound: str
    """The IP address that the socket is bound to."""
    wildcard: bool
    """Whether the socket is bound to every address and none is advertised: each peer is told the one that it sees."""


class MediaAddress(NamedTuple):
    """Where the audio of one leg is at home."""

    bound: str
    """The IP address to bind its ports to."""
    shown: str
    """What SDP is to say."""


class Listeners:
    """The listeners, in the order in which they were configured."""

    __slots__ = ("_all", "_source_towards", "transports")

    def __init__(self, source_towards: Callable[[str], str]) -> None:
        """``source_towards`` gives the local address that an IP address is reached from, empty where that is not
        known."""
        self._source_towards: Final = source_towards
        self._all: list[Listening] = []
        self.transports: tuple[str, ...] = ()
        """Those listened on, the one that a call goes by where nothing says which first."""

    def add(self, listening: Listening) -> None:
        """One more."""
        self._all.append(listening)
        listened = {one.address.transport for one in self._all}
        self.transports = tuple(transport for transport in DEFAULT_PORT if transport in listened)

    def towards(self, peer: Address) -> Address:
        """Our own address as the peer is to know it; its ``local`` is what its traffic leaves from.

        That is the listener that the peer's messages came in by; for one that we call first, the listener at the
        address that packets to it leave from, else the first of its transport and address family.

        Raises:
            LocalError: nothing is listened on for that transport.
        """
        return self._shown(self._for(peer), peer.host)

    def for_media(self, local: Address, remote_host: str = "") -> MediaAddress:
        """Where to have the audio of a leg whose signalling is at ``local``, an address that `towards` gave:
        ``remote_host`` is where the other party has its own, empty for not known. It is in the network of the
        signalling, unless the other party's is of another address family."""
        own = next((one for one in self._all if one.address.local == local.local), self._all[0])
        known = is_ip_address(remote_host) and remote_host not in UNSPECIFIED
        ipv6 = ":" in (remote_host if known else own.bound)
        if (":" in own.bound) == ipv6:
            shown = self._shown(own, remote_host).host if known else local.host
            return MediaAddress(own.bound, shown)
        source = self._source_towards(remote_host)
        found = self._at(source, [one for one in self._all if (":" in one.bound) == ipv6])
        if found is not None:
            return MediaAddress(found.bound, self._shown(found, remote_host).host)
        return MediaAddress(source, source) if source else MediaAddress(own.bound, local.host)

    def _shown(self, listening: Listening, peer_host: str) -> Address:
        if listening.wildcard:
            source = self._source_towards(peer_host)
            if source:
                return listening.address._replace(host=source)
        return listening.address

    def _for(self, peer: Address) -> Listening:
        near = None
        if peer.local:
            near = next((one for one in self._all if one.address.local == peer.local), None)
            if near is not None and near.address.transport == peer.transport:
                return near
        fitting = [one for one in self._all if one.address.transport == peer.transport]
        if not fitting:
            raise LocalError(f"no {peer.transport} listener")
        if len(fitting) == 1:
            return fitting[0]
        if near is not None:
            # Of another transport: the same network.
            return self._at(near.bound, fitting) or fitting[0]
        if is_ip_address(peer.host):
            fitting = [one for one in fitting if (":" in one.bound) == (":" in peer.host)] or fitting
        wanted = self._source_towards(peer.host) if len(fitting) > 1 else ""
        return self._at(wanted, fitting) or fitting[0]

    def _at(self, bound: str, among: list[Listening]) -> Listening | None:
        """The one at this address, else one at every address, else the first; None where there is none at all."""
        for wanted in (bound, *UNSPECIFIED):
            for one in among:
                if one.bound == wanted:
                    return one
        return among[0] if among else None
