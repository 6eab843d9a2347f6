"""Engine contexts that a worker keeps ready: those that have a program in them, and blank ones."""

from collections import OrderedDict
from typing import Final

from sandbox.engine import Context

BLANK_CONTEXTS: Final = 4
"""Contexts made ahead while there is nothing to do: making one takes some 500 us, taking one next to nothing."""


class Contexts:
    """Contexts that no run is in."""

    __slots__ = ("_blank", "_most_warm", "_warm")

    def __init__(self, most_warm: int) -> None:
        self._most_warm = most_warm
        self._warm: OrderedDict[str, Context] = OrderedDict()
        self._blank: dict[bool, list[Context]] = {False: [], True: []}
        """Contexts without a program; the key is whether their runs may wait."""

    @property
    def keeps(self) -> bool:
        """Whether a context is kept after its run."""
        return self._most_warm > 0

    def warm(self, key: str) -> Context | None:
        """Take the context that has this program, if there is one."""
        return self._warm.pop(key, None)

    def blank(self, suspends: bool) -> Context:
        """Take a context that has no program."""
        blank = self._blank[suspends]
        return blank.pop() if blank else Context(suspends)

    def keep(self, key: str, context: Context) -> None:
        """Keep a context for the next run of its program. The one unused for longest makes place for it."""
        self._warm[key] = context
        if len(self._warm) > self._most_warm:
            self._warm.popitem(last=False)

    def forget(self, key: str) -> None:
        """Let go of the context that has this program."""
        self._warm.pop(key, None)

    @property
    def lacks_blank(self) -> bool:
        """Whether there are fewer blank ones than there should be."""
        return any(len(blank) < BLANK_CONTEXTS for blank in self._blank.values())

    def make_blank(self) -> None:
        """Make one that is missing."""
        for suspends, blank in self._blank.items():
            if len(blank) < BLANK_CONTEXTS:
                self.add_blank(suspends)
                return

    def add_blank(self, suspends: bool) -> None:
        """Make one of this sort."""
        self._blank[suspends].append(Context(suspends))
