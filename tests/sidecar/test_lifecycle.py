"""Parts of the daemon: what their end promises."""

import pytest

from sidecar.lifecycle import Part, PartState, close_all


class Noted:
    """A part that notes that it was closed, and fails where it is told to."""

    drain_seconds = 0.0

    def __init__(self, name: str, closed: list[str], error: Exception | None = None) -> None:
        self.name = name
        self.closed = closed
        self.error = error

    async def start(self) -> None: ...

    def stop_accepting(self) -> None: ...

    async def drain(self) -> None: ...

    def cancel_rest(self) -> None: ...

    async def close(self) -> None:
        self.closed.append(self.name)
        if self.error is not None:
            raise self.error

    def state(self) -> PartState:
        return PartState()


async def test_parts_are_closed_in_their_order() -> None:
    closed: list[str] = []
    await close_all([Noted("socket", closed), Noted("sip", closed)])
    assert closed == ["socket", "sip"]


async def test_a_part_that_cannot_be_closed_keeps_none_open() -> None:
    closed: list[str] = []
    parts: list[Part] = [Noted("socket", closed, OSError("no")), Noted("sip", closed)]
    with pytest.raises(ExceptionGroup, match="could not be closed: socket: no") as raised:
        await close_all(parts)
    assert closed == ["socket", "sip"]
    assert [str(error) for error in raised.value.exceptions] == ["no"]
