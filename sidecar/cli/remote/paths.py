"""Paths of the API."""

from urllib.parse import quote

from sidecar.cli.remote.errors import EmptyName


def segment(text: str) -> str:
    """A name as a part of a path. Raises EmptyName: the path would be another one."""
    if not text:
        raise EmptyName("a name is empty")
    return quote(text, safe="")
