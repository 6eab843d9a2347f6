"""What is asked at the same time is done in one transaction."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

AT_ONCE: Final = 256
"""Of one transaction: others wait for it so long."""

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Batches(Generic[Asked, Answer]):
    """Lives on one event loop. In the order in which it was asked, where there is one transaction at a time."""

    def __init__(
        self, carry_out: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer | Exception]]], transactions: int = 1
    ) -> None:
        """``carry_out`` gives an answer for each, or an error that is raised where it was asked; what it raises itself
        is raised for all. ``transactions`` at the same time."""
        self._carry_out = carry_out
        self._transactions = transactions
        self._waiting: deque[tuple[Asked, asyncio.Future[Answer]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._working = 0
        """Tasks that look at what waits once more: one that has ended is among them until its callbacks were called."""

    async def do(self, asked: Asked) -> Answer:
        """Have it done, with what else is asked meanwhile."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._working < self._transactions:
            self._working += 1
            task = asyncio.get_running_loop().create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def finish(self) -> None:
        """Return once everything that was asked is done."""
        await asyncio.gather(*self._tasks)

    async def _work(self) -> None:
        while self._waiting:
            taken = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            answers: Sequence[Answer | Exception]
            try:
                answers = await self._carry_out([asked for asked, _ in taken])
            except Exception as error:  # noqa: BLE001 - it is raised where it was asked
                answers = [error] * len(taken)
            for (_, answer), given in zip(taken, answers, strict=True):
                if answer.done():
                    continue
                if isinstance(given, Exception):
                    answer.set_exception(given)
                else:
                    answer.set_result(given)
        self._working -= 1
