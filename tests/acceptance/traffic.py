"""Requests at an even rate over one connection, each with what became of it."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sipio.errors import SipioError
from sipio.rpc.client import RpcClient
from sipio.rpc.errors import ConnectionLost, RpcError

ANSWER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One request's end."""

    asked: float
    seconds: float
    error: SipioError | None
    result: Any

    @property
    def what(self) -> str:
        """The decision's outcome, or the code of the error."""
        if isinstance(self.error, RpcError):
            return self.error.code
        return type(self.error).__name__ if self.error is not None else str(self.result["outcome"])


@dataclass(slots=True)
class Traffic:
    """What one sender asked and was told."""

    asked: int = 0
    answers: list[Answer] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _ticks: set[asyncio.Task[None]] = field(default_factory=set)

    def ask(self, client: RpcClient, params: Any) -> None:
        """One request more."""
        began = time.monotonic()
        self.asked += 1

        def answered(error: SipioError | None, result: Any) -> None:
            self.answers.append(Answer(began, time.monotonic() - began, error, result))
            task = asyncio.get_running_loop().create_task(self._tell())
            self._ticks.add(task)
            task.add_done_callback(self._ticks.discard)

        try:
            client.request("route", (params,), answered)
        except ConnectionLost as error:
            answered(error, None)

    async def until(self, condition: Callable[["Traffic"], bool], seconds: float = ANSWER_SECONDS) -> None:
        """Return once the condition holds of what was answered."""
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(lambda: condition(self))

    async def all_answered(self) -> None:
        """Return once nothing is open."""
        await self.until(lambda traffic: len(traffic.answers) == traffic.asked)

    @property
    def outcomes(self) -> Counter[str]:
        """How many of each."""
        return Counter(answer.what for answer in self.answers)

    def median(self) -> float:
        """Seconds of the answer in the middle."""
        return sorted(answer.seconds for answer in self.answers)[len(self.answers) // 2]

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()


@asynccontextmanager
async def traffic(client: RpcClient, params: Callable[[int], Any], per_second: float) -> AsyncIterator[Traffic]:
    """Ask at this rate until the end of the block, then wait for the last answers."""
    sent = Traffic()

    async def send() -> None:
        begin = time.monotonic()
        while True:
            while sent.asked < (time.monotonic() - begin) * per_second:
                sent.ask(client, params(sent.asked))
            await asyncio.sleep(1 / per_second)

    sender = asyncio.get_running_loop().create_task(send())
    try:
        yield sent
    finally:
        sender.cancel()
        await asyncio.wait([sender])
    if not sender.cancelled() and (error := sender.exception()) is not None:
        raise error
    await sent.all_answered()
