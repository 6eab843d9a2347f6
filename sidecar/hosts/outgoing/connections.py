"""Connections that scripts make: each leads to where the policy allows, and there are so many of them."""

import asyncio
import socket
from collections import Counter
from collections.abc import Collection
from typing import Any, Final

import aiohappyeyeballs

from sidecar.hosts.outgoing.certificates import CA_CHARACTERS, PROTOCOL_CHARACTERS, PROTOCOLS, Trust
from sidecar.hosts.outgoing.connection import Connection
from sidecar.hosts.outgoing.connection_errors import LIMIT, REFUSED, ConnectionFailed, of_name, of_system
from sidecar.hosts.outgoing.policy import OutgoingRefused, names_host
from sidecar.hosts.outgoing.settings import OutgoingSettings
from sipio.gated_resolver import GatedResolver

NEXT_ADDRESS_SECONDS: Final = 0.25
"""After which a name's next address is tried beside the one before (RFC 8305 clause 5)."""
ADDRESSES: Final = 16
"""Of a name that are tried, or told."""


class Connections:
    """Of every tenant. Lives on one event loop."""

    def __init__(self, settings: OutgoingSettings) -> None:
        self._settings: Final = settings
        self._open: Counter[str] = Counter()
        """And those that are being made, by tenant."""
        self._resolver: Final = GatedResolver(settings.policy.allows_address)
        self._trust: Final = Trust(settings.tls_ca)

    async def connect(
        self, tenant: str, host: str, port: int, only_hosts: Collection[str] | None, known: Collection[str] = ()
    ) -> Connection:
        """Connect to a name, or to an address, which is checked as one that a name has.

        ``only_hosts`` are those of the policy's that this script may reach, None for all; ``known`` as of
        `OutgoingPolicy.check_connection`. Raises ConnectionFailed.
        """
        settings = self._settings
        where = f"{host}:{port}"
        try:
            settings.policy.check_connection(host, port, known)
        except OutgoingRefused as error:
            raise ConnectionFailed(REFUSED, str(error)) from error
        if host not in known:
            _check_own(host, only_hosts)
        if self._open.total() >= settings.connections_at_once:
            raise ConnectionFailed(LIMIT, "too many connections of scripts are open")
        if self._open[tenant] >= settings.connections_at_once_per_tenant:
            most = settings.connections_at_once_per_tenant
            raise ConnectionFailed(LIMIT, f"more than {most} connections of one account are open")
        self._open[tenant] += 1
        connection = Connection(
            settings.connection_bytes, settings.connection_idle_seconds, lambda: self._closed(tenant)
        )
        try:
            async with asyncio.timeout(settings.timeout_seconds):
                await self._reach(connection, host, port, where)
        except TimeoutError as error:
            connection.close()
            raise ConnectionFailed("ETIMEDOUT", f"connect ETIMEDOUT {where}", "connect") from error
        except BaseException:
            connection.close()
            raise
        return connection

    async def _reach(self, connection: Connection, host: str, port: int, where: str) -> None:
        found = await self._resolve(host, port)
        infos = [(one["family"], 1, one["proto"], "", (one["host"], one["port"])) for one in found]
        loop = asyncio.get_running_loop()
        try:
            reached = await aiohappyeyeballs.start_connection(
                infos, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS, loop=loop
            )
        except TimeoutError as error:
            # The kernel's own, which asyncio's is an error of the same name as.
            raise ConnectionFailed("ETIMEDOUT", f"connect ETIMEDOUT {where}", "connect") from error
        except OSError as error:
            raise of_system(error, "connect", where) from error
        await loop.create_connection(lambda: connection, sock=reached)

    async def addresses(self, host: str, only_hosts: Collection[str] | None) -> list[dict[str, Any]]:
        """The addresses of a name that may be connected to, ``{address, family}``. Raises ConnectionFailed."""
        try:
            self._settings.policy.check_name(host)
        except OutgoingRefused as error:
            raise ConnectionFailed(REFUSED, str(error)) from error
        _check_own(host, only_hosts)
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                found = await self._resolve(host, 0)
        except TimeoutError as error:
            raise ConnectionFailed("ETIMEOUT", f"getaddrinfo ETIMEOUT {host}", "getaddrinfo") from error
        return [{"address": one["host"], "family": 6 if ":" in one["host"] else 4} for one in found]

    async def upgrade(
        self, connection: Connection, name: str, ca: str, protocols: tuple[str, ...], only_hosts: Collection[str] | None
    ) -> dict[str, Any]:
        """Have a connection go on in TLS, with who proves to be of this name; what is told of it. Raises
        ConnectionFailed."""
        if not name:
            # Of nobody's name a certificate says nothing.
            raise ConnectionFailed("ERR_INVALID_ARG_VALUE", "servername: it is no name")
        if name != connection.address:
            # By the name in TLS, one front of many leads on to whoever it knows.
            if not names_host(self._settings.policy.hosts, name):
                raise ConnectionFailed(REFUSED, f"{name} is not among the hosts that scripts may reach")
            _check_own(name, only_hosts)
        if len(ca) > CA_CHARACTERS:
            raise ConnectionFailed(LIMIT, f"ca: more than {CA_CHARACTERS} characters")
        if len(protocols) > PROTOCOLS or not all(
            0 < len(protocol.encode("ascii", "replace")) <= PROTOCOL_CHARACTERS and protocol.isascii()
            for protocol in protocols
        ):
            raise ConnectionFailed(LIMIT, f"ALPNProtocols: up to {PROTOCOLS} names of up to {PROTOCOL_CHARACTERS}")
        context = await self._trust.context(ca, protocols)
        return await connection.upgrade(context, name, self._settings.timeout_seconds)

    async def close(self) -> None:
        """Let go of what names are asked with. Connections are closed by who has them."""
        await self._resolver.close()

    async def _resolve(self, host: str, port: int) -> list[Any]:
        try:
            found = await self._resolver.resolve(host, port, socket.AF_UNSPEC)
        except ValueError as error:
            # Of what is no name in DNS: an empty label, a long one, a zero in it.
            raise ConnectionFailed("ENOTFOUND", f"getaddrinfo ENOTFOUND {host}", "getaddrinfo") from error
        except OSError as error:
            raise of_name(error, host) from error
        return found[:ADDRESSES]

    def _closed(self, tenant: str) -> None:
        self._open[tenant] -= 1
        if not self._open[tenant]:
            del self._open[tenant]


def _check_own(host: str, only_hosts: Collection[str] | None) -> None:
    if only_hosts is not None and not names_host(only_hosts, host):
        raise ConnectionFailed(REFUSED, f"{host} is not among the hosts that Workers may reach")
