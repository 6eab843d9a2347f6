"""Trusted JavaScript between the switch's data and a script's main: what a script sees, and how its result is read."""

from functools import cache
from importlib.resources import files


@cache
def source(name: str) -> str:
    """The adapter ``name``, an expression for the sandbox to evaluate."""
    return (files(__package__) / f"{name}.js").read_text(encoding="utf-8")
