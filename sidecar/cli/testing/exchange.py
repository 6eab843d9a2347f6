"""One script under test and the test that plays its host's modules: what the script asks goes to the test."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from sandbox.host import HostCall
from sidecar.cli.testing.real_time import after
from sidecar.hosts.errors import HostError
from sidecar.phone.clock import SkippingLoop

PATIENCE_SECONDS: Final = 0.2
"""A fake that takes longer is taken for one that is not going to answer: from then on its script's time goes by."""


class Exchange:
    """Between the two. A test that waits for the script is told each question, and in the end the result."""

    def __init__(self, number: int, call: HostCall, over: Callable[[], None]) -> None:
        """``over`` is called once the test has been told the result."""
        self.number = number
        self._call: HostCall | None = call
        self._over = over
        self._questions: deque[dict[str, Any]] = deque()
        self._answers: dict[int, asyncio.Future[tuple[bool, Any]]] = {}
        self._count = 0
        self._end: dict[str, Any] | None = None
        self._loop = asyncio.get_running_loop()

    async def ask(self, function: int, values: list[Any]) -> Any:
        """What a function of a fake gives. Raises HostError where it throws."""
        self._count += 1
        number = self._count
        answer: asyncio.Future[tuple[bool, Any]] = self._loop.create_future()
        self._answers[number] = answer
        self._questions.append({"run": self.number, "number": number, "function": function, "values": values})
        self._tell()
        succeeded, value = await self._patiently(answer)
        if succeeded:
            return value
        told = value if isinstance(value, dict) else {}
        raise HostError(str(told.get("message", "")), str(told.get("name", "Error")))

    async def _patiently(self, answer: "asyncio.Future[tuple[bool, Any]]") -> tuple[bool, Any]:
        impatient = asyncio.Event()
        cancel = after(PATIENCE_SECONDS, impatient.set)
        waiting = self._loop.create_task(impatient.wait())
        try:
            await asyncio.wait((answer, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            cancel()
            waiting.cancel()
        if not answer.done() and isinstance(self._loop, SkippingLoop):
            with self._loop.stopped(False):
                return await answer
        return await answer

    def answered(self, number: int, succeeded: bool, value: Any) -> None:
        """A fake has answered; nobody may wait for it any more."""
        answer = self._answers.pop(number, None)
        if answer is not None and not answer.done():
            answer.set_result((succeeded, value))

    def waits(self, call: HostCall) -> None:
        """The test wants to know what comes next."""
        self._call = call
        self._tell()

    def end(self, told: dict[str, Any]) -> None:
        """The script is over: ``{result}``, or ``{refused}`` where it was not begun."""
        self._end = told
        self._questions.clear()
        self._tell()

    def _tell(self) -> None:
        call = self._call
        if call is None:
            return
        if self._questions:
            self._call = None
            call.resolve({"asked": self._questions.popleft()})
        elif self._end is not None:
            self._call = None
            call.resolve(self._end)
            self._over()
