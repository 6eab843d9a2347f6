"""A way in that is imported and made when it starts, or never where the configuration does not ask for it."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from sidecar.lifecycle import Part, PartState

Made = TypeVar("Made", bound=Part)


class LatePart(Generic[Made]):
    """SIP and FreeSWITCH, their audio and its libraries are most of what there is to import: who only decides does
    without, and where both is done, what is asked in a restart waits for none of it."""

    drain_seconds = 0.0

    def __init__(self, name: str, make: Callable[[], Made] | None, load: Callable[[], object]) -> None:
        """``load`` imports what ``make`` needs; it is called in a thread. ``make`` is None for a part that there is
        not."""
        self.name = name
        self._make = make
        self._load = load
        self.part: Made | None = None
        """Once it has been made."""

    async def load(self) -> None:
        """Import what it needs, so that its start takes no time."""
        if self._make is not None:
            await asyncio.to_thread(self._load)

    async def start(self) -> None:
        """Make it, and start it. Raises what making and starting it raise."""
        if self._make is not None:
            await self.load()
            self.part = self._make()
            await self.part.start()

    def refuse_calls(self) -> None:
        """As the part does."""
        if self.part is not None:
            self.part.refuse_calls()

    def stop_accepting(self) -> None:
        """As the part does."""
        if self.part is not None:
            self.part.stop_accepting()

    async def drain(self) -> None:
        """As the part does."""
        if self.part is not None:
            await self.part.drain()

    def cancel_rest(self) -> None:
        """As the part does."""
        if self.part is not None:
            self.part.cancel_rest()

    async def close(self) -> None:
        """As the part does."""
        if self.part is not None:
            await self.part.close()

    def state(self) -> PartState:
        """As the part says of itself; nothing where there is none."""
        return self.part.state() if self.part is not None else PartState()
