"""One process as it tells of itself, and where it tells it."""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

BEAT_SECONDS: Final = 5.0
"""So often a process tells of itself: each beat may be a transaction."""
GONE_SECONDS: Final = 20.0
"""After so long without a word one is listed no more: three may be late."""


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
    revision: int | None = None
    """The last change of the database that it runs by, the same number in every process that has taken it over. None
    where the catalog is a directory."""
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


class Listing(Protocol):
    """Where processes are listed."""

    @property
    def beat_seconds(self) -> float:
        """So often a process is to tell of itself."""
        ...

    async def tell(self, node: Node) -> None:
        """Be listed as this. What cannot be told now is told the next time: nothing is raised."""
        ...

    async def leave(self, node_id: str) -> None:
        """Be listed no more. Who cannot say so is forgotten after a while: nothing is raised."""
        ...


def in_order(nodes: Iterable[Node | None]) -> Sequence[Node]:
    """Those that can be read, by their names."""
    return sorted((node for node in nodes if node is not None), key=lambda node: (node.name, node.role, node.since))
