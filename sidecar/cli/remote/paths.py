"""Paths of the API."""

from urllib.parse import quote


def segment(text: str) -> str:
    """A name as a part of a path."""
    return quote(text, safe="")
