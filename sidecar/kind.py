"""The kinds of scripts: what each may do, in the product's words."""

from enum import StrEnum


class Kind(StrEnum):
    """What a script may do: a Script is synchronous, an App may use promises and timers."""

    SCRIPT = "script"
    APP = "app"
