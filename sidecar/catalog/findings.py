"""What is wrong with an entry of a catalog, and what of that can be seen from the entry alone."""

import difflib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sidecar.catalog.entries import DecisionEntry, Entry, Key, Place
from sidecar.catalog.variables import wrong_variables
from sidecar.problem import Severity
from sidecar.sip_answer import parse_action


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with an entry, at a key of it."""

    place: Place
    key: Key
    severity: Severity
    message: str
    other: Place | None = None
    """Of an entry that the message ends by naming; ``rest`` follows it."""
    rest: str = ""

    def told(self, words: Callable[[Place], str]) -> str:
        """The whole message, where ``words`` says what a place is called."""
        return self.message if self.other is None else f"{self.message} {words(self.other)}{self.rest}"


def wrong_values(entry: Entry) -> Iterator[Finding]:
    """The vars and the actions of an entry that are not what they must be."""
    for key, message, severity in wrong_variables(entry.vars) if entry.vars else ():
        yield Finding(entry.place, ("vars", *key), severity, message)
    if isinstance(entry, DecisionEntry):
        for name in ("timeout_action", "error_action"):
            text = getattr(entry, name)
            yield from unless_right(entry, name, parse_action, text)


def unless_right(entry: Entry, key: str, parse: Callable[[str], Any], text: str | None) -> Iterator[Finding]:
    """A finding where a text is given for this key that ``parse`` raises ValueError for."""
    if text:
        try:
            parse(text)
        except ValueError as error:
            yield Finding(entry.place, (key,), Severity.ERROR, f"{key}: {error}")


def did_you_mean(name: str, known: Collection[str]) -> str:
    """The nearest of the names there are, as the end of a complaint; empty where none is near."""
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""
