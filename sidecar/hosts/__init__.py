"""What a script sees of its host and what it may ask of it: trusted JavaScript, and the Python that answers it."""

from functools import cache
from importlib.resources import files


@cache
def source(name: str) -> str:
    """The adapter ``name``, for the sandbox to evaluate: ``routing`` for Class 4, ``call`` for Class 5, ``request`` for
    runs over HTTP, ``worker`` for Workers."""
    return (files(__package__) / f"{name}.js").read_text(encoding="utf-8")
