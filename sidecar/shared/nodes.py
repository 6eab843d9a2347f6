"""The processes that share a Valkey or Redis, as they tell of themselves: for people to look at, nothing else."""

from collections.abc import Sequence
from typing import Final

import msgspec

from sidecar.shared.connection import Script, Shared

BEAT_SECONDS: Final = 2.0
"""So often a process tells of itself."""
GONE_SECONDS: Final = 10.0
"""After so long without a word it is listed no more: four may be late."""
_SCRIPT: Final = Script.beside(__file__)


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One process."""

    name: str
    """Of its machine: ``shared.name``, or the host's name."""
    role: str
    """``daemon`` or ``platform``."""
    pid: int
    version: str
    """Of the program."""
    catalog: str
    """The version of scripts and assignments that it runs by; empty before the first."""
    since: int
    """When it started, in microseconds since 1970."""
    runs: int
    """Runs of scripts under way."""
    calls: int
    """Calls up that scripts drive."""
    runs_a_second: float
    """Runs ended a second, lately."""
    id: str = ""
    """Of this start of the process, which nobody else has."""
    seen_seconds: float = 0.0
    """How long ago it told this."""


async def tell(shared: Shared, node: Node) -> None:
    """Be listed as this. Raises SharedError."""
    await shared.run(_SCRIPT, (_micros(), node.id, msgspec.msgpack.encode(node)))


async def leave(shared: Shared, node_id: str) -> None:
    """Be listed no more. Raises SharedError."""
    await shared.run(_SCRIPT, (_micros(), node_id, b""))


async def listed(shared: Shared) -> Sequence[Node]:
    """Those that are there, by their names. Raises SharedError."""
    answer = await shared.run(_SCRIPT, (_micros(),))
    found = zip(answer[::3], answer[1::3], answer[2::3], strict=True)
    nodes = [_node(node_id.decode(), int(micros) / 1_000_000, told) for node_id, micros, told in found]
    return sorted((node for node in nodes if node is not None), key=lambda node: (node.name, node.role, node.since))


def _node(node_id: str, seen_seconds: float, told: bytes) -> Node | None:
    try:
        node = msgspec.msgpack.decode(told, type=Node)
    except msgspec.MsgspecError:
        return None  # of a release that tells something else
    return msgspec.structs.replace(node, id=node_id, seen_seconds=seen_seconds)


def _micros() -> int:
    return int(GONE_SECONDS * 1_000_000)
