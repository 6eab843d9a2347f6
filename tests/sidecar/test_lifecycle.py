"""Parts of the daemon: what their end promises."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import pytest

from sidecar.lifecycle import Part, PartState, cancel_rest_of_all, close_all, drain_all, stop_accepting_all


class Noted:
    """A part that notes that it was closed, and fails where it is told to."""

    drain_seconds = 0.0

    def __init__(self, name: str, closed: list[str], error: Exception | None = None) -> None:
        self.name = name
        self.closed = closed
        self.error = error

    async def start(self) -> None: ...

    def refuse_calls(self) -> None:
        self._note()

    def stop_accepting(self) -> None:
        self._note()

    async def drain(self) -> None:
        self._note()

    def cancel_rest(self) -> None:
        self._note()

    async def close(self) -> None:
        self._note()

    def _note(self) -> None:
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


@pytest.mark.parametrize(
    ("step", "words"),
    [(stop_accepting_all, "stop accepting"), (drain_all, "be drained"), (cancel_rest_of_all, "end what is left")],
)
async def test_no_step_of_the_end_is_kept_from_a_part_by_one_before_it(
    step: Callable[[Iterable[Part]], Awaitable[None]], words: str
) -> None:
    stepped: list[str] = []
    parts: list[Part] = [Noted("socket", stepped, ValueError("a bug")), Noted("sip", stepped)]
    with pytest.raises(ExceptionGroup, match=f"could not {words}: socket: a bug"):
        await step(parts)
    assert stepped == ["socket", "sip"]


async def test_a_part_that_does_not_close_takes_no_time_from_the_others() -> None:
    closed: list[str] = []

    class Hanging(Noted):
        async def close(self) -> None:
            await asyncio.Event().wait()

    parts: list[Part] = [Hanging("socket", closed), Noted("sip", closed)]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await close_all(parts)
    assert closed == ["sip"]
