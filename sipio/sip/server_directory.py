"""What names stand for, as the shell finds out, and which servers failed of late (RFC 3263)."""

from collections.abc import Callable
from typing import Final

from sipio.sip.address import Address
from sipio.sip.server_lookup import ServerLookup

FAILING_SECONDS: Final = 30.0
"""A server that failed is tried after the others for so long."""
FAILING: Final = 1_000
"""Failing servers remembered; past it all are forgotten at once."""
LOOKUPS: Final = 256
"""Names looked up at once: peers can make us ask by what they write into Contact."""

Located = Callable[[list[Address]], None]


class ServerDirectory:
    """The answers that are awaited and the servers to be tried last; one for each user agent."""

    __slots__ = ("_failing", "_waiting", "lookups")

    def __init__(self) -> None:
        self._failing: dict[Address, float] = {}
        self._waiting: dict[ServerLookup, list[Located]] = {}
        self.lookups: list[ServerLookup] = []
        """Lookups that whoever owns the agent has to take out and answer by `located`."""

    def locate(self, lookup: ServerLookup, then: Located) -> None:
        """Find out; ``then`` is called once, with an empty list for a name without servers."""
        waiting = self._waiting.get(lookup)
        if waiting is not None:
            waiting.append(then)
        elif len(self._waiting) >= LOOKUPS:
            then([])
        else:
            self._waiting[lookup] = [then]
            self.lookups.append(lookup)

    def located(self, lookup: ServerLookup, addresses: list[Address]) -> None:
        """DNS has answered: tell whoever waits for it."""
        for then in self._waiting.pop(lookup, ()):
            then(addresses)

    def failed(self, server: Address, now: float) -> None:
        """A server did not answer, or said 503."""
        if len(self._failing) >= FAILING:
            self._failing.clear()
        self._failing[server] = now + FAILING_SECONDS

    def failing_last(self, addresses: list[Address], now: float) -> list[Address]:
        """Put those that failed of late behind the others; both keep their order."""
        return sorted(addresses, key=lambda address: self._failing.get(address, 0.0) > now)
