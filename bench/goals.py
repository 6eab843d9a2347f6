"""What is wanted of the engine, row for row: what it was before, at least or at most so much, and what was found."""

import os
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """One row. ``before`` is of version 0.2.0 on the reference machine: two shared cores, quiet."""

    what: str
    before: str
    wanted: float
    at_least: bool = False
    """Whether more is better; for most it is less."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a run measured for one goal."""

    goal: Goal
    value: float
    load: float
    """The machine's, over the minute before it was measured."""

    @property
    def met(self) -> bool:
        """Whether it is what was wanted."""
        return self.value >= self.goal.wanted if self.goal.at_least else self.value <= self.goal.wanted


def machine_load() -> float:
    """How many processes ran or wanted to, over the last minute."""
    return os.getloadavg()[0]


def table(rows: Sequence[Found]) -> str:
    """The rows as a Markdown table."""
    lines = ["| | before | wanted | found | | load |", "|---|---|---|---|---|---|"]
    for row in rows:
        wanted = f"{'at least' if row.goal.at_least else 'at most'} {row.goal.wanted:g}"
        met = "met" if row.met else "missed"
        lines.append(f"| {row.goal.what} | {row.goal.before} | {wanted} | {row.value:.3g} | {met} | {row.load:.1f} |")
    return "\n".join(lines)
