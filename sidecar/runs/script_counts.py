"""What is counted of each script: so many of them by name, and all others together."""

from collections.abc import Iterable, Mapping
from typing import Final

OTHER: Final = "other"
"""Stands for the scripts past the cap. A script of that name is counted with them."""


class ScriptCount:
    """Totals of one script since the start."""

    __slots__ = ("failures", "micros", "runs")

    def __init__(self) -> None:
        self.runs = 0
        self.failures = 0
        self.micros = 0


class ScriptCounts:
    """The totals of each script, by its id. A script keeps its place when it leaves the catalog: totals never go down.

    ``most`` bounds the names; who comes later is counted under `OTHER`.
    """

    __slots__ = ("_counts", "_most", "_other")

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: dict[str, ScriptCount] = {}
        self._other = ScriptCount()

    def of(self, script_id: str) -> ScriptCount:
        """The totals that a script is counted in."""
        count = self._counts.get(script_id)
        if count is None:
            if len(self._counts) >= self._most or script_id == OTHER:
                return self._other
            count = self._counts[script_id] = ScriptCount()
        return count

    def expect(self, script_ids: Iterable[str]) -> None:
        """Show these from now on, with zeros, where there is room for all of them: the first failure of a script is
        then a step from 0, which a rate sees."""
        new = set(script_ids) - self._counts.keys()
        if len(self._counts) + len(new) <= self._most:
            for script_id in sorted(new):
                self.of(script_id)

    def snapshot(self) -> Mapping[str, ScriptCount]:
        """The totals by script; `OTHER` last."""
        return {**self._counts, OTHER: self._other}
