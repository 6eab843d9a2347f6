"""Placed calls as the platform asks the call daemon for them, over a unix socket of their own."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec

from sidecar.hosts.errors import HostError, HostUnavailable
from sidecar.hosts.placed.placing import CallRequest, FollowedCall
from sidecar.hosts.placed.served import PLACED, Answered, Asked
from sipio.errors import SipioError
from sipio.rpc.client import RpcClient

logger = logging.getLogger(__name__)

_GONE: Final = "the daemon that carries calls does not answer"


class RemotePlacing:
    """A `sidecar.hosts.placed.placing.CallPlacing`. Lives on one event loop."""

    def __init__(self, socket: Path) -> None:
        self._address = f"unix:{socket}"
        self._client: RpcClient | None = None
        self._connecting = asyncio.Lock()

    async def close(self) -> None:
        """Let go of every call that is not answered, and of the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def servers(self, tenant: str, names: Sequence[str]) -> list[str]:
        """See `CallPlacing`."""
        return list(await self.ask(tenant, "servers", [*names]))

    async def place(self, tenant: str, request: CallRequest) -> FollowedCall:
        """See `CallPlacing`."""
        name = str(uuid4())
        try:
            call_id = await self.ask(tenant, "place", name, msgspec.to_builtins(request))
        except asyncio.CancelledError:
            self.leave(tenant, name)
            raise
        return _RemoteCall(self, tenant, name, str(call_id))

    async def calls(self, tenant: str) -> list[dict[str, Any]]:
        """See `CallPlacing`."""
        return list(await self.ask(tenant, "calls"))

    async def hang_up(self, tenant: str, call_id: str, cause: Any) -> None:
        """See `CallPlacing`."""
        await self.ask(tenant, "hang_up", call_id, cause)

    async def transfer(self, tenant: str, call_id: str, destination: str) -> None:
        """See `CallPlacing`."""
        await self.ask(tenant, "transfer", call_id, destination)

    async def registrations(self, tenant: str, names: Sequence[str], user: str | None) -> list[dict[str, Any]]:
        """See `CallPlacing`."""
        return list(await self.ask(tenant, "registrations", [*names], user))

    async def ask(self, tenant: str, what: str, *values: Any) -> Any:
        """Ask the daemon. Raises HostError."""
        try:
            client = await self._connected()
            asked = Asked(tenant=tenant, what=what, values=[*values])
            answer: Answered = await client.call(PLACED, asked, result_type=Answered)
        except SipioError as error:
            logger.warning("call_daemon_not_asked", extra={"error": str(error)})
            raise HostUnavailable(_GONE) from error
        if answer.refused:
            raise HostError(answer.refused, answer.name or "Error")
        return answer.value

    def leave(self, tenant: str, name: str) -> None:
        """Let the daemon know that nobody follows a call any more."""
        if self._client is not None and not self._client.ended.done():
            try:
                self._client.notify(PLACED, Asked(tenant=tenant, what="leave", values=[name]))
            except SipioError as error:
                logger.info("call_daemon_not_asked", extra={"error": str(error)})

    async def _connected(self) -> RpcClient:
        async with self._connecting:
            if self._client is None or self._client.ended.done():
                self._client = await RpcClient.connect(self._address)
            return self._client


class _RemoteCall:
    """A `FollowedCall`."""

    def __init__(self, placing: RemotePlacing, tenant: str, name: str, call_id: str) -> None:
        self._placing = placing
        self._tenant = tenant
        self._name = name
        self._id = call_id

    @property
    def id(self) -> str:
        """The call's."""
        return self._id

    async def next(self) -> list[list[Any]] | None:
        """See `FollowedCall`."""
        events: list[list[Any]] | None = await self._placing.ask(self._tenant, "next", self._name)
        return events

    def leave(self) -> None:
        """See `FollowedCall`."""
        self._placing.leave(self._tenant, self._name)
