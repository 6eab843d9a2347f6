"""Colour where it is wanted: on a terminal, and never with NO_COLOR (no-color.org)."""

import os
from collections.abc import Mapping
from enum import StrEnum
from typing import TextIO


class Paint(StrEnum):
    """What a text is, as ECMA-48 8.3.117 (SGR) parameters."""

    BOLD = "1"
    FAINT = "2"
    BAD = "31"
    GOOD = "32"
    CHANGED = "33"
    TITLE = "1;36"


class Painter:
    """Paints, or leaves text as it is."""

    __slots__ = ("_on",)

    def __init__(self, on: bool = False) -> None:
        self._on = on

    @classmethod
    def of(cls, stream: TextIO, environment: Mapping[str, str] = os.environ) -> "Painter":
        """For what is written to ``stream``."""
        return cls(stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb")

    def __call__(self, text: str, paint: Paint | None) -> str:
        return f"\x1b[{paint}m{text}\x1b[0m" if self._on and paint is not None and text else text
