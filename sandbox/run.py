"""One invocation under way."""

import asyncio
import functools
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import structs

from sandbox.answers import RunLog
from sandbox.host import Host, HostCall
from sandbox.outcome import Cancelled, Completion, Interruption, LogLine, Outcome
from sandbox.process import WorkerProcess
from sandbox.program import Invocation
from sandbox.recording import RANDOM_KEY_BYTES, Recorder
from sandbox.repetition import Repeater
from sandbox.suspension import Suspension

Done = Callable[[Completion], None]


class RunOwner(Protocol):
    """What a run needs of the pool that it is one of."""

    def stop(self, run: "Run", outcome: Outcome) -> None:
        """Settle a run from outside and see that it does not go on."""
        ...

    def answer_call(self, run: "Run", call_id: int, succeeded: bool, value: bytes, clock: float | None) -> None:
        """Tell a run's script the answer to a host call."""
        ...

    def stop_between_turns(self, run: "Run") -> None:
        """Stop a run once it waits."""
        ...


class RunWorker(Protocol):
    """What is asked of the worker that a run was sent to."""

    answered_at: int | None

    @property
    def process(self) -> WorkerProcess: ...

    @property
    def outstanding(self) -> Mapping[int, "Run"]:
        """Runs that it has not ended, by their ids in it."""
        ...


class Run:
    """One invocation under way. ``cancel`` gives it up."""

    __slots__ = (
        "_done", "_host", "_log", "_owner", "answered", "attempts", "called_host", "cancelled_at", "clock", "deadline",
        "given_up", "id", "interruption", "invocation", "number", "recorder", "series", "submitted", "suspended",
        "suspended_at", "suspension", "unanswered", "worker",
    )  # fmt: skip

    def __init__(
        self, owner: RunOwner, number: int, invocation: Invocation, done: Done, host: Host | None, now: float
    ) -> None:
        self._owner = owner
        self._done = done
        self._host = host
        self.recorder: Recorder | None = None
        if invocation.recorded or invocation.repeats is not None:
            self.recorder = _recorder_of(invocation)
            recorder = self.recorder
            invocation = structs.replace(
                invocation, seed=recorder.seed, clock=recorder.clock, random_key=recorder.random_key
            )
        self.invocation = invocation
        self.series = (invocation.program.key, invocation.customer)
        """Those of one program for one customer stand in line behind each other."""
        self.submitted = now
        self.deadline = now + invocation.limits.wall_seconds
        self.number = number
        """That in the pool; none has the same."""
        self.id = 0
        """Its number in the worker that has it; another each time it is placed."""
        self.worker: RunWorker | None = None
        self.answered = False
        self.attempts = 0
        self.clock = 0.0
        """When it began, as it was told then."""
        self.called_host = False
        """It has been seen outside: it cannot begin again elsewhere."""
        self.suspension: Suspension | None = None
        """What it goes on from elsewhere; None before it has waited, and once it is over."""
        self.suspended = False
        """It has begun and waited since between its turns."""
        self.suspended_at = 0.0
        self.cancelled_at = 0.0
        self.given_up = False
        """It is stopped as soon as it waits."""
        self.interruption: Interruption | None = None
        self._log: RunLog | None = None
        self.unanswered = 0
        """Host calls that it waits for, or has not waited for."""

    def answer(self, outcome: Outcome, run_micros: int = 0, busy_micros: int = 0) -> None:
        """Settle the run; later answers are dropped."""
        if self.answered:
            return
        self.answered = True
        self.suspension = None
        recording = self.recorder.recording() if self.recorder is not None else None
        lines = () if self._log is None else tuple(self._log.lines)
        completion = Completion(outcome, lines, run_micros, self.interruption, recording, busy_micros)
        done, host = self._done, self._host
        # The run itself may stay in its worker's books for a while; all that the asker holds on to must not, or what it
        # allocates next is memory that no cache has.
        del self._done, self._host
        if host is not None:
            try:
                host.ended()
            except Exception as error:  # noqa: BLE001 - the asker's mistake must not cost the runs of others
                _report("a host raised at the end of its run", error)
        try:
            done(completion)
        except Exception as error:  # noqa: BLE001 - as above
            _report("a run's done callback raised", error)

    @property
    def log(self) -> Sequence[LogLine]:
        """What its script has written to its console so far, as of its last turn."""
        return self._log.lines if self._log is not None else ()

    def add_lines(self, packed: bytes) -> None:
        """Add console lines as the worker sends them."""
        if self._log is None:
            self._log = RunLog(self.invocation.limits)
        self._log.add(packed)

    def forget_lines(self) -> None:
        """Forget what the script wrote: it begins again, and will write it again."""
        self._log = None

    def ask_host(self, call_id: int, name: str, arguments: list[Any]) -> None:
        """Pass on what the script asks."""
        if self.invocation.repeats is not None:
            return
        self.called_host = True
        if self.answered:
            return
        self.unanswered += 1
        call = HostCall(name, arguments, functools.partial(self._owner.answer_call, self, call_id))
        host = self._host
        if host is None:
            call.reject("there is no host for this run")
            return
        try:
            host.asked(call)
        except Exception as error:  # noqa: BLE001 - as above
            _report("a run's host raised", error)
            call.reject("the host failed")

    def cancel(self) -> None:
        """The asker gave up: the run is stopped, and its outcome is Cancelled."""
        if not self.answered:
            self._owner.stop(self, Cancelled())

    def cancel_between_turns(self) -> None:
        """The asker gave up, but what the script does is told to its end: its outcome is Cancelled where it waits, or
        as soon as it does, and that of its turn where that ends the run, such as TimedOut for an endless loop."""
        if not (self.answered or self.given_up):
            self._owner.stop_between_turns(self)


def _recorder_of(invocation: Invocation) -> Recorder:
    if invocation.repeats is not None:
        return Repeater(invocation.repeats)
    seed, clock = invocation.seed, invocation.clock
    return Recorder(
        random.getrandbits(64) if seed is None else seed,
        time.time() * 1000 if clock is None else clock,
        invocation.random_key or os.urandom(RANDOM_KEY_BYTES),
    )


def _report(message: str, error: Exception) -> None:
    asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
