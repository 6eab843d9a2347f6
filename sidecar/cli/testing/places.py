"""What went wrong in a file of tests, as its author is told of it: in words, at its place, and not too long."""

import json
import re
from typing import Final

import msgspec

from sandbox.outcome import Completion, Location, Threw
from sandbox.program import Program
from sandbox.sound_text import sound
from sandbox.stack import threw
from sidecar.cli.testing.found_files import TestFile
from sidecar.cli.testing.results import Shortcoming
from sidecar.runs.failure import failure_of

SHOWN_CHARACTERS: Final = 5_000_000
"""Of what is compared and noted in one file: whose ten thousand tests all fail is read from the first."""
MESSAGE_CHARACTERS: Final = 10_000
_PLACE: Final = re.compile(r":(\d+):(\d+)$")


class Failed(msgspec.Struct):
    """An error as suite.js describes it."""

    name: str = "Error"
    message: str = ""
    stack: str = ""
    expected: str | None = None
    received: str | None = None


class Places:
    """Of one file of tests and its program."""

    def __init__(self, file: TestFile, program: Program) -> None:
        self._file = file
        self._program = program
        self._room = SHOWN_CHARACTERS

    def of(self, stack: str) -> Location:
        """Where a stack begins; 0:0 where it has no place of the author's."""
        location = threw(self._program.name, json.dumps({"stack": stack}).encode(), self._program.files).location
        return location or Location(0, 0)

    def shortcoming(self, failed: Failed) -> Shortcoming:
        """What a test or a hook failed with."""
        message = sound(failed.message[:MESSAGE_CHARACTERS])
        if failed.name not in ("Error", "AssertionError"):
            message = f"{sound(failed.name)}: {message}"
        place = self.of(failed.stack)
        return Shortcoming(
            message=message,
            file=self._shown(place),
            line=place.line,
            column=place.column,
            expected=self.kept(failed.expected),
            received=self.kept(failed.received),
        )

    def of_end(self, completion: Completion) -> Shortcoming:
        """What the program itself ended by."""
        outcome = completion.outcome
        if isinstance(outcome, Threw):
            place = outcome.location
            message = f"{outcome.name}: {outcome.message}"
            if place is None:
                return Shortcoming(message=message)
            return Shortcoming(message=message, file=self._shown(place), line=place.line, column=place.column)
        failure = failure_of(completion, self._program)
        message, found = failure.message or failure.outcome, _PLACE.search(failure.location)
        if found is None:
            return Shortcoming(message=message)
        return Shortcoming(message=message, line=int(found[1]), column=int(found[2]))

    def kept(self, text: str | None) -> str | None:
        """As much of a text as there is room for."""
        if text is None:
            return None
        kept = text[: self._room]
        self._room -= len(kept)
        return sound(kept)

    def _shown(self, place: Location) -> str:
        return self._file.shows(self._file.path.parent / place.file) if place.file else ""
