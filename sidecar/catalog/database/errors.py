"""What may be wrong with a question about a catalog in a database: the asker's mistake in each case."""

from collections.abc import Sequence

from sidecar.errors import SidecarError
from sidecar.problem import Problem


class CatalogRefusal(SidecarError):
    """Base of all of them. Nothing was changed."""


class NotThere(CatalogRefusal):
    """There is none of that name, or it is another tenant's: the answer is the same."""


class AlreadyThere(CatalogRefusal):
    """The name, or the calls that are asked for, are taken."""


class ChangedMeanwhile(CatalogRefusal):
    """It is not what the asker has seen, and has become something else since."""

    def __init__(self, what: str, tag: str) -> None:
        super().__init__(f"{what}: has been changed meanwhile; look at it again")
        self.tag = tag
        """Of what it is now."""


class LimitReached(CatalogRefusal):
    """The tenant has as many as it may."""


class StillUsed(CatalogRefusal):
    """Something else needs it."""


class NotAllowed(CatalogRefusal):
    """Only the operator may."""


class WrongValues(CatalogRefusal):
    """Values that are not what they must be."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = tuple(messages)


class ScriptRefused(CatalogRefusal):
    """A text with something wrong in it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)
        """Each with line and column."""


class TooOften(CatalogRefusal):
    """More changes than there may be in this time."""
