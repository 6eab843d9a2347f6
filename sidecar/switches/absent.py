"""A way in that the configuration does not ask for."""

from sidecar.lifecycle import PartState


class AbsentPart:
    """Does nothing, and has none of what it would take imported: half of the time of a start is that of SIP and
    FreeSWITCH, their audio and its libraries."""

    drain_seconds = 0.0

    def __init__(self, name: str) -> None:
        self.name = name

    async def start(self) -> None:
        """Nothing, as all that follows."""

    def refuse_calls(self) -> None:
        """Nothing."""

    def stop_accepting(self) -> None:
        """Nothing."""

    async def drain(self) -> None:
        """Nothing."""

    def cancel_rest(self) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Nothing."""

    def state(self) -> PartState:
        """No address and no fault."""
        return PartState()

    def snapshot(self) -> None:
        """Nothing is counted."""

    def media_snapshot(self) -> None:
        """Nothing is counted."""
