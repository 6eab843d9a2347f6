"""What came of tests."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec


class TestOutcome(StrEnum):
    """The end of one test."""

    __test__ = False

    FAILED = "failed"
    PASSED = "passed"
    SKIPPED = "skipped"
    TODO = "todo"


class Shortcoming(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was wrong, at its place in the test's file."""

    message: str
    file: str = ""
    """Where it is not in the test's own file but in one that it imports, which."""
    line: int = 0
    """0 where no place of the author's is known."""
    column: int = 0
    expected: str | None = None
    """What was expected and what was received as text, of an assertion."""
    received: str | None = None


class TestResult(msgspec.Struct, frozen=True, kw_only=True):
    """One test."""

    __test__ = False

    names: Sequence[str]
    """Those of the ``describe`` that it stands in, outermost first, and its own."""
    outcome: TestOutcome
    line: int = 0
    seconds: float = 0.0
    shortcomings: Sequence[Shortcoming] = ()
    notes: Sequence[str] = ()
    """What scripts under test failed with and wrote to their console, as text of several lines each; of a test that
    failed."""


class FileResult(msgspec.Struct, frozen=True, kw_only=True):
    """All tests of one file."""

    file: str
    """As the user knows it."""
    text: str
    tests: Sequence[TestResult] = ()
    shortcomings: Sequence[Shortcoming] = ()
    """Of the file as a whole, such as one that does not parse, and of its ``afterAll``."""
    console: Sequence[tuple[str, str]] = ()
    """Level and text of each line that the tests wrote."""
    seconds: float = 0.0

    def count(self, outcome: TestOutcome) -> int:
        """How many tests ended so."""
        return sum(test.outcome is outcome for test in self.tests)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.shortcomings and not self.count(TestOutcome.FAILED)


def all_passed(files: Iterable[FileResult]) -> bool:
    """Whether nothing is wrong with any."""
    return all(file.passed for file in files)
