"""Methods that a test answers when it wants, and bare connections to the server that has them."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgpack

from sipio.rpc.service import Method, Responder

SECONDS = 60.0


class Methods:
    """``echo`` answers at once; ``hold`` waits until the test answers; ``cancel_count`` counts those given up."""

    def __init__(self) -> None:
        self.held: list[tuple[Any, Responder]] = []
        self.cancelled = 0
        self.changed = asyncio.Event()
        self.notified: list[Any] = []
        self.table = {
            "echo": Method(list[Any], lambda params, responder: responder.result(params)),
            "hold": Method(list[Any], self._hold),
            "ping": Method(list[Any], lambda _, responder: responder.result("pong"), immediate=True),
            "note": Method(list[Any], self._note, immediate=True),
            "break": Method(list[Any], self._break),
            "unencodable": Method(list[Any], lambda _, responder: responder.result(object())),
            "big": Method(list[int], lambda params, responder: responder.result("x" * params[0])),
        }

    def _hold(self, params: Any, responder: Responder) -> None:
        responder.on_cancel = self._cancel
        self.held.append((params, responder))
        self.changed.set()

    def _cancel(self) -> None:
        self.cancelled += 1
        self.changed.set()

    def _note(self, params: Any, responder: Responder) -> None:
        self.notified.append(params)
        responder.result(None)
        self.changed.set()

    def _break(self, _params: Any, _responder: Responder) -> None:
        raise ZeroDivisionError

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


Start = Callable[..., Any]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what no event shows."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - no event shows it
            await asyncio.sleep(0.005)


async def raw_connection(unix: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(unix.removeprefix("unix:"))


async def read_messages(reader: asyncio.StreamReader) -> list[Any]:
    """All messages until the server ends the connection."""
    async with asyncio.timeout(SECONDS):
        unpacker = msgpack.Unpacker()
        unpacker.feed(await reader.read(-1))
        return list(unpacker)
