"""Which servers a name stands for (RFC 3263): the question, and the order in which RFC 2782 has them tried."""

from collections.abc import Callable, Iterable
from itertools import groupby

import msgspec

from sipio.sip.address import Address


class ServerLookup(msgspec.Struct, frozen=True):
    """A question for the servers of a name."""

    host: str
    port: int
    """0 where none was said: then SRV records are looked for."""
    transports: tuple[str, ...]
    """Those that may be used, the preferred one first. More than one: NAPTR records may choose."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """One SRV record, its target looked up."""

    priority: int = 0
    weight: int = 0
    addresses: tuple[Address, ...]


def in_order(services: Iterable[Service], uniform: Callable[[float, float], float]) -> list[Address]:
    """The addresses in the order to try them: by priority, and among equals at random by their weight (RFC 2782)."""
    found: list[Address] = []
    by_priority = sorted(services, key=lambda service: service.priority)
    for _, equals in groupby(by_priority, key=lambda service: service.priority):
        # Weight 0 first, so that it has its small chance where others have weight.
        waiting = sorted(equals, key=lambda service: service.weight)
        while waiting:
            chosen = uniform(0, sum(service.weight for service in waiting))
            running = 0
            for service in waiting:
                running += service.weight
                if running >= chosen:
                    break
            waiting.remove(service)
            found += service.addresses
    return list(dict.fromkeys(found))
