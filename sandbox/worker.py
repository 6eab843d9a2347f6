"""The worker's loop: one socket to the daemon, contexts kept warm, one turn of one run at a time.

Everything that a run needs is used once before the confinement closes (see boot), since afterwards it cannot open a
file.
"""

import gc
import mmap
import resource
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import msgspec

from sandbox import link
from sandbox.contexts import Contexts
from sandbox.engine import Context, RunBounds, Status
from sandbox.link import BEGUN, REVOKED, RUNNING, TURNS, CancelMessage, LoadMessage, RunMessage, SettleMessage
from sandbox.output import Output
from sandbox.program import Program
from sandbox.stack import threw
from sandbox.status import Tag
from sandbox.suspended import BegunRun, SuspendedRuns

READ_BYTES: Final = 256 * 1024
QUICK_SECONDS: Final = 0.000_5
"""A program whose last run took longer does not start while other programs' answers are waiting to be sent."""
JOBS_BETWEEN_LOOKS: Final = 64
"""A turn of many promise reactions is looked at after this many of them, or after a millisecond if that is first."""
LONGEST_WAIT: Final = 60.0
"""Seconds of one poll(2) for a timer, whose own limit a script's longest delay would pass."""
RETAINED_BYTES: Final = 16 * 1024 * 1024
"""A context that holds more than this after its run is thrown away: what a script hoards must not starve others."""
PEAK_STEP_KB: Final = 8 * 1024
"""Growth of the process's peak memory in one run that is worth looking at the context's heap for."""
SPENT_SHARE: Final = 0.6
"""Share of the worker's memory: a peak past this asks for a replacement before scripts find no memory for others'
sake."""
LEAST_SECONDS: Final = 0.000_1
"""Processor time of a turn of a run that has used up its own: enough to be interrupted, as 0 would be no limit."""
KERNEL_KILL_FACTOR: Final = 1.5
KERNEL_KILL_SLACK_SECONDS: Final = 0.1
"""The kernel kills the worker at wall limit x 1.5 + 0.1 s. The daemon has answered at the limit itself, and the
engine's interrupt, which counts processor time, gets the chance to spare the kill where the machine is busy."""
UNHEARD_SECONDS: Final = 0.02
"""Processor time in which the rejections of one run are put in words: a getter of theirs may never come back."""
UNHEARD_CHARACTERS: Final = 500
"""Of what is said of one rejection."""
_WAITING: Final = Tag.WAITING
"""Finding a member of an enumeration takes some 70 ns."""


class Worker:
    """The loop. ``serve`` returns when the daemon closes the socket."""

    def __init__(self, connection: socket.socket, page: mmap.mmap, warm_contexts: int, memory_bytes: int) -> None:
        self._connection = connection
        self._slots = memoryview(page).cast("Q")
        self._memory_bytes = memory_bytes
        self._peak_kb = _peak_kb()
        self._spent = False
        self._programs: dict[str, Program] = {}
        self._last_seconds: dict[str, float] = {}
        """How long the last run of a program took."""
        self._contexts = Contexts(warm_contexts)
        self._suspended = SuspendedRuns()
        self._output = Output(connection)
        self._input = link.unpacker()
        self._messages: deque[list[Any]] = deque()

    # ---- life ----

    def ready(self, confined: bool, refused: str) -> None:
        """Tell the daemon, with what became of the confinement."""
        self._output.add(link.ready(confined, refused))
        self._output.flush()

    def last_words(self, error: Exception) -> None:
        """Tell the daemon what this worker dies of."""
        traceback = error.__traceback__
        places = []
        while traceback is not None:
            places.append(f"{traceback.tb_frame.f_code.co_name}:{traceback.tb_lineno}")
            traceback = traceback.tb_next
        self._output.add(link.failed(f"{type(error).__name__}: {error} in {' > '.join(places)}"[:1000]))
        self._output.flush()

    # ---- messages ----

    def serve(self) -> None:
        """Handle messages until the daemon goes away."""
        feed = self._input.feed
        while True:
            received = self._receive()
            if received is None:
                return
            if received:
                feed(received)
                self._messages.extend(self._input)
            while self._messages:
                self._handle(self._messages.popleft())
            self._fire_due_timers()
            self._output.flush()

    def _receive(self) -> bytes | None:
        """What has come, b"" when a timer is due first, None at the end."""
        due = self._suspended.next_due()
        if due is not None:
            poller = select.poll()
            poller.register(self._connection, select.POLLIN)
            wait = min(due - time.monotonic(), LONGEST_WAIT)
            if not poller.poll(max(0.0, wait * 1000)):
                return b""
        elif self._contexts.lacks_blank:
            # Looking before blocking costs one system call, and only where there is a reserve to fill.
            try:
                return self._connection.recv(READ_BYTES, socket.MSG_DONTWAIT) or None
            except BlockingIOError:
                self._contexts.make_blank()
                return b""
        return self._connection.recv(READ_BYTES) or None

    def _handle(self, received: list[Any]) -> None:
        message = link.read_down(received)
        if isinstance(message, RunMessage):
            self._run(message)
        elif isinstance(message, LoadMessage):
            self._programs[message.key] = message.program
        elif isinstance(message, SettleMessage):
            run = self._suspended.take(message.run_id)
            if run is not None:
                self._settle(run, message)
        elif isinstance(message, CancelMessage):
            if self._suspended.take(message.run_id) is not None:
                self._output.add(link.let_go(message.run_id))
        else:
            self._programs.pop(message.key, None)
            self._last_seconds.pop(message.key, None)
            self._contexts.forget(message.key)

    def _settle(self, run: BegunRun, message: SettleMessage) -> None:
        context = run.context
        self._turn(run, lambda now: context.settle(message.call_id, message.succeeded, message.value, now))

    def _fire_due_timers(self) -> None:
        for run_id in self._suspended.due(time.monotonic()):
            run = self._suspended.take(run_id)
            if run is not None:
                self._turn(run, run.context.fire)

    # ---- runs ----

    def _run(self, asked: RunMessage) -> None:
        key = asked.key
        if self._last_seconds.get(key, 1.0) > QUICK_SECONDS:
            self._output.flush()
        started = time.monotonic()
        if not self._may_begin(asked, started):
            self._output.add(link.let_go(asked.run_id))
            return
        kill_seconds = asked.turn_wall_seconds * KERNEL_KILL_FACTOR + KERNEL_KILL_SLACK_SECONDS
        signal.setitimer(signal.ITIMER_REAL, kill_seconds)
        bounds = RunBounds(asked.result_bytes, asked.log_bytes, asked.outbox_calls, asked.outbox_bytes)
        context = self._contexts.warm(key, asked.customer)
        if context is not None:
            context.bound(bounds)
        else:
            program = self._programs[key]
            context = self._contexts.blank(program.suspends)
            loaded = context.load(program, bounds, once=program.fresh or not self._contexts.keeps)
            if not context.usable:
                self._done(asked.run_id, loaded, None, started, 0.0)
                self._at_rest()
                return
        run = BegunRun(
            asked.run_id,
            context,
            key,
            asked.customer,
            asked.jobs,
            asked.cpu_seconds,
            asked.turn_cpu_seconds,
            kill_seconds,
            started,
            asked.deadline - link.interrupted_early(asked.deadline - started),
        )
        context.limit_time(min(run.cpu_left, run.turn_cpu, max(LEAST_SECONDS, run.stops_at - started)))
        began = time.process_time() if context.suspends else 0.0
        self._follow(run, context.start(asked.input, asked.correlation_id, started * 1000, asked.entry), began)
        # What a context holds is freed here, as part of its own run.
        del run, context
        self._at_rest()

    def _may_begin(self, asked: RunMessage, now: float) -> bool:
        """Whether a run is still this worker's to begin. It is the one that the worker is in then."""
        slots = self._slots
        # Before the look at REVOKED: the daemon revokes first and looks second, so that at least one of the two sees
        # the other. Where both do, the daemon learns from LET_GO that the run is its to place again.
        slots[RUNNING] = asked.run_id
        if asked.run_id <= slots[REVOKED] or now > asked.deadline:
            slots[RUNNING] = 0
            return False
        slots[BEGUN] = asked.run_id
        slots[TURNS] += 1
        return True

    def _turn(self, run: BegunRun, step: Callable[[float], Status]) -> None:
        """Go on with a run that waited."""
        self._slots[RUNNING] = run.id
        self._slots[TURNS] += 1
        now = time.monotonic()
        run.waited += now - run.waits_since
        signal.setitimer(signal.ITIMER_REAL, run.kill_seconds)
        run.context.limit_time(min(run.cpu_left, run.turn_cpu, max(LEAST_SECONDS, run.stops_at - now)))
        began = time.process_time()
        self._follow(run, step(time.monotonic() * 1000), began)
        self._at_rest()

    def _at_rest(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._slots[RUNNING] = 0

    def _follow(self, run: BegunRun, status: Status, began: float) -> None:
        """See a turn to its end: its run is over then, or waits. ``began`` is the processor time at its start."""
        context = run.context
        if status.tag is _WAITING:
            status = self._run_jobs(run)
        if status.tag is _WAITING:
            if not self._suspend(run, status, began):
                context.usable = False
                self._end(run, Status(Tag.OUT_OF_MEMORY, False, False, b""), None)
            return
        log = context.take_log() if status.lines else None
        # What ended in an error of its own is thrown away, and can say what it has left until then.
        if context.unheard and (context.usable or status.tag is Tag.THREW):
            log = self._with_unheard(run, log)
        if status.calls:
            # Of the run's last turn, which it did not wait for.
            self._output.add(link.calls(run.id, context.take_outbox(), None, waits=False))
        self._end(run, status, log)

    def _with_unheard(self, run: BegunRun, log: bytes | None) -> bytes | None:
        """The console lines of a run with one for each promise that was rejected and that nobody awaited."""
        program = self._programs.get(run.key)
        run.context.limit_time(UNHEARD_SECONDS)
        unheard = run.context.take_unheard()
        if program is None or not unheard:
            return log
        lines = msgspec.msgpack.decode(log) if log else []
        for description in unheard:
            error = str(threw(program.name, description))[:UNHEARD_CHARACTERS]
            lines.append(["warn", f"nobody awaited a promise that was rejected: {error}"])
        return msgspec.msgpack.encode(lines)

    def _end(self, run: BegunRun, status: Status, log: bytes | None) -> None:
        context = run.context
        # First what the run left behind is looked for: until it is gone, the run has not ended.
        keep = context.finish()
        seconds = self._done(run.id, status, log, run.started, run.waited)
        if keep and not self._hoards(context):
            program = self._programs.get(run.key)
            if program is not None and not program.fresh:
                self._contexts.keep(run.key, run.customer, context)
                self._last_seconds[run.key] = seconds
        else:
            # Freeing a context may take long; nobody else's answer waits for it.
            self._output.flush()
            self._last_seconds.pop(run.key, None)

    def _done(self, run_id: int, status: Status, log: bytes | None, started: float, waited: float) -> float:
        """Answer a run. Gives the seconds that its turns took."""
        seconds = time.monotonic() - started
        busy = seconds - waited
        self._output.add(link.done(run_id, status.tag, status.payload, log, int(seconds * 1e6), int(busy * 1e6)))
        return busy

    def _suspend(self, run: BegunRun, status: Status, began: float) -> bool:
        """Let a run wait. False where there is no memory left to wait in."""
        context = run.context
        log = context.take_log() if status.lines else None
        asked = context.take_outbox() if status.calls else link.NO_CALLS
        if not self._has_memory_to_wait(run):
            return False
        self._note_peak()
        # Also where it asks nothing: the daemon gives its place to another run.
        self._output.add(link.calls(run.id, asked, log, waits=True))
        if status.calls:
            self._output.flush()
        run.waits_since = time.monotonic()
        run.cpu_left = max(LEAST_SECONDS, run.cpu_left - (time.process_time() - began))
        wait_ms = status.waits_ms
        self._suspended.add(run, time.monotonic() + wait_ms / 1000 if wait_ms is not None else None)
        return True

    def _has_memory_to_wait(self, run: BegunRun) -> bool:
        program = self._programs.get(run.key)
        if program is None or not program.shared_memory:
            run.heap_bytes = 0
            return True
        # Measuring takes as long as the heap is large, so only where the sum is what is limited.
        # What the engine itself takes is no script's doing: 600 runs of nothing would fill 100 MB.
        run.heap_bytes = max(1, run.context.heap_bytes() - _bare_bytes())
        return self._suspended.heap_bytes(run.series) + run.heap_bytes <= program.memory_bytes

    def _run_jobs(self, run: BegunRun) -> Status:
        context = run.context
        count = 0
        while True:
            count += context.run_jobs(JOBS_BETWEEN_LOOKS)
            idle = context.idle
            status = context.poll(idle)
            if idle or status.tag is not _WAITING:
                return status
            if count >= run.jobs:
                context.usable = False
                return Status(Tag.EXCEEDED, status.lines, False, b"jobs")

    # ---- memory ----

    def _hoards(self, context: Context) -> bool:
        return self._note_peak() and context.heap_bytes() > RETAINED_BYTES

    def _note_peak(self) -> bool:
        """Whether the process has grown by a step; it asks to be replaced once it has grown too far.

        The kernel's count begins at what the process had that it was forked from.
        """
        peak = _peak_kb()
        if peak - self._peak_kb < PEAK_STEP_KB:
            return False
        self._peak_kb = peak
        if peak * 1024 > self._memory_bytes * SPENT_SHARE and not self._spent:
            self._spent = True
            self._output.add(link.spent())
        return True


@cache
def _bare_bytes() -> int:
    """JavaScript heap of a context whose runs may wait, without a program."""
    return Context(True).heap_bytes()


def warm_up() -> None:
    """Use once everything that a run uses, so that nothing is imported or allocated first under confinement.

    For the process that workers are forked from. None of these contexts is any worker's: two that are copies of one
    have the same random numbers before them.
    """
    for suspends in (False, True):
        program = Program(
            key="",
            name="warm-up",
            suspends=suspends,
            text="async function main(data) { console.log((1).toLocaleString()); await null; return data }",
            adapter="({prepare: (x) => x, collect: (x, y) => y, caught: () => undefined})",
        )
        context = Context(suspends)
        context.load(program, RunBounds(1000, 1000, 10))
        context.limit_time(1.0)
        context.start(link.NIL, "", 0.0)
        while context.run_jobs(JOBS_BETWEEN_LOOKS):
            context.poll(False)
        context.take_log()
        context.finish()
    _bare_bytes()
    select.poll()
    # Messages and contexts form no cycles; a collection in the middle of a run would be a script's time.
    gc.collect()
    gc.disable()


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
