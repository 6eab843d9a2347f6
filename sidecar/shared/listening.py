"""A connection that hears channels of a Valkey or Redis."""

import asyncio
from typing import Any, Final

PING_SECONDS: Final = 1.0
"""After so long without a word it is asked whether it is there."""
SILENT_SECONDS: Final = 2.0
"""After so long without a word it is lost: a network that is cut says nothing."""


class Listening:
    """Made by `sidecar.shared.connection.Shared.listening`. What its methods raise ends it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._heard_at = asyncio.get_running_loop().time()

    async def subscribe(self, channel: bytes) -> None:
        """Hear a channel; that it is heard is told by `next`."""
        await self._connection.send_command("SUBSCRIBE", channel, check_health=False)

    async def unsubscribe(self, channel: bytes) -> None:
        """Hear a channel no more."""
        await self._connection.send_command("UNSUBSCRIBE", channel, check_health=False)

    async def next(self) -> tuple[bytes, bytes, Any]:
        """What came: ``message``, ``subscribe`` or ``unsubscribe``, the channel, and the message. Raises TimeoutError
        where nothing did, not even an answer."""
        loop = asyncio.get_running_loop()
        while True:
            came = await self._connection.read_response(timeout=PING_SECONDS, disconnect_on_error=False)
            if came is not None:
                self._heard_at = loop.time()
                if isinstance(came, list) and len(came) == 3:
                    return came[0], came[1], came[2]
            elif loop.time() - self._heard_at >= SILENT_SECONDS:
                raise TimeoutError
            else:
                await self._connection.send_command("PING", check_health=False)
