"""A DNS server on loopback, and a locator that asks it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from sipio.sip.dns_locator import DnsLocator
from sipio.sip.hosts_file import HostsFile


class NameServer(asyncio.DatagramProtocol):
    """Answers with ``records``; a name without any does not exist."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        """By name without its last dot and type."""
        self.asked: list[tuple[str, str]] = []
        self.silent = False
        self.ttl = 60
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if self.silent:
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        found = self.records.get((name, kind))
        if found:
            response.answer.append(dns.rrset.from_text(question.name, self.ttl, "IN", kind, *found))
        elif not any(name == known for known, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(response.to_wire(), addr)

    def srv(self, service: str, *servers: tuple[int, int, int, str]) -> None:
        """SRV records of priority, weight, port and target."""
        self.records[service, "SRV"] = [
            f"{priority} {weight} {port} {target}." for priority, weight, port, target in servers
        ]

    def address(self, name: str, *addresses: str) -> None:
        """A records."""
        self.records[name, "A"] = list(addresses)


@asynccontextmanager
async def name_server(*, ipv6: bool = False) -> AsyncIterator[tuple[NameServer, DnsLocator]]:
    server = NameServer()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    try:
        yield server, DnsLocator(ipv6=ipv6, nameservers=(("127.0.0.1", port),), hosts=HostsFile(Path("/nonexistent")))
    finally:
        transport.close()
