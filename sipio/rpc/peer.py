"""The other end of a MessagePack-RPC connection, as we ask it and tell it things."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from sipio.errors import SipioError
from sipio.rpc.connection import RpcConnection
from sipio.rpc.errors import ConnectionLost, RpcError
from sipio.rpc.messages import ResponseReceived

logger = logging.getLogger(__name__)

Reply = Callable[[SipioError | None, msgspec.Raw], None]
"""Told what became of a request of ours: an error, or None and the undecoded result."""

_NO_RESULT: Final = msgspec.Raw(b"\xc0")


class RpcPeer:
    """Our requests to one peer, and the replies they wait for. One object for as long as the connection lives."""

    __slots__ = ("_core", "_output_ready", "_replies", "ended")

    def __init__(self, core: RpcConnection, output_ready: Callable[[], None]) -> None:
        """Requests go into ``core``; ``output_ready`` is called when there is one to be sent. Needs a running loop."""
        self._core = core
        self._output_ready = output_ready
        self._replies: dict[int, Reply] = {}
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the connection is gone."""

    @property
    def waiting(self) -> bool:
        """Whether any reply is still to come."""
        return bool(self._replies)

    def request(self, method: str, params: Any, reply: Reply) -> int:
        """Ask the peer; ``reply`` is called once. Gives an id for `give_up`.

        Raises `ConnectionLost` when there is no connection, `LocalError` when ``params`` cannot be encoded.
        """
        msgid = self._core.request(method, params)
        self._replies[msgid] = reply
        self._output_ready()
        return msgid

    def give_up(self, request: int) -> None:
        """Forget a request of ours: its ``reply`` is not called any more."""
        if self._replies.pop(request, None) is not None:
            self._core.give_up(request)

    def notify(self, method: str, params: Any) -> None:
        """Tell the peer. Raises as `request` does."""
        self._core.notify(method, params)
        self._output_ready()

    def response(self, event: ResponseReceived) -> None:
        """Tell whoever asked what the peer answered."""
        reply = self._replies.pop(event.msgid, None)
        if reply is None:
            return
        error = None if event.error is None else RpcError.from_wire(event.error)
        _tell(reply, error, event.result)

    def lost(self, reason: str) -> None:
        """Tell all who wait that no answer comes."""
        replies, self._replies = self._replies, {}
        # It is a method of whoever holds this peer, and nothing is to be sent any more.
        self._output_ready = send_nothing
        for reply in replies.values():
            _tell(reply, ConnectionLost(reason), _NO_RESULT)
        if not self.ended.done():
            self.ended.set_result(None)


def send_nothing() -> None:
    """In place of sending, once there is nowhere to send to."""


def _tell(reply: Reply, error: SipioError | None, result: msgspec.Raw) -> None:
    try:
        reply(error, result)
    except Exception:
        # One asker's bug must not keep the others from their answers.
        logger.exception("rpc_reply_failed", extra={"outcome": "answered" if error is None else str(error)})
