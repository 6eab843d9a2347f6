"""One invocation under way."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from sandbox.outcome import Cancelled, Completion, LogLine, Outcome
from sandbox.program import Invocation

if TYPE_CHECKING:
    from sandbox.lanes import PooledWorker

Done = Callable[[Completion], None]
OnCall = Callable[["Run", int, str, list[Any]], None]
"""run, call id, name, arguments"""


class Keeper(Protocol):
    """What a run needs of the pool that keeps it."""

    def stop(self, run: "Run", outcome: Outcome) -> None:
        """Settle a run from outside and see that it does not go on."""
        ...

    def settle(self, run: "Run", call_id: int, succeeded: bool, value: bytes) -> None:
        """Answer a host call."""
        ...


class Run:
    """One invocation under way. ``cancel`` gives it up."""

    __slots__ = (
        "_done", "_keeper", "_on_call", "answered", "attempts", "called_host", "cancelled_at", "deadline", "id",
        "invocation", "log", "worker",
    )  # fmt: skip

    def __init__(
        self, keeper: Keeper, invocation: Invocation, done: Done, on_call: OnCall | None, deadline: float
    ) -> None:
        self._keeper = keeper
        self._done = done
        self._on_call = on_call
        self.invocation = invocation
        self.deadline = deadline
        self.id = 0
        """In the worker that has it; another each time it is placed."""
        self.worker: PooledWorker | None = None
        self.answered = False
        self.attempts = 0
        self.called_host = False
        """It has been seen outside: it cannot begin again elsewhere."""
        self.cancelled_at = 0.0
        self.log: list[LogLine] = []

    def answer(self, outcome: Outcome, run_micros: int = 0) -> None:
        """Settle the run; later answers are dropped."""
        if self.answered:
            return
        self.answered = True
        completion = Completion(outcome, tuple(self.log), run_micros)
        done = self._done
        # The run itself stays among the deadlines for a while; all that the asker holds on to must not, or what it
        # allocates next is memory that no cache has.
        del self._done, self._on_call
        try:
            done(completion)
        except Exception as error:  # noqa: BLE001 - the asker's mistake must not cost the runs of others
            _report("a run's done callback raised", error)

    def ask_host(self, call_id: int, name: str, arguments: list[Any]) -> None:
        """Pass on what the script asks."""
        self.called_host = True
        if self.answered:
            return
        on_call = self._on_call
        if on_call is None:
            self.fail_call(call_id, b'{"message":"there is no host for this run"}')
            return
        try:
            on_call(self, call_id, name, arguments)
        except Exception as error:  # noqa: BLE001 - as above
            _report("a run's host call callback raised", error)
            self.fail_call(call_id, b'{"message":"the host failed"}')

    def cancel(self) -> None:
        """The asker gave up: the run is stopped, and its outcome is Cancelled."""
        if not self.answered:
            self._keeper.stop(self, Cancelled())

    def settle(self, call_id: int, value: bytes) -> None:
        """Answer a host call with JSON."""
        self._keeper.settle(self, call_id, True, value)

    def fail_call(self, call_id: int, error: bytes) -> None:
        """Answer a host call with an error, whose properties (``message``, ``name`` ...) are JSON."""
        self._keeper.settle(self, call_id, False, error)


def _report(message: str, error: Exception) -> None:
    asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
