"""What a run hears of a call that it has placed."""

import asyncio
from collections import deque
from typing import Any, Final

WAITING: Final = 100
"""Events that a script has not taken; a call has a handful."""


class Hearing:
    """The events of one call, in their order, until its end."""

    __slots__ = ("_came", "_closed", "_events")

    def __init__(self) -> None:
        self._events: deque[list[Any]] = deque(maxlen=WAITING)
        self._came = asyncio.Event()
        self._closed = False

    def hear(self, name: str, detail: dict[str, Any]) -> None:
        """Take an event in."""
        self._events.append([name, detail])
        self._came.set()

    def end(self) -> None:
        """Nothing more comes; what has come is heard still."""
        self._closed = True
        self._came.set()

    async def next(self) -> list[list[Any]] | None:
        """What has come, as ``[name, detail]`` each; waits where nothing has. None after the last."""
        await self._came.wait()
        events = list(self._events)
        self._events.clear()
        if not self._closed:
            self._came.clear()
        return events or None
