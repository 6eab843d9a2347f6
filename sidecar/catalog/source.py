"""Where a catalog comes from: what a daemon asks of a directory, a database, or a test."""

from dataclasses import dataclass, field
from typing import Protocol

from sidecar.catalog.model import Snapshot
from sidecar.errors import CatalogError
from sidecar.problem import Problem


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a source has now."""

    snapshot: Snapshot | None
    """None where there is an error."""
    problems: tuple[Problem, ...]
    sources: dict[str, str] = field(default_factory=dict, repr=False)
    """Text by file, for a report."""
    settled: bool = True
    """False where the source changed while it was read, and what was read may be half of a change."""

    def require(self) -> Snapshot:
        """The snapshot. Raises CatalogError with every problem where there is none."""
        if self.snapshot is None:
            raise CatalogError("\n".join(str(problem) for problem in self.problems))
        return self.snapshot


class Source(Protocol):
    """A catalog that can be loaded again and again, and that says when that is worth the trouble.

    What one author got wrong may cost everybody's change or theirs alone: that is the source's to decide, which gives a
    snapshot with problems or none.
    """

    def load(self) -> Loaded:
        """Reads, checks and compiles everything. Blocks for as long as that takes: to be called in a thread, one call
        at a time. May raise whatever it raises where it cannot be asked at all: what runs goes on then."""
        ...

    async def changed(self) -> None:
        """Return once there is something that was not there when it was last loaded; never where nothing is watched.

        A source that has to look does so here, as often as it likes and without blocking the loop: at files, at one row
        of a database. May be cancelled at any time.
        """
        ...
