"""Connections: uvicorn's, with an end to who asks too slowly or too long over HTTP, and a web socket that may be
refused."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEAD_BYTES: Final = 65_536
"""Of a request line and its headers."""


def bounded(seconds: float) -> type[asyncio.Protocol]:
    """The protocol of connections on which a request's head comes within this time and `HEAD_BYTES`, or which end: each
    takes one of so many places."""

    class BoundedProtocol(HttpToolsProtocol):
        deadline: asyncio.TimerHandle | None = None
        head_bytes = 0
        upgraded = False
        """The connection is another protocol's by now."""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._await_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.upgraded:
                return
            if self._is_answering:
                self._head_is_there()
                return
            self.head_bytes += len(data)
            if self.head_bytes > HEAD_BYTES:
                self._give_up()
            elif self.deadline is None:
                self._await_head()

        def handle_websocket_upgrade(self) -> None:
            self._head_is_there()
            self.upgraded = True
            super().handle_websocket_upgrade()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_is_there()
            super().connection_lost(exc)

        @property
        def _is_answering(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def _await_head(self) -> None:
            self.deadline = asyncio.get_running_loop().call_later(seconds, self._give_up)

        def _head_is_there(self) -> None:
            self.head_bytes = 0
            if self.deadline is not None:
                self.deadline.cancel()
                self.deadline = None

        def _give_up(self) -> None:
            if not self._is_answering and not self.transport.is_closing():
                self.transport.abort()

    return BoundedProtocol


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A web socket. One that was refused by a response counts as answered: uvicorn 0.54 takes it for forgotten, and
    writes an error into the log whenever a stranger asks for what is not there."""

    async def send(self, message: Any) -> None:
        """As ASGI has it."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True
