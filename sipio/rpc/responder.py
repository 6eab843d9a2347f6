"""The obligation to answer one request of a peer's."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sipio.errors import LocalError

if TYPE_CHECKING:
    from sipio.rpc.errors import ErrorCode
    from sipio.rpc.peer import RpcPeer


class Responder:
    """Answers one request, exactly once."""

    __slots__ = ("_msgid", "_open", "_peer", "on_cancel")

    def __init__(self, peer: "RpcPeer", msgid: int | None) -> None:
        self._peer = peer
        self._msgid = msgid
        self._open = True
        self.on_cancel: Callable[[], None] | None = None
        """Called at most once, if the connection ends before the answer. The answer, still due, goes
        nowhere."""

    @property
    def peer(self) -> "RpcPeer":
        """The connection it came over: one object for as long as that lives."""
        return self._peer

    def result(self, result: Any) -> None:
        """Answer with anything msgspec encodes. What it cannot is answered as ``internal`` and logged."""
        self._close()
        self._peer.respond(self, self._msgid, result)

    def error(self, code: "ErrorCode", message: str) -> None:
        """Answer with an error."""
        self._close()
        self._peer.respond_error(self, self._msgid, code, message)

    @property
    def answered(self) -> bool:
        """Whether the answer was given."""
        return not self._open

    def _close(self) -> None:
        if not self._open:
            raise LocalError("a request was answered twice")
        self._open = False
        self.on_cancel = None
