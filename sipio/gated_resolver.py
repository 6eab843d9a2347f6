"""Names resolved to what may be connected to, and nothing else."""

import errno
import socket
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from sipio.address_gate import AllowAddress


class GatedResolver(AbstractResolver):
    """Names resolve to nothing but allowed addresses, and connections go to what was resolved: a name that changes
    its address between the question and the connection gains nothing."""

    def __init__(self, allow: AllowAddress) -> None:
        self._allow: Final = allow
        self._resolver: Final = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        allowed = [result for result in found if self._allow(host, result["host"])]
        if not allowed:
            raise PermissionError(errno.EACCES, f"{host} has no address that may be connected to")
        return allowed

    async def close(self) -> None:
        await self._resolver.close()
