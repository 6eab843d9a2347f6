"""CPython's garbage collector, told what will stay. docs/performance.md has the measurements."""

import gc
from typing import Final

YOUNG: Final = 50_000
"""Containers allocated and not freed before a young collection. A request of 2 KB is some 50 of them, and a burst of
hundreds in flight is not to begin one: it would find nothing, since an answered decision leaves no cycles."""
OLDER: Final = 20
"""Young collections before an older one, and older ones before a full one."""


def keep() -> None:
    """Everything that lives now is to stay, and is never walked by a collection again.

    For once, before calls come: of what lives later some are calls, whose cycles would never be freed again, and to
    collect them takes a millisecond for some 10,000 objects. What is kept is freed all the same once nothing refers to
    it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, OLDER, OLDER)
