"""The kinds of scripts: what each may do, in the product's words."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAIN: Final = "main"
"""The function that a run of a Script or an App calls."""


class Kind(StrEnum):
    """What a script may do: a Script is synchronous, an App may use promises and timers."""

    SCRIPT = "script"
    APP = "app"

    @classmethod
    def _missing_(cls, value: object) -> "Kind | None":
        """A kind as other platforms call it, whatever its capitals."""
        return _CALLED.get(value.lower()) if isinstance(value, str) else None


_CALLED: Final = {**{kind.value: kind for kind in Kind}, "app+": Kind.APP, "quickjs": Kind.APP, "debug": Kind.APP}


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRules:
    """What a kind means for the text of a script."""

    called: str
    """What its author is told that it is, with the article."""
    entry: str
    """The name of the function that a run calls."""
    waits: bool
    """Whether a run may wait: it has promises, ``async`` and ``await``."""
    has_timers: bool
    has_modules: bool
    """Whether it may import and require what its host has, and export its entry."""
    drives_calls: bool
    """Whether its entry may be given a call, whose actions are promises."""


RULES: Final = {
    Kind.SCRIPT: KindRules(
        called="a Script", entry=MAIN, waits=False, has_timers=False, has_modules=False, drives_calls=False
    ),
    Kind.APP: KindRules(called="an App", entry=MAIN, waits=True, has_timers=True, has_modules=True, drives_calls=True),
}
