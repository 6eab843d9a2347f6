"""Errors of scripts in more words than the engine's own, within a share of the daemon's time."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, TypeVar

from sandbox.outcome import Location, Threw
from sidecar.language.engine_places import loop_at
from sidecar.language.explanation import Explanation, explained, place_of_subject
from sidecar.language.syntax_tree import CheckTimeoutError, SyntaxTree, parse_script

SHARE: Final = 0.01
"""Of the daemon's time that explanations may take: a script that fails on every call, each time elsewhere, must not
take the time of other customers' decisions. What is past it is told in the engine's words."""
BURST_SECONDS: Final = 0.05
"""Of that share as much may be taken at once: a script of 50 KB takes 10 ms to parse."""
TEXT_LENGTH: Final = 200_000
"""Characters of a script that is explained: parsing more holds the loop for longer than a decision may wait."""
TREES: Final = 16
"""Scripts of whose text the tree is kept, some 20 times the text's size."""
KEPT: Final = 256
"""Explanations kept: the same error comes again with every call."""
SUBJECT_CHARACTERS: Final = 256
"""Of a header's name that is looked for. A script may leave one of 1 MB, another with every call, and each would be
kept."""

_Found = TypeVar("_Found")


class Explanations:
    """What was explained before, and the time that is left to explain more."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = BURST_SECONDS
        self._refilled = clock()
        self._trees: OrderedDict[str, SyntaxTree] = OrderedDict()
        self._kept: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def of(self, threw: Threw, text: str) -> Explanation | None:
        """The error in more words, where there are some and there is time."""
        place = threw.location
        if place is None:
            return None
        known = (hash(text), threw.message, place, threw.caller, threw.builtin, threw.name)
        return self._kept_or_found(known, text, lambda syntax: explained(syntax, threw))

    def loop_at(self, place: Location, text: str) -> tuple[int, int] | None:
        """The loop that a run was interrupted in, where that can be seen and there is time."""
        line, column = place.line, place.column
        return self._kept_or_found(
            (hash(text), "loop", line, column), text, lambda syntax: loop_at(syntax, line, column)
        )

    def place_of(self, subject: str, text: str) -> tuple[int, int] | None:
        """Where a script most likely set a header or a field, where that can be seen and there is time."""
        if len(subject) > SUBJECT_CHARACTERS:
            return None
        return self._kept_or_found((hash(text), subject), text, lambda syntax: place_of_subject(syntax, subject))

    def _kept_or_found(
        self, key: tuple[Any, ...], text: str, find: Callable[[SyntaxTree], _Found | None]
    ) -> _Found | None:
        if key in self._kept:
            kept: _Found | None = self._kept[key]
            return kept
        began = self._clock()
        self._left = min(BURST_SECONDS, self._left + (began - self._refilled) * SHARE)
        self._refilled = began
        if self._left <= 0 or len(text) > TEXT_LENGTH:
            return None
        try:
            found = find(self._tree(text))
        except CheckTimeoutError:
            found = None
        self._left -= self._clock() - began
        self._kept[key] = found
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found

    def _tree(self, text: str) -> SyntaxTree:
        deadline = time.monotonic() + BURST_SECONDS
        tree = self._trees.get(text)
        if tree is None:
            tree = self._trees[text] = parse_script(text, deadline)
            if len(self._trees) > TREES:
                self._trees.popitem(last=False)
        return SyntaxTree(tree.source, tree.tree, deadline)
