"""Parts of lists."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sidecar.http.shapes import Page

_Record = TypeVar("_Record")


def page(records: Sequence[_Record], limit: int, cursor: Callable[[_Record], str | int]) -> Page[Any]:
    """A page of records of which one more than the limit was asked for, so that it is known whether there are more."""
    shown = list(records[:limit])
    return Page(items=shown, next=cursor(shown[-1]) if len(records) > limit else None)
