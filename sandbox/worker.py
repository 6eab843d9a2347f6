"""The worker process: one socket to the daemon, contexts kept warm, one turn of one run at a time.

Started as ``python -I -c`` with the path to this package, never forked from the daemon. Everything it will need is
imported and used once before the confinement closes, since afterwards it cannot open a file.
"""

import gc
import mmap
import os
import resource
import select
import signal
import socket
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any

import msgpack

from sandbox import confinement
from sandbox.engine import Context, RunBounds, Tag
from sandbox.errors import ConfinementRefused
from sandbox.link import OUT_OF_MEMORY_STATUS, PAGE_BYTES, REVOKED, RUNNING, Down, Up, unpacker
from sandbox.program import Kind, Program

READ_BYTES = 256 * 1024
FLUSH_BYTES = 64 * 1024
FLUSH_SECONDS = 0.000_3
"""Answers wait for each other this long at most while runs go on, so that one system call carries several."""
QUICK_SECONDS = 0.000_5
"""A program whose last run took longer does not start while other programs' answers are waiting to be sent."""
BLANK_CONTEXTS = 4
"""Contexts made ahead while there is nothing to do: making one takes some 500 us, taking one next to nothing."""
JOBS_BETWEEN_LOOKS = 64
RETAINED_BYTES = 16 * 1024 * 1024
"""A context that holds more than this after its run is thrown away: what a script hoards must not starve others."""
PEAK_STEP_KB = 8 * 1024
"""Growth of the process's peak memory in one run that is worth looking at the context's heap for."""
SPENT_SHARE = 0.6
"""Of the worker's memory: a peak past this asks for a replacement before scripts find no memory for others' sake."""
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
    cpu_seconds: float
    kill_seconds: float
    started: float


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
        self._blank: dict[Kind, list[Context]] = {Kind.SCRIPT: [], Kind.APP: []}
        self._suspended: dict[int, Run] = {}
        self._timers: dict[int, float] = {}
        self._last_seconds: dict[str, float] = {}
        self._input = unpacker()
        self._packer = msgpack.Packer(autoreset=True)
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
            kind=Kind.APP,
            text="async function main(data) { console.log(1); await null; return data }",
            adapter="({prepare: (x) => x, collect: (x, y) => y, caught: () => undefined})",
        )
        bounds = RunBounds(1000, 1000, 10)
        for kind in Kind:
            context = Context(kind)
            context.load(program, bounds)
            context.limit_time(1.0)
            context.start("{}", "", 0.0)
            while context.run_job():
                context.poll(False)
            context.take_log()
            context.finish()
            self._blank[kind].append(Context(kind))
        self._peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        select.poll()
        # Messages and contexts form no cycles; a collection in the middle of a run would be a script's time.
        gc.collect()
        gc.disable()

    def ready(self, confined: bool, refused: str) -> None:
        """Tell the daemon, with what became of the confinement."""
        self._send([Up.READY, confined, refused])
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
        if poller.poll(max(0.0, wait * 1000)):
            return self._link.recv(READ_BYTES) or None
        return b""

    def _make_blank(self) -> None:
        for kind, blank in self._blank.items():
            if len(blank) < BLANK_CONTEXTS:
                blank.append(Context(kind))
                return

    def _handle(self, message: list[Any]) -> None:
        operation = message[0]
        if operation == Down.RUN:
            self._run(message)
        elif operation == Down.LOAD:
            _, key, name, kind, text, adapter, environment, memory_bytes = message
            self._programs[key] = Program(
                key=key,
                name=name,
                kind=Kind(kind),
                text=text,
                adapter=adapter,
                environment=environment,
                memory_bytes=memory_bytes,
            )
        elif operation == Down.SETTLE:
            _, run_id, call_id, succeeded, value = message
            run = self._suspended.pop(run_id, None)
            if run is not None:
                self._turn(run, lambda now: run.context.settle(call_id, succeeded, value, now))
        elif operation == Down.CANCEL:
            self._drop(message[1])
        elif operation == Down.FORGET:
            self._programs.pop(message[1], None)
            self._warm.pop(message[1], None)
            self._last_seconds.pop(message[1], None)

    def _run(self, message: list[Any]) -> None:
        _, run_id, key, text, correlation_id, cpu, wall, result, log, outbox, jobs = message
        slots = self._slots
        if self._output and self._last_seconds.get(key, 1.0) > QUICK_SECONDS:
            self._flush()
        started = time.monotonic()
        # Before the look at REVOKED: the daemon revokes first and looks second, so one of the two sees the other.
        slots[RUNNING] = run_id
        if run_id <= slots[REVOKED]:
            slots[RUNNING] = 0
            return
        kill_seconds = wall * KILL_FACTOR + KILL_SLACK_SECONDS
        signal.setitimer(signal.ITIMER_REAL, kill_seconds)
        context = self._warm.pop(key, None)
        if context is None:
            program = self._programs[key]
            blank = self._blank[program.kind]
            context = blank.pop() if blank else Context(program.kind)
            status = context.load(program, RunBounds(result, log, outbox))
            if not context.usable:
                self._done(run_id, status, None, started)
                self._at_rest()
                return
        context.limit_time(cpu)
        run = Run(
            id=run_id,
            context=context,
            key=key,
            jobs=jobs,
            cpu_seconds=cpu,
            kill_seconds=kill_seconds,
            started=started,
        )
        status = context.start(text.decode(), correlation_id, started * 1000)
        self._follow(run, status)
        self._at_rest()

    def _turn(self, run: Run, step: Any) -> None:
        self._slots[RUNNING] = run.id
        signal.setitimer(signal.ITIMER_REAL, run.kill_seconds)
        self._follow(run, step(time.monotonic() * 1000))
        self._at_rest()

    def _at_rest(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._slots[RUNNING] = 0

    def _follow(self, run: Run, status: str) -> None:
        """Run promise reactions until the run has a status or waits."""
        context = run.context
        if status[0] == Tag.WAITING:
            status = self._run_jobs(run)
        # A run out of time or memory cannot say whether it wrote to the console: its author needs it most then.
        log = context.take_log() if status[1] in "13" or status[0] in "TMX" else None
        if status[0] == Tag.WAITING:
            if status[1] in "23":
                self._send([Up.CALLS, run.id, context.take_outbox(), log])
                self._flush()
            elif log is not None:
                self._send([Up.CALLS, run.id, "[]", log])
            self._suspended[run.id] = run
            if len(status) > 2:
                self._timers[run.id] = time.monotonic() + float(status[2:]) / 1000
            else:
                self._timers.pop(run.id, None)
            return
        self._timers.pop(run.id, None)
        self._done(run.id, status, log, run.started)
        self._last_seconds[run.key] = time.monotonic() - run.started
        if context.finish() and not self._hoards(context):
            self._keep(run.key, context)

    def _run_jobs(self, run: Run) -> str:
        # The engine limits the time of each reaction alone; a chain of them without end is limited here.
        context = run.context
        began = time.process_time()
        count = 0
        while context.run_job():
            count += 1
            if count % JOBS_BETWEEN_LOOKS == 0:
                status = context.poll(False)
                if status[0] != Tag.WAITING:
                    return status
                if count >= run.jobs:
                    context.usable = False
                    return Tag.EXCEEDED + "0jobs"
                if time.process_time() - began > run.cpu_seconds:
                    context.usable = False
                    return Tag.OUT_OF_TIME + "0"
        if context.ended:
            return context.ended
        return context.poll(True)

    def _hoards(self, context: Context) -> bool:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if peak - self._peak_kb < PEAK_STEP_KB:
            return False
        self._peak_kb = peak
        if peak * 1024 > self._memory_bytes * SPENT_SHARE and not self._spent:
            self._spent = True
            self._send([Up.SPENT])
        return context.heap_bytes() > RETAINED_BYTES

    def _keep(self, key: str, context: Context) -> None:
        if key not in self._programs:
            return
        self._warm[key] = context
        if len(self._warm) > self._warm_contexts:
            self._warm.popitem(last=False)

    def _drop(self, run_id: int) -> None:
        self._suspended.pop(run_id, None)
        self._timers.pop(run_id, None)

    def _fire_due_timers(self) -> None:
        if not self._timers:
            return
        now = time.monotonic()
        for run_id in [run_id for run_id, due in self._timers.items() if due <= now]:
            run = self._suspended.pop(run_id)
            self._timers.pop(run_id)
            self._turn(run, run.context.fire)

    def _done(self, run_id: int, status: str, log: str | None, started: float) -> None:
        micros = int((time.monotonic() - started) * 1e6)
        self._send([Up.DONE, run_id, status[0], status[2:].encode(), log, micros])

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


def main(
    descriptor: int,
    page_descriptor: int,
    parent: int,
    memory_bytes: int,
    warm_contexts: int,
    required: bool,
    niceness: int,
) -> None:
    """Confine this process and serve the link on ``descriptor``. Ends the process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    confinement.die_with_parent()
    if os.getppid() != parent:
        os._exit(0)
    if niceness:
        os.nice(niceness)
    page = mmap.mmap(page_descriptor, PAGE_BYTES)
    refused = ""
    system_calls = None
    try:
        system_calls = confinement.system_call_filter()
    except ConfinementRefused as error:
        refused = str(error)
    worker = Worker(socket.socket(fileno=confinement.keep_only(descriptor)), page, warm_contexts, memory_bytes)
    worker.warm_up()
    try:
        confinement.limit_resources(memory_bytes)
        if system_calls is not None:
            confinement.forbid_system_calls(system_calls)
    except (ConfinementRefused, OSError, ValueError) as error:
        refused = str(error) or type(error).__name__
    worker.ready(not refused, refused)
    if refused and required:
        os._exit(1)
    try:
        worker.serve()
    except MemoryError:
        os._exit(OUT_OF_MEMORY_STATUS)
    except OSError:
        # The daemon is gone; there is nobody to tell.
        os._exit(1)
    os._exit(0)
