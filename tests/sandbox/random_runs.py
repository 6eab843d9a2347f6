"""Random programs in one worker, their turns interleaved and hostile programs in between: each says what it says alone,
in a process of its own.

Both times the worker's own loop takes the messages that the daemon would send, with a clock that stands still in a
turn: so one run is told the same times whatever runs beside it. What is compared is all that a worker says of a run but
how long it took. For a long run by hand, which says how many were run:

    python -m tests.sandbox.random_runs --programs 100000
"""

import argparse
import gc
import heapq
import mmap
import os
import random
import select
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Final

import msgpack

from sandbox import link, messages_down, messages_up, worker
from sandbox.engines import warm_up
from sandbox.image_store import ImageStore
from sandbox.loaded_programs import LoadedPrograms
from sandbox.messages_up import CallsMessage, DoneMessage, LetGoMessage
from sandbox.program import Invocation, Limits, Program
from sandbox.shared_page import PAGE_BYTES
from sandbox.status import Tag
from tests.sandbox.random_programs import HOSTILE, answer, kept_programs, random_program

IN_FLIGHT: Final = 32
"""Runs that have begun in the worker and are not over."""
LOADED_BYTES: Final = 1_500_000
"""Of the programs that stay loaded in it: fewer than are in flight, so that some are loaded anew for each turn."""
WORKER_BYTES: Final = 1_000_000_000
MOST_STEPS: Final = 200
"""Of a run that goes on for longer nobody wants to know more."""
HOSTILE_SHARE: Final = 0.07
"""How often a hostile run follows a turn of another's."""
FIRST_HOSTILE: Final = 1 << 40
"""The id of the first hostile run."""
ALONE_AT_ONCE: Final = 3
ADAPTER: Final = """({
  prepare: (input) => input,
  collect: (data, returned) => (returned === undefined ? data : returned),
  caught: (error) => (Array.isArray(error) ? { refused: error } : undefined),
})"""
HOST_ADAPTER: Final = """(({ host }) => {
  globalThis.ask = (...values) => host("ask", values);
  return {
    prepare: (input) => input,
    collect: (data, returned) => returned,
    caught: () => undefined,
    tellsUnawaited: true,
    tellsRejection: () => true,
  };
})"""
COUNTER: Final = "(({ ask }) => { let n = 0; const far = (x) => ask('far', x); return { next: () => ++n, far }; })"
Trace = list[Any]
"""What was said of a run: of each turn its host calls and console lines, and how it ended."""


class Clock:
    """The time that the worker is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


class OneWorker:
    """The loop of a worker in this process, which is handed messages one by one."""

    def __init__(self) -> None:
        self.clock = Clock()
        vars(worker)["time"] = SimpleNamespace(monotonic=self.clock.monotonic, process_time=time.process_time)
        mine, its = socket.socketpair()
        self._said = mine
        self._said.setblocking(False)
        images = os.memfd_create("images")
        os.ftruncate(images, WORKER_BYTES)
        store = ImageStore(images, WORKER_BYTES)
        self.worker = worker.Worker(its, mmap.mmap(-1, PAGE_BYTES), store, WORKER_BYTES)
        self.worker._loaded = LoadedPrograms(LOADED_BYTES)
        self._packed = messages_down.unpacker_down()
        self._unpacker = messages_up.unpacker_up()

    def hand(self, *messages: list[Any]) -> Iterator[Any]:
        """Give it messages that have come together. Gives what it says."""
        for message in messages:
            self._packed.feed(link.pack(message))
        waiting = deque(self._packed)
        self.worker._messages = waiting
        while waiting:
            self.worker._handle(waiting.popleft())
            yield from self._heard()

    def fire(self, run_id: int) -> Iterator[Any]:
        """Let the next timer of a run ring."""
        run = self.worker._suspended.take(run_id)
        assert run is not None
        self.worker._turn(run, None)
        yield from self._heard()

    def due(self, run_id: int) -> float | None:
        """When the next timer of a waiting run is."""
        return self.worker._suspended._runs[run_id].due

    def _heard(self) -> Iterator[Any]:
        self.worker._kill_timer.stop()
        self.worker._output.flush()
        while True:
            try:
                self._unpacker.feed(self._said.recv(1 << 20))
            except BlockingIOError:
                return
            yield from self._unpacker


class Case:
    """A run of a random program: what it is given, when and what its host answers, and what has been said of it."""

    def __init__(self, number: int, texts: Callable[[int], tuple[str, bool]]) -> None:
        self.number = number
        self._chance = random.Random(number + 1)  # noqa: S311 - cases, not secrets
        text, waits = texts(number)
        self.id = number + 1
        self.program = Program(
            key=f"{number}",
            name="author.js",
            suspends=waits,
            text=text,
            adapter=HOST_ADAPTER if waits else ADAPTER,
            modules={"counter": COUNTER} if waits else {},
            environment={"NUMBER": str(number)},
            memory_bytes=self._chance.choices((100_000_000, 10_000_000, 3_000_000, 1_000_000), (1, 19, 40, 40))[0],
        )
        self.trace: Trace = []
        self.over = False
        self._answers: list[tuple[float, int, bool, Any]] = []
        self._now = 0.0
        self._steps = 0

    def begin(self, one: OneWorker) -> None:
        """Its first turn."""
        chance = self._chance
        limits = Limits(wall_seconds=100.0, cpu_seconds=20.0, log_bytes=chance.choice((16_384, 500)), jobs=100_000)
        invocation = Invocation(
            program=self.program,
            input=msgpack.packb(chance.randrange(1000)),
            limits=limits,
            customer=f"customer {self.number % 3}",
            correlation_id=f"call {self.number}",
        )
        one.clock.now = 0.0
        self._hear(
            one,
            one.hand(
                messages_down.load(self.program),
                messages_down.run(self.id, invocation, 1e6, invocation.seed or 0, invocation.clock or 0.0),
            ),
        )

    def step(self, one: OneWorker) -> None:
        """Whatever comes next for a run that waits: an answer of its host's, several at once, or a timer."""
        due = one.due(self.id)
        self._steps += 1
        if self._steps > MOST_STEPS or (due is None and not self._answers):
            self._hear(one, one.hand(messages_down.cancel(self.id)))
            return
        if self._answers and (due is None or self._answers[0][0] <= due):
            self._now = max(self._now, self._answers[0][0])
            messages = []
            while self._answers and self._answers[0][0] <= self._now:
                _, call_id, succeeded, value = heapq.heappop(self._answers)
                messages.append(messages_down.settle(self.id, call_id, succeeded, msgpack.packb(value), None))
            one.clock.now = self._now
            self._hear(one, one.hand(*messages))
            return
        assert due is not None
        self._now = max(self._now, due)
        one.clock.now = self._now
        self._hear(one, one.fire(self.id))

    def _hear(self, one: OneWorker, said: Iterator[Any]) -> None:
        for message in said:
            if isinstance(message, CallsMessage):
                calls = msgpack.unpackb(message.calls, strict_map_key=False)
                self.trace.append([calls, message.log])
                for call_id, name, values in calls:
                    self._ask(call_id, name, values)
            elif isinstance(message, DoneMessage):
                self.trace.append([message.tag, message.payload, message.log, message.calls])
                self.over = True
            elif isinstance(message, LetGoMessage):
                self.trace.append("let go")
                self.over = True
            else:
                raise AssertionError(f"a worker says {message}")  # noqa: TRY004 - it is no mistake of a caller
        if self.over:
            list(one.hand(messages_down.forget(self.program.key)))

    def _ask(self, call_id: int, name: str, values: list[Any]) -> None:
        """Have the host answer."""
        at = self._now + self._chance.choice((0.0, 0.0, 0.001, 0.02))
        value = answer([name, values])
        fails = values[:1] == ["fails"] or value % 97 == 0
        heapq.heappush(self._answers, (at, call_id, not fails, {"message": "no", "code": value} if fails else value))


def alone(case: Case) -> Trace:
    """What is said of a run in a worker that has run nothing else."""
    one = OneWorker()
    case.begin(one)
    while not case.over:
        case.step(one)
    return case.trace


class Hostile:
    """Runs in between that fill their memory, never end, spoil the language, or wait and are given up."""

    def __init__(self, chance: random.Random, one: OneWorker) -> None:
        self._chance = chance
        self._one = one
        self._next = FIRST_HOSTILE
        self.tally: Counter[str] = Counter()
        for number, text in enumerate(HOSTILE):
            for waits in (False, True):
                program = Program(
                    key=f"hostile {waits} {number}",
                    name="hostile.js",
                    suspends=waits,
                    text=f"{'async ' if waits and number % 2 else ''}function main() {{ {text} }}",
                    adapter=HOST_ADAPTER if waits else ADAPTER,
                    memory_bytes=4_000_000,
                )
                list(one.hand(messages_down.load(program)))

    def run(self) -> None:
        """One of them."""
        chance = self._chance
        self._next += 1
        waits = chance.random() < 0.5
        key = f"hostile {waits} {chance.randrange(len(HOSTILE))}"
        message = [
            *(int(messages_down.Down.RUN), self._next, key, "customer 0", "main", link.NIL, "", 1e6),
            *(0.008, 0.008, 100.0, 10_000, 1_000, 100, 10_000, 10_000, chance.getrandbits(64), 0.0, b"", 0),
        ]
        self._one.clock.now = 0.0
        for said in self._one.hand(message):
            if isinstance(said, DoneMessage):
                self.tally[said.tag] += 1
            elif isinstance(said, CallsMessage):
                self.tally["waits"] += 1
                list(self._one.hand(messages_down.cancel(self._next)))


def interleaved(
    numbers: Iterator[int], texts: Callable[[int], tuple[str, bool]], seed: int
) -> Iterator[tuple[int, Trace]]:
    """What is said of each run in one worker, in the order in which they end."""
    chance = random.Random(seed)  # noqa: S311 - cases, not secrets
    one = OneWorker()
    hostile = Hostile(chance, one)
    in_flight: list[Case] = []
    while True:
        while len(in_flight) < IN_FLIGHT and (number := next(numbers, None)) is not None:
            case = Case(number, texts)
            case.begin(one)
            in_flight.append(case)
            if chance.random() < HOSTILE_SHARE:
                hostile.run()
        if not in_flight:
            yield -1, sorted(hostile.tally.items())
            return
        place = chance.randrange(len(in_flight))
        case = in_flight[place]
        if not case.over:
            case.step(one)
            if chance.random() < HOSTILE_SHARE:
                hostile.run()
        if case.over:
            in_flight[place] = in_flight[-1]
            in_flight.pop()
            yield case.number, case.trace


# ---- processes ----


def in_child(work: Callable[[Callable[[Any], None]], None]) -> tuple[int, int]:
    """Fork; the child does the work, which is given how to say something. Gives where to hear it, and the child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return reading, child
    os.close(reading)
    try:
        with os.fdopen(writing, "wb") as file:

            def say(value: Any) -> None:
                file.write(msgpack.packb(value))
                file.flush()

            work(say)
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - the child ends here whatever it is
        sys.stderr.write(
            f"{type(error).__name__}: {error} in line {error.__traceback__ and error.__traceback__.tb_lineno}\n"
        )
        sys.stderr.flush()
    finally:
        os._exit(1)


class Comparison:
    """Runs programs both ways and compares, a process each."""

    def __init__(self, texts: Callable[[int], tuple[str, bool]]) -> None:
        self._texts = texts
        self._waiting: dict[int, tuple[int, int, Trace]] = {}
        """By descriptor: the program, the process that runs it alone, and what was said of it beside others."""
        self._poller = select.poll()
        self._heard: dict[int, Any] = {}
        self.tally: Counter[str] = Counter()
        self.failures: list[tuple[int, Trace, Trace]] = []

    def run(self, numbers: Iterator[int], seed: int) -> None:
        """Compare each."""

        def work(say: Callable[[Any], None]) -> None:
            for said in interleaved(numbers, self._texts, seed):
                say(said)

        reading, child = in_child(work)
        unpacker = msgpack.Unpacker(strict_map_key=False, max_buffer_size=1 << 30)
        with os.fdopen(reading, "rb", buffering=0) as pipe:
            while part := pipe.read(1 << 16):
                unpacker.feed(part)
                for number, trace in unpacker:
                    if number < 0:
                        self.tally.update({f"hostile {tag}": count for tag, count in trace})
                    else:
                        self._begin_alone(number, trace)
        _, status = os.waitpid(child, 0)
        while self._waiting:
            self._finish_one()
        if status:
            raise AssertionError(f"the worker has ended with status {status}")

    def _begin_alone(self, number: int, trace: Trace) -> None:
        while len(self._waiting) >= ALONE_AT_ONCE:
            self._finish_one()
        reading, child = in_child(lambda say: say(alone(Case(number, self._texts))))
        self._waiting[reading] = (number, child, trace)
        self._poller.register(reading, select.POLLIN | select.POLLHUP)
        self._heard[reading] = msgpack.Unpacker(strict_map_key=False, max_buffer_size=1 << 30)

    def _finish_one(self) -> None:
        finished = None
        while finished is None:
            for descriptor, _ in self._poller.poll():
                part = os.read(descriptor, 1 << 16)
                if part:
                    self._heard[descriptor].feed(part)
                else:
                    finished = descriptor
                    break
        self._poller.unregister(finished)
        os.close(finished)
        number, child, beside = self._waiting.pop(finished)
        _, status = os.waitpid(child, 0)
        by_itself = next(iter(self._heard.pop(finished)), [f"ended with status {status}"])
        self.tally[f"{by_itself[-1][0]}" if by_itself[-1] != "let go" else "let go"] += 1
        self.tally["turns"] += len(by_itself)
        if by_itself != beside:
            self.failures.append((number, by_itself, beside))


def text_of(number: int) -> tuple[str, bool]:
    """The program of a number and whether it waits: first those that were once seen to come out otherwise."""
    kept = kept_programs()
    if number < len(kept):
        return kept[number]
    waits = number % 4 != 0
    return random_program(number, waits), waits


def numbers_until(first: int, programs: int, seconds: float) -> Iterator[int]:
    """So many, or as many as there is time for."""
    ends = time.monotonic() + seconds
    yield from range(len(kept_programs()))
    for number in range(first, first + programs):
        if time.monotonic() >= ends:
            return
        yield number


def main() -> None:
    """Compare, say what was compared, and end with status 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0] if __doc__ else None)
    parser.add_argument("--programs", type=int, default=1_000_000_000, help="how many")
    parser.add_argument("--seconds", type=float, default=1e9, help="no more begin after so long")
    parser.add_argument("--first", type=int, default=random.getrandbits(40), help="the number of the first program")
    asked = parser.parse_args()
    warm_up()
    gc.collect()
    gc.freeze()
    comparison = Comparison(text_of)
    began = time.monotonic()
    comparison.run(numbers_until(asked.first, asked.programs, asked.seconds), asked.first)
    for number, by_itself, beside in comparison.failures[:5]:
        text, _ = text_of(number)
        place = next((at for at, (a, b) in enumerate(zip(by_itself, beside, strict=False)) if a != b), -1)
        print(f"program {number} differs in turn {place}:\n{text}\nalone:  {by_itself[place]}\nbeside: {beside[place]}")  # noqa: T201 - a tool
    tags = {tag.name.lower(): comparison.tally.pop(tag, 0) for tag in Tag}
    programs = sum(tags.values()) + comparison.tally.pop("let go", 0)
    print(  # noqa: T201 - a tool
        f"{programs} programs from {asked.first}, {len(comparison.failures)} came out otherwise,"
        f" {time.monotonic() - began:.0f} s, {tags}, {dict(comparison.tally)}"
    )
    sys.exit(bool(comparison.failures))


if __name__ == "__main__":
    main()
