"""Engine contexts that a worker keeps ready: those that have a program in them, and blank ones."""

from collections import OrderedDict
from typing import Final

from sandbox.engine import Context

BLANK_CONTEXTS: Final = 4
"""Contexts made ahead while there is nothing to do: making one takes some 500 us, taking one next to nothing."""


class Contexts:
    """Contexts that no run is in."""

    __slots__ = ("_blank", "_customers", "_most_warm", "_warm")

    def __init__(self, most_warm: int) -> None:
        self._most_warm = most_warm
        self._warm: OrderedDict[tuple[str, str], Context] = OrderedDict()
        """By program and customer: what a run leaves in the language's own objects is that customer's alone."""
        self._customers: dict[str, set[str]] = {}
        """For whom each program has a context."""
        self._blank: dict[bool, list[Context]] = {False: [], True: []}
        """Contexts without a program; the key is whether their runs may wait."""

    @property
    def keeps(self) -> bool:
        """Whether a context is kept after its run."""
        return self._most_warm > 0

    def warm(self, key: str, customer: str) -> Context | None:
        """Take the context that has this program and served this customer, if there is one."""
        return self._warm.pop((key, customer), None)

    def blank(self, suspends: bool) -> Context:
        """Take a context that has no program."""
        blank = self._blank[suspends]
        return blank.pop() if blank else Context(suspends)

    def keep(self, key: str, customer: str, context: Context) -> None:
        """Keep a context for the next run of its program for its customer. The one unused for longest makes place."""
        self._warm[key, customer] = context
        customers = self._customers.get(key)
        if customers is None:
            customers = self._customers[key] = set()
        customers.add(customer)
        if len(self._warm) > self._most_warm:
            (key, customer), _ = self._warm.popitem(last=False)
            self._customers[key].discard(customer)

    def forget(self, key: str) -> None:
        """Let go of the contexts that have this program."""
        for customer in self._customers.pop(key, ()):
            self._warm.pop((key, customer), None)

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
