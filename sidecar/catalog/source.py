"""Where a catalog comes from: what a daemon asks of a directory, a database, or a test."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from sidecar.catalog.model import Snapshot
from sidecar.errors import CatalogError
from sidecar.problem import Problem


class ServedBy(StrEnum):
    """What becomes of calls that something broken is for."""

    LAST_GOOD = "last_good"
    """The last version of it that was right is run."""
    ERROR_ACTION = "error_action"
    """There is none: they get the error action of their assignment."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Something of a catalog that cannot be used as it is now."""

    what: str
    """In words: a file, or an assignment."""
    served_by: ServedBy

    def __str__(self) -> str:
        if self.served_by is ServedBy.LAST_GOOD:
            return f"{self.what}: its last good version serves"
        return f"{self.what}: its calls get their error action"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a source has now."""

    snapshot: Snapshot | None
    """None where there is an error, and the source takes nothing then."""
    problems: tuple[Problem, ...]
    sources: dict[str, str] = field(default_factory=dict, repr=False)
    """Text by file, for a report."""
    broken: tuple[Broken, ...] = ()
    """What the snapshot has not as it is now, where the source took the rest."""
    revision: int | None = None
    """The last change of the database that it has; None for what is no database."""
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

    def close(self) -> None:
        """Give up what is held. May block for some seconds; nothing is asked for after."""
        ...
