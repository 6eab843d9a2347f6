"""A switch that speaks docs/voice-adapter.md: each request waits until the test answers it."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from sipio.rpc.client import RpcClient
from sipio.rpc.errors import ErrorCode
from sipio.rpc.service import Method, Responder

SECONDS = 60.0
ACTIONS = (
    *("answer", "play", "echo", "collect", "bridge", "hangup", "record", "block_dtmf", "stop", "set_variable"),
    "originate",
)


class Asked:
    """One request of the sidecar's."""

    def __init__(self, method: str, fields: dict[str, Any], responder: Responder) -> None:
        self.method = method
        self.fields = fields
        self._responder = responder

    def done(self, result: Any = None) -> None:
        self._responder.result({} if result is None else result)

    def error(self, code: str, message: str = "") -> None:
        # A foreign adapter's codes are any text.
        self._responder.error(cast("ErrorCode", code), message)


class VoiceSwitch:
    """One connection of a switch to the sidecar."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.changed = asyncio.Event()
        self.client: RpcClient

    @classmethod
    async def connect(cls, address: str) -> "VoiceSwitch":
        switch = cls()
        methods = {f"call.{name}": Method(list[dict[str, Any]], switch._taker(f"call.{name}")) for name in ACTIONS}
        switch.client = await RpcClient.connect(address, methods=methods)
        return switch

    def _taker(self, method: str) -> Callable[[list[dict[str, Any]], Responder], None]:
        def take(params: list[dict[str, Any]], responder: Responder) -> None:
            self.asked.append(Asked(method, params[0], responder))
            self.changed.set()

        return take

    async def next(self, method: str) -> Asked:
        """The next request, which must be of this method."""
        async with asyncio.timeout(SECONDS):
            while not self.asked:
                self.changed.clear()
                await self.changed.wait()
        asked = self.asked.pop(0)
        assert asked.method == method, asked.method
        return asked

    async def start(self, call_id: str = "c1", to_user: str = "100", **more: Any) -> Any:
        """Announce a call."""
        return await self.client.call("call.start", {"id": call_id, "from_user": "4420", "to_user": to_user, **more})

    def event(self, event: str, call_id: str = "c1", **fields: Any) -> None:
        """Tell what happened."""
        self.client.notify("call.event", {"call_id": call_id, "event": event, **fields})

    async def event_answered(self, event: str, call_id: str = "c1", **fields: Any) -> Any:
        """Tell it as a request, and wait for what the sidecar makes of it."""
        return await self.client.call("call.event", {"call_id": call_id, "event": event, **fields})
