"""What a run has open at its host, each by a number that its script's end of a module knows it by."""

import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar

from sidecar.hosts.errors import HostError

logger = logging.getLogger(__name__)

OPEN: Final = 200
"""Of one run at once."""

_Opened = TypeVar("_Opened")


class Handles:
    """Of one run. All that is open is closed when it is over."""

    __slots__ = ("_last", "_opened")

    def __init__(self) -> None:
        self._opened: dict[int, tuple[Any, Callable[[Any], None]]] = {}
        self._last = 0

    def open(self, opened: _Opened, close: Callable[[_Opened], None]) -> int:
        """Keep something, which ``close`` is told of in the end. Raises HostError where there are too many, with it
        closed."""
        if len(self._opened) >= OPEN:
            close(opened)
            raise HostError(f"more than {OPEN} are open in one run", "RangeError")
        self._last += 1
        self._opened[self._last] = (opened, close)
        return self._last

    def get(self, number: int, kind: type[_Opened]) -> _Opened:
        """What has this number. Raises HostError where that is nothing of this kind, or is closed."""
        opened, _ = self._opened.get(number, (None, None))
        if not isinstance(opened, kind):
            raise HostError("it is closed")
        return opened

    def all_of(self, kind: type[_Opened]) -> list[_Opened]:
        """What is open of this kind."""
        return [opened for opened, _ in self._opened.values() if isinstance(opened, kind)]

    def close(self, number: int) -> None:
        """Close what has this number, if it is open."""
        opened, close = self._opened.pop(number, (None, None))
        if close is not None:
            close(opened)

    def close_all(self) -> None:
        """Close everything. A mistake in one of them is logged, and costs the others nothing."""
        for number in list(self._opened):
            try:
                self.close(number)
            except Exception:
                logger.exception("host_handle_not_closed")
