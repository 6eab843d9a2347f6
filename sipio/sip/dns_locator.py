"""Locating SIP servers by DNS (RFC 3263): NAPTR, SRV, then addresses, on the event loop and in bounded time."""

import asyncio
import ipaddress
import time
from pathlib import Path
from typing import Any, Final

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver
import msgspec

from sipio.sip.address import DEFAULT_PORT, Address, is_ip_address
from sipio.sip.hosts_file import HostsFile
from sipio.sip.randomness import Randomness
from sipio.sip.server_lookup import ServerLookup, Service, in_order

LOCATE_SECONDS: Final = 4.0
"""For all questions about one name together: a DNS that does not answer costs a call this much and no more."""
QUESTION_SECONDS: Final = 2.0
"""One question may take this long, however many name servers are asked it."""
TRY_SECONDS: Final = 0.8
"""One name server has this long to answer: then the next one is asked."""
TARGETS: Final = 8
"""SRV records followed for one name."""
ADDRESSES: Final = 16
"""Addresses taken of one server, for IPv4 and for IPv6."""
REMEMBERED: Final = 1_000
"""Names whose servers are kept; past it all are forgotten at once."""
SHORTEST_SECONDS: Final = 5.0
"""An answer is kept at least so long, whatever it says: a name with TTL 0 is not asked for with every call."""
LONGEST_SECONDS: Final = 3_600.0
MISSING_SECONDS: Final = 15.0
"""That a name has no servers, or that DNS did not say, is believed for so long."""

_SERVICES: Final = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}
_NAPTR: Final = {b"SIP+D2U": "udp", b"SIP+D2T": "tcp", b"SIPS+D2T": "tls"}


class _Known(msgspec.Struct, frozen=True):
    until: float
    services: list[Service]


class _Record(msgspec.Struct, frozen=True):
    """What an SRV record says (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


class DnsLocator:
    """Servers of names, remembered for as long as their records say."""

    def __init__(
        self,
        *,
        ipv4: bool = True,
        ipv6: bool = True,
        nameservers: tuple[tuple[str, int], ...] = (),
        hosts: HostsFile | None = None,
    ) -> None:
        """``ipv4`` and ``ipv6`` say which addresses are of use; ``nameservers`` stand for those of the machine."""
        self._types: Final = [name for name, wanted in (("A", ipv4), ("AAAA", ipv6)) if wanted]
        self._nameservers: Final = nameservers
        self._hosts: Final = hosts or HostsFile()
        self._randomness: Final = Randomness()
        self._known: dict[ServerLookup, _Known] = {}
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._configured = -1

    def known(self, lookup: ServerLookup) -> list[Address] | None:
        """The servers in the order to try them this time; None where they have to be asked for."""
        found = self._known.get(lookup)
        if found is None or found.until <= time.monotonic():
            return None
        return in_order(found.services, self._randomness.uniform)

    async def locate(self, lookup: ServerLookup) -> list[Address]:
        """The servers in the order to try them, asked for where they are not known; empty where there are none or DNS
        does not say."""
        known = self.known(lookup)
        if known is not None:
            return known
        services: list[Service] = []
        seconds = MISSING_SECONDS
        try:
            async with asyncio.timeout(LOCATE_SECONDS):
                services, ttl = await _Search(self._current_resolver(), self._hosts, self._types, lookup).services()
        except TimeoutError:
            pass
        if services:
            seconds = min(max(SHORTEST_SECONDS, ttl), LONGEST_SECONDS)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[lookup] = _Known(time.monotonic() + seconds, services)
        return in_order(services, self._randomness.uniform)

    def _current_resolver(self) -> dns.asyncresolver.Resolver:
        """With the machine's name servers of now: a laptop or a VPN changes them."""
        configured = 0 if self._nameservers else _changed(Path("/etc/resolv.conf"))
        if self._resolver is None or configured != self._configured:
            self._configured = configured
            self._resolver = _resolver(self._nameservers)
        return self._resolver


class _Search:
    """The questions about one name, asked one after the other."""

    def __init__(
        self, resolver: dns.asyncresolver.Resolver, hosts: HostsFile, types: list[str], lookup: ServerLookup
    ) -> None:
        self._resolver: Final = resolver
        self._hosts: Final = hosts
        self._types: Final = types
        self._lookup: Final = lookup
        self._ttl = LONGEST_SECONDS

    async def services(self) -> tuple[list[Service], float]:
        """What was found, and for how many seconds that holds."""
        lookup = self._lookup
        transport = lookup.transports[0]
        records: list[_Record] = []
        if not lookup.port and not self._hosts.addresses(lookup.host):
            transport, records = await self._service_records()
        if not records:
            # RFC 3263 clause 4.2: the name itself is the server.
            records = [_Record(0, 0, lookup.port or DEFAULT_PORT[transport], lookup.host)]
        # RFC 2782: a target of "." says that there is no such service, and is not to be looked up.
        records = sorted((record for record in records if record.target), key=lambda record: record.priority)[:TARGETS]
        found = await asyncio.gather(*(self._addresses(record.target) for record in records))
        name = lookup.host if transport == "tls" else ""
        return [
            Service(
                priority=record.priority,
                weight=record.weight,
                addresses=tuple(Address(transport, host, record.port, name=name) for host in hosts),
            )
            for record, hosts in zip(records, found, strict=True)
            if hosts
        ], self._ttl

    async def _service_records(self) -> tuple[str, list[_Record]]:
        """The SRV records of the transport that NAPTR prefers, or without NAPTR of the first that has any."""
        lookup = self._lookup
        # All at once: the answer of each but one would have to be waited for otherwise.
        names = [f"{_SERVICES[transport]}.{lookup.host}" for transport in lookup.transports]
        async with asyncio.TaskGroup() as group:
            pointers = group.create_task(self._naptr(lookup.host))
            asked = [group.create_task(self._srv(name)) for name in names]
        answers = [task.result() for task in asked]
        for transport, name in pointers.result():
            records = answers[names.index(name)] if name in names else await self._srv(name)
            if records:
                return transport, records
        return next(
            ((transport, records) for transport, records in zip(lookup.transports, answers, strict=True) if records),
            (lookup.transports[0], []),
        )

    async def _naptr(self, name: str) -> list[tuple[str, str]]:
        """Transports and the names of their SRV records, the preferred one first."""
        lookup = self._lookup
        if len(lookup.transports) < 2:
            # RFC 3263 clause 4.1: nothing is left to choose.
            return []
        found = sorted(await self._ask(name, "NAPTR"), key=lambda record: (record.order, record.preference))
        pointers = [
            (_NAPTR[record.service.upper()], _text(record.replacement))
            for record in found
            if record.service.upper() in _NAPTR and record.flags.lower() == b"s"
        ]
        return [(transport, name) for transport, name in pointers if transport in lookup.transports]

    async def _srv(self, name: str) -> list[_Record]:
        return [
            _Record(record.priority, record.weight, record.port, _text(record.target))
            for record in await self._ask(name, "SRV")
            # Nothing can be sent to port 0; RFC 2782 has it for a target of "." alone.
            if record.port or not _text(record.target)
        ]

    async def _addresses(self, name: str) -> list[str]:
        own = [
            address
            for address in self._hosts.addresses(name)
            if ("A" if ipaddress.ip_address(address).version == 4 else "AAAA") in self._types
        ]
        if own or is_ip_address(name):
            return own or [name]
        answers = await asyncio.gather(*(self._ask(name, kind) for kind in self._types))
        return [record.address for records in answers for record in records[:ADDRESSES]]

    async def _ask(self, name: str, kind: str) -> list[Any]:
        """The records; none where there are none, where DNS does not say, and of what is no name at all."""
        try:
            answer = await self._resolver.resolve(name, kind, lifetime=QUESTION_SECONDS, search="." not in name)
        except (dns.exception.DNSException, OSError, UnicodeError):
            return []
        if answer.rrset is not None:
            self._ttl = min(self._ttl, answer.rrset.ttl)
        return list(answer)


def _resolver(nameservers: tuple[tuple[str, int], ...]) -> dns.asyncresolver.Resolver:
    try:
        resolver = dns.asyncresolver.Resolver(configure=not nameservers)
    except (dns.exception.DNSException, OSError):
        # No name server is configured: only the table of hosts is left.
        resolver = dns.asyncresolver.Resolver(configure=False)
    if nameservers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in nameservers]
    resolver.timeout = TRY_SECONDS
    return resolver


def _changed(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def _text(name: Any) -> str:
    return str(name.to_text(omit_final_dot=True)).lower() if name.labels != (b"",) else ""
