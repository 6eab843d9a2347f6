"""The servers that one request may go to, tried one after the other (RFC 3263 clause 4.3)."""

from collections import deque
from collections.abc import Callable
from typing import Final

from sipio.errors import LocalError
from sipio.sip.address import Address, address_of, host_of, is_ip_address, named_transport
from sipio.sip.server_lookup import ServerLookup
from sipio.sip.uri import Uri
from sipio.sip.user_agent_core import UserAgentCore

SERVERS: Final = 8
"""Tried for one request: each that is silent costs the call seconds."""


class Servers:
    """The servers of one request, or of one registration."""

    __slots__ = ("_core", "_lookup", "_remaining", "local", "server")

    def __init__(self, core: UserAgentCore, target: Uri | Address) -> None:
        """``target`` is whom the request is for, or where it goes whomever it is for.

        Raises:
            LocalError: nothing is listened on for its transport.
        """
        self._core: Final = core
        address = target if isinstance(target, Address) else address_of(target)
        self._lookup: Final = None if is_ip_address(address.host) else _lookup(core, target, address)
        if self._lookup is not None:
            address = address._replace(transport=self._lookup.transports[0])
        self._remaining: deque[Address] = deque()
        self.local = core.listeners.towards(address)
        """Our own end towards it."""
        self.server = address
        """The one being tried, with the listener that it is reached from; before `advance` the target itself."""

    @property
    def remaining(self) -> bool:
        """Whether there are more."""
        return bool(self._remaining)

    def locate(self, then: Callable[[], None]) -> None:
        """Find them; ``then`` is called once they are known, at once where that needs no asking."""

        def found(addresses: list[Address]) -> None:
            now = self._core.clock()
            self._remaining.extend(self._core.servers.failing_last(addresses[:SERVERS], now))
            then()

        self._remaining.clear()
        if self._lookup is None:
            self._remaining.append(self.server)
            then()
        else:
            self._core.locate(self._lookup, found)

    def advance(self) -> bool:
        """Go to the next one; False where there is none."""
        while self._remaining:
            server = self._remaining.popleft()
            try:
                self.local = self._core.listeners.towards(server)
            except LocalError:
                continue
            self.server = server._replace(local=self.local.local)
            return True
        return False

    def failed(self, now: float) -> None:
        """The server being tried did not answer, or said 503."""
        self._core.servers.failed(self.server._replace(local=""), now)


def _lookup(core: UserAgentCore, target: Uri | Address, address: Address) -> ServerLookup:
    if isinstance(target, Address):
        return ServerLookup(address.host, address.port, (address.transport,))
    named = named_transport(target)
    # RFC 3263 clause 4.1: with a port and no transport it is UDP, or TCP where that is all we have.
    transports = (named,) if named else core.listeners.transports
    if not transports:
        raise LocalError("nothing is listened on")
    return ServerLookup(host_of(target), address.port, transports[:1] if address.port else transports)
