"""A part that looks at something again and again, from its start until it accepts nothing new."""

import asyncio

from sidecar.logs.fault import Fault


class FollowingPart:
    """All of such a part's life but the look itself. Nobody waits for it, and no call comes to it."""

    drain_seconds = 0.0

    def __init__(self, fault: Fault, crashed: str, pause_seconds: float) -> None:
        """``fault`` is told ``crashed`` where a look raises what it should not: what there was stays, and the next look
        may go well. ``pause_seconds`` lie between two looks."""
        self._fault = fault
        self._crashed = crashed
        self._pause_seconds = pause_seconds
        self._task: asyncio.Task[None] | None = None

    async def look_again(self) -> None:
        """Look once. What cannot be read now the fault is told."""
        raise NotImplementedError

    @property
    def pause_seconds(self) -> float:
        """Until the next look."""
        return self._pause_seconds

    async def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self.pause_seconds)
            try:
                await self.look_again()
            except Exception:  # noqa: BLE001 - logged by the fault
                self._fault.crashed(self._crashed)

    def refuse_calls(self) -> None:
        """Nothing: no call comes here."""

    def stop_accepting(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def drain(self) -> None:
        """Return at once."""

    def cancel_rest(self) -> None:
        """Nothing is being done."""

    async def close(self) -> None:
        """Look no more, also after a start that failed."""
        self.stop_accepting()
