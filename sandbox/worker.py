"""The worker's loop: one socket to the daemon, programs kept loaded, one turn of one run at a time.

Everything that a run needs is used once before the confinement closes (see boot), since afterwards it cannot open a
file.
"""

import mmap
import select
import socket
import time
from collections import deque
from typing import Any, Final

import msgspec

from sandbox import link, messages_down, messages_up
from sandbox.arriving import ArrivingImages
from sandbox.engine import Context, LoadedProgram, RunBounds, Status
from sandbox.engines import JOBS_BETWEEN_LOOKS, contexts
from sandbox.image_store import ImageStore, Place
from sandbox.kill_timer import KillTimer
from sandbox.loaded_programs import LoadedPrograms
from sandbox.messages_down import (
    CancelMessage,
    HandOverMessage,
    LoadMessage,
    Pace,
    PackageMessage,
    PieceMessage,
    ResumeMessage,
    RunMessage,
    SettleMessage,
)
from sandbox.output import Output
from sandbox.processor_time import ProcessorTime
from sandbox.program import Program
from sandbox.shared_page import BEGUN, REVOKED, RUNNING, TURNS
from sandbox.stack import threw
from sandbox.status import OF_WORKER, Tag
from sandbox.suspended import BegunRun, SuspendedRuns
from sandbox.suspension import pack_state

READ_BYTES: Final = 256 * 1024
QUICK_SECONDS: Final = 0.000_5
"""A program whose last run took longer does not start, nor go on, while answers and questions of others are waiting to
be sent."""
LONGEST_WAIT: Final = 60.0
"""Seconds of one poll(2) for a timer, whose own limit a script's longest delay would pass."""
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
_ENDED_ITSELF: Final = (Tag.RETURNED, Tag.THREW)
_WAITING: Final = Tag.WAITING
"""Finding a member of an enumeration takes some 70 ns."""


class Worker:
    """The loop. ``serve`` returns when the daemon closes the socket."""

    def __init__(self, connection: socket.socket, page: mmap.mmap, store: ImageStore, memory_bytes: int) -> None:
        self._connection = connection
        self._store = store
        self._slots = memoryview(page).cast("Q")
        self._spent = False
        self._programs: dict[str, Program] = {}
        self._loaded = LoadedPrograms(memory_bytes // 4)
        self._last_seconds: dict[str, float] = {}
        """How long the last run of a program took."""
        self._contexts = contexts()
        for context in self._contexts.values():
            context.memory_bytes = memory_bytes
        self._suspended = SuspendedRuns(store, memory_bytes)
        self._arriving = ArrivingImages(store, lambda: self._suspended.room)
        self._kill_timer = KillTimer()
        self._processor_time = ProcessorTime()
        self._output = Output(connection, self._kill_timer.stop, store.settle)
        self._input = messages_down.unpacker_down()
        self._messages: deque[list[Any]] = deque()

    # ---- life ----

    def ready(self, confined: bool, refused: str) -> None:
        """Tell the daemon, with what became of the confinement."""
        self._output.add(messages_up.ready(confined, refused))
        self._output.flush()

    def last_words(self, error: Exception) -> None:
        """Tell the daemon what this worker dies of."""
        traceback = error.__traceback__
        places = []
        while traceback is not None:
            places.append(f"{traceback.tb_frame.f_code.co_name}:{traceback.tb_lineno}")
            traceback = traceback.tb_next
        self._output.add(messages_up.failed(f"{type(error).__name__}: {error} in {' > '.join(places)}"[:1000]))
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
            self._kill_timer.stop()
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
        return self._connection.recv(READ_BYTES) or None

    def _handle(self, received: list[Any]) -> None:
        message = messages_down.read_down(received)
        if isinstance(message, RunMessage):
            self._run(message)
        elif isinstance(message, SettleMessage):
            run = self._suspended.take(message.run_id)
            if run is not None:
                self._turn(run, message)
        elif isinstance(message, LoadMessage):
            program = message.program
            self._programs[program.key] = program
        elif isinstance(message, PackageMessage):
            self._contexts[True].keep_package(message.package)
        elif isinstance(message, ResumeMessage):
            self._resume(message)
        elif isinstance(message, PieceMessage):
            self._arriving.add(message.origin, message.size, message.begin, message.piece)
        elif isinstance(message, CancelMessage):
            run = self._suspended.take(message.run_id)
            if run is not None:
                self._output.add(messages_up.let_go(message.run_id))
                self._suspended.give_up(run)
        elif isinstance(message, HandOverMessage):
            if self._suspended.take(message.run_id) is not None:
                self._output.add(messages_up.let_go(message.run_id))
        else:
            self._programs.pop(message.key, None)
            self._last_seconds.pop(message.key, None)
            self._loaded.forget(message.key)

    def _fire_due_timers(self) -> None:
        for run_id in self._suspended.due(time.monotonic()):
            run = self._suspended.take(run_id)
            if run is not None:
                self._turn(run, None)

    # ---- runs ----

    def _run(self, asked: RunMessage) -> None:
        key = asked.key
        self._send_before(key)
        started = time.monotonic()
        if not self._may_begin(asked, started):
            self._output.add(messages_up.let_go(asked.run_id))
            return
        kill_seconds = _kill_seconds(asked)
        self._kill_timer.cover(started, kill_seconds)
        program = self._programs[key]
        context = self._contexts[program.suspends]
        loaded = self._in_place(program, context)
        if isinstance(loaded, Status):
            self._done(asked.run_id, loaded, None, None, started, 0.0)
            self._at_rest()
            return
        run = BegunRun.begin(asked, program, loaded, started, kill_seconds)
        context.limit_time(min(run.cpu_left, run.turn_cpu), max(LEAST_SECONDS, run.stops_at - started))
        began = self._processor_time.at(time.monotonic()) if context.suspends else 0.0
        bounds = RunBounds(asked.result_bytes, asked.log_bytes, asked.outbox_calls, asked.outbox_bytes)
        status = context.start(
            asked.input, asked.correlation_id, asked.clock, asked.entry, bounds, asked.seed, asked.random_key
        )
        self._follow(run, context, status, began)

    def _send_before(self, key: str) -> None:
        """Send what there is, unless what a program does next is over before long."""
        if self._last_seconds.get(key, 1.0) > QUICK_SECONDS:
            self._output.flush()

    def _in_place(self, program: Program, context: Context) -> LoadedProgram | Status:
        """Put a program in place, loaded if need be; the status is how that failed."""
        loaded = self._loaded.get(program.key)
        if loaded is not None:
            context.use(loaded)
            return loaded
        made = context.load(program)
        if isinstance(made, LoadedProgram) and program.key in self._programs:
            self._loaded.keep(made)
        return made

    def _resume(self, asked: ResumeMessage) -> None:
        """Take in a run that waited in another worker."""
        now = time.monotonic()
        if not self._may_begin(asked, now):
            self._arriving.drop(asked.origin)
            self._output.add(messages_up.let_go(asked.run_id))
            return
        run = BegunRun.resume(asked, self._programs[asked.key], now, _kill_seconds(asked))
        run.place = self._arriving.finish(asked.origin, asked.size, asked.image)
        if run.place is None:
            status = Status(Tag.OUT_OF_MEMORY, False, False, OF_WORKER)
            self._done(run.id, status, None, None, run.started, run.waited)
        else:
            self._wait(run, link.NO_CALLS, None, asked.due)
        self._at_rest()

    def _may_begin(self, asked: RunMessage | ResumeMessage, now: float) -> bool:
        """Whether a run is still this worker's to begin or to go on with. It is the one that the worker is in then."""
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

    def _turn(self, run: BegunRun, message: SettleMessage | None) -> None:
        """Go on with a run that waited: with an answer, or a timer where there is no message or one without a call."""
        call_id = 0 if message is None else message.call_id
        given = None if message is None else message.clock
        self._send_before(run.program.key)
        if run.pace is not Pace.OWN:
            # Should the worker not outlive the turn, the daemon knows what it began with. It has begun once that is
            # told: until a daemon that does not read does, the kernel's timer is off and the run waits.
            given = self._clock_of(run, time.monotonic()) if given is None else given
            self._output.add(messages_up.turn(run.id, given, call_id))
            self._output.flush()
        self._slots[RUNNING] = run.id
        self._slots[TURNS] += 1
        now = time.monotonic()
        run.waited += now - run.waits_since
        self._kill_timer.cover(now, run.kill_seconds)
        clock = self._clock_of(run, now) if given is None else given
        if call_id:
            run.settled += 1
        began = self._processor_time.at(now)
        context = self._contexts[run.program.suspends]
        if not run.inside:
            refused = self._put_back(run, context)
            if refused is not None:
                self._end(run, refused, None, None)
                self._at_rest()
                return
        run.inside = False
        context.limit_time(min(run.cpu_left, run.turn_cpu), max(LEAST_SECONDS, run.stops_at - now))
        if message is None or not call_id:
            status = context.fire(clock)
        else:
            status = context.settle(call_id, message.succeeded, message.value, clock)
        self._follow(run, context, status, began)

    @staticmethod
    def _clock_of(run: BegunRun, now: float) -> float:
        return run.clock + (now - run.started) * 1000

    def _put_back(self, run: BegunRun, context: Context) -> Status | None:
        """Put a run that waited back into the engine; the status is how that failed."""
        assert run.place is not None  # noqa: S101 - it waited outside
        if run.loaded is None:
            made = self._in_place(run.program, context)
            if isinstance(made, Status):
                return made
            run.loaded = made
        else:
            context.use(run.loaded)
        try:
            context.resume(self._store.at(run.place), run.owner)
        except ValueError as error:
            return Status(Tag.BROKEN, False, False, f"the run cannot go on: {error}".encode())
        return None

    def _at_rest(self) -> None:
        self._slots[RUNNING] = 0

    def _follow(self, run: BegunRun, context: Context, status: Status, began: float) -> None:
        """See a turn to its end: its run is over then, or waits. ``began`` is the processor time at its start."""
        if status.tag is _WAITING:
            status = self._run_jobs(run, context)
        log = context.take_log() if status.lines else None
        if status.tag is _WAITING:
            if self._suspend(run, context, status, log, began):
                self._at_rest()
                return
            status = Status(Tag.OUT_OF_MEMORY, False, False, b"")
        if status.tag in _ENDED_ITSELF and context.unheard:
            log = self._with_unheard(run, context, log)
        # What it asked in its last turn goes with the end: of a run nothing is told of which the rest may be lost.
        asked = context.take_outbox() if status.calls else None
        self._last_seconds[run.program.key] = self._end(run, status, log, asked)
        self._at_rest()

    def _end(self, run: BegunRun, status: Status, log: bytes | None, asked: bytes | None) -> float:
        """Answer a run that has begun. Gives the seconds that its turns took."""
        busy = self._done(run.id, status, log, asked, run.started, run.waited)
        self._suspended.give_up(run)
        return busy

    def _with_unheard(self, run: BegunRun, context: Context, log: bytes | None) -> bytes | None:
        """The console lines of a run with one for each promise that was rejected and that nobody awaited."""
        context.limit_time(UNHEARD_SECONDS)
        unheard = context.take_unheard()
        if not unheard:
            return log
        lines = msgspec.msgpack.decode(log) if log else []
        for description in unheard:
            error = str(threw(run.program.name, description, run.program.files))[:UNHEARD_CHARACTERS]
            lines.append(["warn", f"nobody awaited a promise that was rejected: {error}"])
        return msgspec.msgpack.encode(lines)

    def _done(
        self, run_id: int, status: Status, log: bytes | None, asked: bytes | None, started: float, waited: float
    ) -> float:
        """Answer a run. Gives the seconds that its turns took."""
        seconds = time.monotonic() - started
        busy = seconds - waited
        micros = int(seconds * 1e6), int(busy * 1e6)
        self._output.add(messages_up.done(run_id, status.tag, status.payload, log, asked, *micros))
        return busy

    def _suspend(self, run: BegunRun, context: Context, status: Status, log: bytes | None, began: float) -> bool:
        """Let a run wait. False where there is no memory left to wait in."""
        wait_ms = None if run.pace is Pace.GIVEN else status.waits_ms
        due = time.monotonic() + wait_ms / 1000 if wait_ms is not None else None
        if run.pace is Pace.OWN and not (status.lines or status.calls) and self._stays(run):
            # Nothing is told of this turn: where it is lost, it is done again from the image before.
            run.inside = True
            self._turn_ended(run, began)
            self._suspended.add(run, due)
            return True
        asked = context.take_outbox() if status.calls else link.NO_CALLS
        place = self._taken_out(run, context)
        if place is None:
            return False
        self._suspended.give_up(run)
        run.place = place
        self._turn_ended(run, began)
        # Also where it asks nothing: the daemon gives its place to another run.
        self._wait(run, asked, log, due)
        return True

    def _turn_ended(self, run: BegunRun, began: float) -> None:
        """It waits from now on, and has used what there was since ``began``."""
        run.waits_since = now = time.monotonic()
        run.cpu_left = max(LEAST_SECONDS, run.cpu_left - (self._processor_time.at(now) - began))

    def _wait(self, run: BegunRun, asked: bytes, log: bytes | None, due: float | None) -> None:
        """Tell the daemon that a run waits, and where."""
        place = run.place
        assert place is not None  # noqa: S101 - it was given one
        state = pack_state(place.offset, place.size, run.number, run.started, run.waited, run.cpu_left, due)
        self._output.add(messages_up.calls(run.id, asked, log, run.settled, state))
        if asked is not link.NO_CALLS:
            # Its turn is over: of a worker that dies from here on it is not the cause.
            self._slots[RUNNING] = 0
        self._suspended.add(run, due)
        if self._suspended.is_spent and not self._spent:
            self._spent = True
            self._output.add(messages_up.spent())

    def _taken_out(self, run: BegunRun, context: Context) -> Place | None:
        """Write a run's image to the store. None where there is no place for it; the run is lost then."""
        size = context.take_out(self._suspended.room_for(run))
        if size is None:
            return None
        place = self._store.place(size)
        if place is None:
            # What the daemon has been told of by then makes place.
            self._output.flush()
            place = self._store.place(size)
        if place is not None:
            run.number += 1
            context.write(self._store.at(place), run.owner)
        return place

    def _stays(self, run: BegunRun) -> bool:
        """Whether a run that is about to wait stays in the engine: what has come next is for it.

        A thousand answers at once would else take it out and set it back a thousand times.
        """
        return run.place is not None and bool(self._messages) and messages_down.is_answer_to(self._messages[0], run.id)

    def _run_jobs(self, run: BegunRun, context: Context) -> Status:
        count = 0
        while True:
            count += context.run_jobs(JOBS_BETWEEN_LOOKS)
            idle = context.idle
            status = context.poll(idle)
            if idle or status.tag is not _WAITING:
                return status
            if count >= run.jobs:
                return Status(Tag.EXCEEDED, status.lines, False, b"jobs")


def _kill_seconds(asked: RunMessage | ResumeMessage) -> float:
    return asked.turn_wall_seconds * KERNEL_KILL_FACTOR + KERNEL_KILL_SLACK_SECONDS
