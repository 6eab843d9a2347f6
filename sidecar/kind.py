"""The kinds of scripts: what each may do, in the product's words."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAIN: Final = "main"
"""The function that a run calls of which nobody has named another."""


class Kind(StrEnum):
    """What a script may do: a Script is synchronous, an App may use promises and timers. A Driver speaks with a carrier
    or watches over something, and a Worker takes messages one by one: no call runs either."""

    SCRIPT = "script"
    APP = "app"
    DRIVER = "driver"
    WORKER = "worker"

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
    parameters: str
    """Of that function, as its author is told them."""
    waits: bool
    """Whether a run may wait: it has promises, ``async`` and ``await``."""
    has_timers: bool
    has_modules: bool
    """Whether it may import and require what its host has, and export its entry."""
    drives_calls: bool
    """Whether its entry may be given a call, whose actions are promises."""
    has_assignments: bool
    """Whether calls may be assigned to it, and whether it may be asked for by its uuid."""
    memory_share: float = 1.0
    """Of the memory that a script has unless its own entry says otherwise."""


RULES: Final = {
    Kind.SCRIPT: KindRules(
        called="a Script",
        entry=MAIN,
        parameters="data",
        waits=False,
        has_timers=False,
        has_modules=False,
        drives_calls=False,
        has_assignments=True,
    ),
    Kind.APP: KindRules(
        called="an App",
        entry=MAIN,
        parameters="data",
        waits=True,
        has_timers=True,
        has_modules=True,
        drives_calls=True,
        has_assignments=True,
    ),
    Kind.DRIVER: KindRules(
        called="a Driver",
        entry=MAIN,
        parameters="data",
        waits=True,
        has_timers=True,
        has_modules=True,
        drives_calls=False,
        has_assignments=False,
    ),
    Kind.WORKER: KindRules(
        called="a Worker",
        entry=MAIN,
        parameters="message, { id, attempt }",
        waits=True,
        has_timers=True,
        has_modules=True,
        drives_calls=False,
        has_assignments=False,
        memory_share=0.5,
    ),
}

DID_FUNCTIONS: Final = ("search", "allocate", "release", "list")
"""What a Driver exports that buys numbers of a carrier."""
ALERT: Final = "alert"
"""What a Driver exports that watches over something; ``main`` where it has none."""
DRIVER_FUNCTIONS: Final = (*DID_FUNCTIONS, ALERT, MAIN)
"""What may be asked of a Driver; it has one of them at least."""
