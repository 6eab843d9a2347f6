"""The processes that share a Valkey or Redis list themselves there."""

import contextlib
from collections.abc import Sequence
from typing import Final

import msgspec

from sidecar.nodes.node import BEAT_SECONDS, GONE_SECONDS, Node, in_order
from sidecar.shared.connection import Script, Shared
from sidecar.shared.errors import SharedError

_SCRIPT: Final = Script.beside(__file__)


class SharedListing:
    """A `sidecar.nodes.node.Listing`."""

    beat_seconds = BEAT_SECONDS

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def tell(self, node: Node) -> None:
        """Be listed as this, as soon as the server is there."""
        await self._shared.present()
        with contextlib.suppress(SharedError):  # whose loss is told by the connection
            await self._shared.run(_SCRIPT, (_micros(), node.id, msgspec.msgpack.encode(node)))

    async def leave(self, node_id: str) -> None:
        """Be listed no more."""
        with contextlib.suppress(SharedError):
            await self._shared.run(_SCRIPT, (_micros(), node_id, b""))


async def listed(shared: Shared) -> Sequence[Node]:
    """Those that are there, by their names. Raises SharedError."""
    answer = await shared.run(_SCRIPT, (_micros(),))
    found = zip(answer[::3], answer[1::3], answer[2::3], strict=True)
    return in_order(_node(node_id.decode(), int(micros) / 1_000_000, told) for node_id, micros, told in found)


def _node(node_id: str, seen_seconds: float, told: bytes) -> Node | None:
    try:
        node = msgspec.msgpack.decode(told, type=Node)
    except msgspec.MsgspecError:
        return None  # of a release that tells something else
    return msgspec.structs.replace(node, id=node_id, seen_seconds=seen_seconds)


def _micros() -> int:
    return int(GONE_SECONDS * 1_000_000)
