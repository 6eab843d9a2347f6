"""This machine's own addresses, as the routing table gives them: which one a peer sees."""

import socket
import time
from collections.abc import Callable
from typing import Final

from sipio.sip.address import is_ip_address

KNOWN_SECONDS: Final = 30.0
"""A route that changes is seen after so long; asking anew for each message would be a system call or three."""
KNOWN: Final = 4_096
"""Peers remembered; past it all are forgotten at once."""
UNSPECIFIED: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, and not listened on
_PROBES: Final = {"0.0.0.0": "192.0.2.1", "::": "2001:db8::1"}  # noqa: S104 - as above
"""RFC 5737 and 3849: addresses that nobody has stand for everybody."""
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - as above


def source_towards(host: str) -> str:
    """The address of ours that packets to an IP address leave from; empty where none goes there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Of UDP, connecting sends nothing: it only asks the routing table.
            probe.connect((host, 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def own_address(host: str) -> str:
    """What a wildcard stands for towards the outside; a host that is none as it is."""
    if host not in UNSPECIFIED:
        return host
    return source_towards(_PROBES[host]) or _LOOPBACK[host]


class OwnAddresses:
    """`source_towards`, with what it said of late remembered."""

    __slots__ = ("_clock", "_known")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock: Final = clock
        self._known: dict[str, tuple[float, str]] = {}

    def towards(self, host: str) -> str:
        """The address of ours that ``host`` sees; empty for a name, and where no packet goes there."""
        now = self._clock()
        until, source = self._known.get(host, (0.0, ""))
        if until > now:
            return source
        source = source_towards(host) if is_ip_address(host) else ""
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known[host] = (now + KNOWN_SECONDS, source)
        return source
