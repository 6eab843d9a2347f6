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
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgpack

from sandbox.engine import Context, RunBounds, Tag
from sandbox.link import (
    BEGUN,
    REVOKED,
    RUNNING,
    Down,
    Up,
    unpacker,
)
from sandbox.program import Program

READ_BYTES = 256 * 1024
FLUSH_BYTES = 64 * 1024
FLUSH_SECONDS = 0.000_3
"""Answers wait for each other this long at most while runs go on, so that one system call carries several."""
QUICK_SECONDS = 0.000_5
"""A program whose last run took longer does not start while other programs' answers are waiting to be sent."""
BLANK_CONTEXTS = 4
"""Contexts made ahead while there is nothing to do: making one takes some 500 us, taking one next to nothing."""
JOBS_BETWEEN_LOOKS = 64
SECONDS_BETWEEN_LOOKS = 0.001
"""A turn of many promise reactions is looked at after this many of them or this long, whichever is first."""
LONGEST_WAIT = 60.0
"""Of one poll(2) for a timer, whose own limit a script's longest delay would pass."""
RETAINED_BYTES = 16 * 1024 * 1024
"""A context that holds more than this after its run is thrown away: what a script hoards must not starve others."""
PEAK_STEP_KB = 8 * 1024
"""Growth of the process's peak memory in one run that is worth looking at the context's heap for."""
SPENT_SHARE = 0.6
"""Of the worker's memory: a peak past this asks for a replacement before scripts find no memory for others' sake."""
LEAST_SECONDS = 0.000_1
"""Processor time of a turn of a run that has used up its own: enough to be interrupted, as 0 would be no limit."""
FILLED_BYTES_PER_SECOND = 4e9
"""No script fills its heap faster: small objects, of which the last finds no room even for an error, take 1 GB/s."""
KILL_FACTOR = 1.5
KILL_SLACK_SECONDS = 0.1
"""The kernel kills the worker at wall limit x 1.5 + 0.1 s. The daemon has answered at the limit itself, and the
engine's interrupt, which counts processor time, gets the chance to spare the kill where the machine is busy."""


@dataclass(slots=True)
class Run:
    """A run that has begun."""

    id: int
    context: Context
    key: str
    jobs: int
    cpu_left: float
    """Processor seconds, over all its turns."""
    turn_cpu: float
    """Processor seconds of one turn."""
    kill_seconds: float
    started: float
    heap_bytes: int = 0
    """While it is suspended."""


class Worker:
    """The loop. ``serve`` returns when the daemon closes the socket."""

    def __init__(self, link: socket.socket, page: mmap.mmap, warm_contexts: int, memory_bytes: int) -> None:
        self._link = link
        self._slots = memoryview(page).cast("Q")
        self._warm_contexts = warm_contexts
        self._memory_bytes = memory_bytes
        self._spent = False
        self._programs: dict[str, Program] = {}
        self._warm: OrderedDict[str, Context] = OrderedDict()
        self._blank: dict[bool, list[Context]] = {False: [], True: []}
        """By whether their runs may wait."""
        self._suspended: dict[int, Run] = {}
        self._timers: dict[int, float] = {}
        self._last_seconds: dict[str, float] = {}
        self._input = unpacker()
        self._suspended_bytes: dict[str, int] = {}
        """By program: the memory limit is the script's, however many of its runs wait at once."""
        self._packer = msgpack.Packer(autoreset=True, unicode_errors="replace")
        self._output: list[bytes] = []
        self._output_bytes = 0
        self._oldest_output = 0.0
        self._peak_kb = 0
        self._messages: deque[list[Any]] = deque()

    def warm_up(self) -> None:
        """Use once everything that a run uses, so that nothing is imported or allocated first under confinement."""
        program = Program(
            key="",
            name="warm-up",
            suspends=True,
            text="async function main(data) { console.log(1); await null; return data }",
            adapter="({prepare: (x) => x, collect: (x, y) => y, caught: () => undefined})",
        )
        bounds = RunBounds(1000, 1000, 10)
        for suspends, blank in self._blank.items():
            context = Context(suspends)
            context.load(program, bounds)
            context.limit_time(1.0)
            context.start("{}", "", 0.0)
            while context.run_job():
                context.poll(False)
            context.take_log()
            context.finish()
            blank.append(Context(suspends))
        self._peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        select.poll()
        # Messages and contexts form no cycles; a collection in the middle of a run would be a script's time.
        gc.collect()
        gc.disable()

    def ready(self, confined: bool, refused: str) -> None:
        """Tell the daemon, with what became of the confinement."""
        self._send([Up.READY, confined, refused])
        self._flush()

    def last_words(self, error: Exception) -> None:
        """Tell the daemon what this worker dies of."""
        traceback = error.__traceback__
        places = []
        while traceback is not None:
            places.append(f"{traceback.tb_frame.f_code.co_name}:{traceback.tb_lineno}")
            traceback = traceback.tb_next
        self._send([Up.FAILED, f"{type(error).__name__}: {error} in {' > '.join(places)}"[:1000]])
        self._flush()

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
            self._flush()

    def _receive(self) -> bytes | None:
        """What has come, b"" when a timer is due first, None at the end."""
        if not self._timers:
            # Looking before blocking costs one system call, and only where there is a reserve to fill.
            if any(len(blank) < BLANK_CONTEXTS for blank in self._blank.values()):
                try:
                    return self._link.recv(READ_BYTES, socket.MSG_DONTWAIT) or None
                except BlockingIOError:
                    self._make_blank()
                    return b""
            return self._link.recv(READ_BYTES) or None
        wait = min(self._timers.values()) - time.monotonic()
        poller = select.poll()
        poller.register(self._link, select.POLLIN)
        if poller.poll(max(0.0, min(wait, LONGEST_WAIT) * 1000)):
            return self._link.recv(READ_BYTES) or None
        return b""

    def _make_blank(self) -> None:
        for suspends, blank in self._blank.items():
            if len(blank) < BLANK_CONTEXTS:
                blank.append(Context(suspends))
                return

    def _handle(self, message: list[Any]) -> None:
        operation = message[0]
        if operation == Down.RUN:
            self._run(message)
        elif operation == Down.LOAD:
            _, key, name, suspends, text, adapter, modules, entries, environment, memory_bytes, shared = message
            self._programs[key] = Program(
                key=key,
                name=name,
                suspends=suspends,
                text=text,
                adapter=adapter,
                modules=modules,
                entries=tuple(entries),
                environment=environment,
                memory_bytes=memory_bytes,
                shared_memory=shared,
            )
        elif operation == Down.SETTLE:
            _, run_id, call_id, succeeded, value = message
            run = self._resume(run_id)
            if run is not None:
                context = run.context
                self._turn(run, lambda now: context.settle(call_id, succeeded, value, now))
        elif operation == Down.CANCEL:
            if self._resume(message[1]) is not None:
                self._timers.pop(message[1], None)
                self._send([Up.LET_GO, message[1]])
        elif operation == Down.FORGET:
            self._programs.pop(message[1], None)
            self._warm.pop(message[1], None)
            self._last_seconds.pop(message[1], None)

    def _run(self, message: list[Any]) -> None:
        (
            _, run_id, key, entry, text, correlation_id, deadline, cpu, turn_cpu, turn_wall, result, log, outbox,
            outbox_characters, jobs,
        ) = message  # fmt: skip
        slots = self._slots
        if self._output and self._last_seconds.get(key, 1.0) > QUICK_SECONDS:
            self._flush()
        started = time.monotonic()
        # Before the look at REVOKED: the daemon revokes first and looks second, so that at least one of the two sees
        # the other. Where both do, the daemon learns from LET_GO that the run is its to place again.
        slots[RUNNING] = run_id
        if run_id <= slots[REVOKED] or started > deadline:
            slots[RUNNING] = 0
            self._send([Up.LET_GO, run_id])
            return
        slots[BEGUN] = run_id
        kill_seconds = turn_wall * KILL_FACTOR + KILL_SLACK_SECONDS
        signal.setitimer(signal.ITIMER_REAL, kill_seconds)
        context = self._warm.pop(key, None)
        bounds = RunBounds(result, log, outbox, outbox_characters)
        if context is None:
            program = self._programs[key]
            blank = self._blank[program.suspends]
            context = blank.pop() if blank else Context(program.suspends)
            status = context.load(program, bounds, once=self._warm_contexts == 0)
            if not context.usable:
                self._done(run_id, status, None, started)
                self._at_rest()
                return
        else:
            context.bound(bounds)
        context.limit_time(min(cpu, turn_cpu))
        run = Run(
            id=run_id,
            context=context,
            key=key,
            jobs=jobs,
            cpu_left=cpu,
            turn_cpu=turn_cpu,
            kill_seconds=kill_seconds,
            started=started,
        )
        began = time.process_time() if context.suspends else 0.0
        status = context.start(str(text, "utf-8", "replace"), correlation_id, started * 1000, entry)
        self._follow(run, status, began)
        # What a context holds is freed here, as part of its own run.
        del run, context
        self._at_rest()

    def _turn(self, run: Run, step: Callable[[float], str]) -> None:
        """Go on with a run that was suspended."""
        self._slots[RUNNING] = run.id
        signal.setitimer(signal.ITIMER_REAL, run.kill_seconds)
        run.context.limit_time(min(run.cpu_left, run.turn_cpu))
        began = time.process_time()
        self._follow(run, step(time.monotonic() * 1000), began)
        self._at_rest()

    def _at_rest(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._slots[RUNNING] = 0

    def _follow(self, run: Run, status: str, began: float) -> None:
        """Run promise reactions until the run has a status or waits. ``began`` is the processor time at its turn's."""
        context = run.context
        if status[0] == Tag.WAITING:
            status = self._run_jobs(run, began)
        if context.suspends and status[0] != Tag.WAITING and time.process_time() - began > run.cpu_left:
            # A promise takes the engine's interrupt for a rejection, which may be what the run ended in.
            context.usable = False
            status = Tag.OUT_OF_TIME + "0"
        if status[0] == Tag.THREW_NULL:
            full = self._may_have_filled(run)
            status = Tag.OUT_OF_MEMORY + "0" if full else Tag.THREW + status[1:]
        # A run out of time or memory cannot say whether it wrote to the console: its author needs it most then.
        log = context.take_log() if status[1] in "13" or status[0] in "TMX" else None
        if status[0] == Tag.WAITING:
            if self._suspend(run, status, log, began):
                return
            context.usable = False
            status, log = Tag.OUT_OF_MEMORY + "0", None
        self._timers.pop(run.id, None)
        if status[1] in "23":
            # Host calls of a run's last turn, which it did not wait for.
            self._send([Up.CALLS, run.id, context.take_outbox(), None])
        # First what the run left behind is looked for: until it is gone, the run has not ended.
        keep = context.finish()
        self._done(run.id, status, log, run.started)
        if keep and not self._hoards(context):
            self._keep(run.key, context)
            if run.key in self._programs:
                self._last_seconds[run.key] = time.monotonic() - run.started
        else:
            # Freeing a context may take long; nobody else's answer waits for it.
            self._flush()
            self._last_seconds.pop(run.key, None)

    def _suspend(self, run: Run, status: str, log: str | None, began: float) -> bool:
        """Let a run wait. False where there is no memory left to wait in."""
        context = run.context
        program = self._programs.get(run.key)
        shared = program is not None and program.shared_memory
        # Measuring takes as long as the heap is large, so only where the sum is what is limited.
        run.heap_bytes = context.heap_bytes() if shared else 0
        held = self._suspended_bytes.get(run.key, 0) + run.heap_bytes
        calls = context.take_outbox() if status[1] in "23" else None
        if not context.usable or (shared and program is not None and held > program.memory_bytes):
            return False
        self._note_peak()
        if calls is not None:
            self._send([Up.CALLS, run.id, calls, log])
            self._flush()
        elif log is not None:
            self._send([Up.CALLS, run.id, "[]", log])
        if shared:
            self._suspended_bytes[run.key] = held
        self._suspended[run.id] = run
        if len(status) > 2:
            self._timers[run.id] = time.monotonic() + float(status[2:]) / 1000
        else:
            self._timers.pop(run.id, None)
        run.cpu_left = max(LEAST_SECONDS, run.cpu_left - (time.process_time() - began))
        return True

    def _resume(self, run_id: int) -> Run | None:
        run = self._suspended.pop(run_id, None)
        if run is not None:
            # Nothing is kept of runs that each have a limit of their own.
            held = self._suspended_bytes.get(run.key, 0) - run.heap_bytes
            if held > 0:
                self._suspended_bytes[run.key] = held
            else:
                self._suspended_bytes.pop(run.key, None)
        return run

    def _run_jobs(self, run: Run, began: float) -> str:
        # The engine limits the time of each reaction alone; a chain of them without end is limited here.
        context = run.context
        looked = time.monotonic()
        count = 0
        while context.run_job():
            count += 1
            if count % JOBS_BETWEEN_LOOKS == 0 or time.monotonic() - looked > SECONDS_BETWEEN_LOOKS:
                looked = time.monotonic()
                status = context.poll(False)
                if status[0] != Tag.WAITING:
                    return status
                if count >= run.jobs:
                    context.usable = False
                    return Tag.EXCEEDED + "0jobs"
                left = min(run.cpu_left, run.turn_cpu) - (time.process_time() - began)
                if left <= 0:
                    context.usable = False
                    return Tag.OUT_OF_TIME + "0"
                context.limit_time(left)
        if context.ended:
            return context.ended
        return context.poll(True)

    def _may_have_filled(self, run: Run) -> bool:
        """Whether the run's heap can have reached its limit. What it held is gone by the time that null is seen."""
        program = self._programs.get(run.key)
        if program is None:
            return True
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        lasted = time.monotonic() - run.started
        return peak > program.memory_bytes and lasted > program.memory_bytes / FILLED_BYTES_PER_SECOND

    def _hoards(self, context: Context) -> bool:
        return self._note_peak() and context.heap_bytes() > RETAINED_BYTES

    def _note_peak(self) -> bool:
        """Whether the process has grown by a step; it asks to be replaced once it has grown too far.

        The kernel's count begins at the peak of the daemon that started it, so that growth up to there goes unseen.
        """
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if peak - self._peak_kb < PEAK_STEP_KB:
            return False
        self._peak_kb = peak
        if peak * 1024 > self._memory_bytes * SPENT_SHARE and not self._spent:
            self._spent = True
            self._send([Up.SPENT])
        return True

    def _keep(self, key: str, context: Context) -> None:
        if key not in self._programs:
            return
        self._warm[key] = context
        if len(self._warm) > self._warm_contexts:
            self._warm.popitem(last=False)

    def _fire_due_timers(self) -> None:
        if not self._timers:
            return
        now = time.monotonic()
        for run_id in [run_id for run_id, due in self._timers.items() if due <= now]:
            del self._timers[run_id]
            run = self._resume(run_id)
            if run is not None:
                self._turn(run, run.context.fire)

    def _done(self, run_id: int, status: str, log: str | None, started: float) -> None:
        micros = int((time.monotonic() - started) * 1e6)
        self._send([Up.DONE, run_id, status[0], status[2:].encode("utf-8", "replace"), log, micros])

    def _send(self, message: list[Any]) -> None:
        packed = self._packer.pack(message)
        now = time.monotonic()
        if not self._output:
            self._oldest_output = now
        self._output.append(packed)
        self._output_bytes += len(packed)
        if self._output_bytes > FLUSH_BYTES or now - self._oldest_output > FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        if self._output:
            self._link.sendall(b"".join(self._output))
            self._output.clear()
            self._output_bytes = 0
