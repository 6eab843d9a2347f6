"""The tests of one file, run: their program, its host, and a new run for what is left where one was cut off."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from sandbox import values
from sandbox.errors import SandboxError
from sandbox.host import HostCall
from sandbox.outcome import Cancelled, Completion, Returned
from sandbox.program import Invocation, Limits
from sandbox.sound_text import sound
from sidecar.cli.testing.desk import DatabaseAsked, Desk
from sidecar.cli.testing.exchange import Exchange
from sidecar.cli.testing.found_files import TestFile, UnreadableError
from sidecar.cli.testing.places import Failed, Places
from sidecar.cli.testing.program import TestProgram, program_of
from sidecar.cli.testing.real_time import after
from sidecar.cli.testing.results import FileResult, Shortcoming, TestOutcome, TestResult
from sidecar.cli.testing.trials import CallAsked, FixtureAsked, RefusedError, RouteAsked, RunAsked, Told, Trials
from sidecar.runs.runner import PoolName, Running

TESTS: Final = 10_000
"""Of one file."""
LOG_BYTES: Final = 65_536
SHORTCOMINGS: Final = 10
"""Kept of one test."""
NOTES: Final = 20
"""Kept of one test: what a loop of a thousand calls has to say nobody reads."""
NOTE_CHARACTERS: Final = 20_000
LOOP_SECONDS: Final = 0.25
LINGER_SECONDS: Final = 0.5
"""How long a file whose tests are over may go on."""
NO_LIMIT_SECONDS: Final = 1e9
"""A file of tests takes as long as it takes: each test has its limit, and the clock of the pools is put forward."""
ASKED: Final[Mapping[str, type[Any]]] = {
    "route": RouteAsked,
    "call": CallAsked,
    "run": RunAsked,
    "fixture": FixtureAsked,
    "database": DatabaseAsked,
}


class _Listed(msgspec.Struct):
    names: list[str]
    stack: str
    todo: bool
    skipped: bool


async def run_file(
    file: TestFile,
    trials: Trials,
    *,
    wanted: Callable[[str], bool],
    limit_seconds: float,
) -> FileResult:
    """Run those of its tests whose full name is wanted. Raises SandboxError where no worker comes up."""
    began = time.monotonic()
    try:
        text = file.read(file.path)
    except UnreadableError as error:
        return FileResult(file=file.shown, text="", shortcomings=[Shortcoming(message=str(error))])
    made = program_of(file, text, trials.configuration)
    if not isinstance(made, TestProgram):
        return FileResult(file=file.shown, text=text, shortcomings=made)
    run = _FileRun(file, text, made, trials, wanted, limit_seconds)
    while await run.go():
        pass
    return run.result(time.monotonic() - began)


class _FileRun:
    """Runs of one file's program until each test has had its end, and the `sandbox.host.Host` of each."""

    def __init__(
        self,
        file: TestFile,
        text: str,
        made: TestProgram,
        trials: Trials,
        wanted: Callable[[str], bool],
        limit_seconds: float,
    ) -> None:
        self._file = file
        self._text = text
        self._trials = trials
        self._wanted = wanted
        self._limit_seconds = limit_seconds
        self._program, self._script = made.program, made.script
        self._places = Places(file, made.program)
        self._closing: set[asyncio.Task[None]] = set()
        self._listed: list[_Listed] = []
        self._ends: dict[int, TestResult] = {}
        self._shortcomings: list[Shortcoming] = []
        self._console: list[tuple[str, str]] = []
        self._count = 0
        self._begin_run()

    def _begin_run(self) -> None:
        self._under_way: int | None = None
        self._overdue = False
        self._told_over = False
        self._began = 0.0
        self._notes: list[str] = []
        self._exchanges: dict[int, Exchange] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._call_off: Callable[[], None] | None = None
        self._running: Running | None = None
        self._desk: Desk | None = None

    # ---- one run ----

    async def go(self) -> bool:
        """Run what is left; whether there is more to run then."""
        self._begin_run()
        loop = asyncio.get_running_loop()
        over: asyncio.Future[Completion] = loop.create_future()
        pool = await self._trials.pool(PoolName.CALLS)
        invocation = Invocation(program=self._program, input=values.encode({}), limits=self._limits())

        def done(completion: Completion) -> None:
            if not over.done():  # interrupted: nobody waits any more
                over.set_result(completion)

        self._running = pool.submit(invocation, done, self)
        self._watch()
        try:
            completion = await over
        finally:
            self._silence()
            self._take_away_desk()
        await asyncio.gather(*self._tasks, *self._closing, return_exceptions=True)
        self._console += [(line.level, line.text) for line in completion.log]
        return self._ended(completion)

    def _limits(self) -> Limits:
        return Limits(
            wall_seconds=NO_LIMIT_SECONDS,
            turn_seconds=self._limit_seconds,
            cpu_seconds=NO_LIMIT_SECONDS,
            log_bytes=LOG_BYTES,
        )

    def _ended(self, completion: Completion) -> bool:
        number, self._under_way = self._under_way, None
        if self._told_over:
            # Of a file that has other tests each time that it is run.
            self._leave_out()
            return False
        wrong = self._cut_off(completion, within=number is not None)
        if number is not None:
            self._end(number, [wrong])
            return bool(self._left())
        # Between two tests or before the first: it would end there again.
        self._shortcomings.append(wrong)
        self._leave_out()
        return False

    def _leave_out(self) -> None:
        for left in self._left():
            self._ends[left] = self._test(left, TestOutcome.FAILED, [Shortcoming(message="was not run")])

    def _cut_off(self, completion: Completion, *, within: bool) -> Shortcoming:
        outcome = completion.outcome
        if self._overdue:
            what = "" if within else "what stands around its tests "
            return Shortcoming(message=f"{what}took longer than the {self._limit_seconds:g} s that a test may take")
        if isinstance(outcome, Returned) and not self._listed:
            return Shortcoming(message="has a function main, as a script has: a file of tests has none")
        if isinstance(outcome, Returned | Cancelled):
            return Shortcoming(message="waits for what can never come: nothing is pending any more")
        return self._places.of_end(completion)

    # ---- as the host of the run ----

    def asked(self, call: HostCall) -> None:
        """The tests ask. What they ask in a form that suite.js never has is rejected."""
        answers: dict[str, Callable[..., None]] = {
            "tests": self._tests,
            "begin": self._begin,
            "end": self._end_asked,
            "after": self._after,
            "over": self._over,
            "next": self._next,
            "answered": self._answered,
        }
        answer = answers.get(call.name)
        try:
            if "." in call.name:
                self._ask_module(call)
            elif call.name in ASKED:
                self._try(call, msgspec.convert(call.arguments[0], ASKED[call.name]))
            elif answer is None:
                call.reject(f"there is no host call {call.name}")
            else:
                answer(call, *call.arguments)
        except msgspec.ValidationError as error:
            call.reject(str(error).replace("`$.", "`"), name="TypeError")
        except (TypeError, ValueError, IndexError, KeyError) as error:
            call.reject(f"{call.name} is not asked so: {error}", name="TypeError")

    def ended(self) -> None:
        """The run is over: scripts that it tried are given up."""
        for task in list(self._tasks):
            task.cancel()

    def _ask_module(self, call: HostCall) -> None:
        if self._under_way is None:
            call.reject("each test begins with nothing kept: ask modules in a test, or in beforeEach")
        else:
            (self._desk or self._new_desk()).asked(call)

    def _new_desk(self) -> Desk:
        self._take_away_desk()
        self._desk = Desk(self._trials.configuration, self._script)
        return self._desk

    def _take_away_desk(self) -> None:
        desk, self._desk = self._desk, None
        if desk is not None:
            task = asyncio.get_running_loop().create_task(desk.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _tests(self, call: HostCall, listed: Any) -> None:
        tests = msgspec.convert(listed, list[_Listed])
        if len(tests) > TESTS:
            raise ValueError(f"a file has at most {TESTS} tests")
        if not self._listed:
            self._listed = tests
            for number, test in enumerate(tests):
                if test.todo:
                    self._ends[number] = self._test(number, TestOutcome.TODO)
                elif test.skipped or not self._wanted(" > ".join(test.names)):
                    self._ends[number] = self._test(number, TestOutcome.SKIPPED)
        call.resolve(self._left())

    def _left(self) -> list[int]:
        return [number for number in range(len(self._listed)) if number not in self._ends]

    def _begin(self, call: HostCall, number: int) -> None:
        if number not in self._left() or self._under_way is not None:
            raise ValueError(f"there is no test {number} to run")
        self._under_way = number
        self._take_away_desk()
        self._notes = []
        self._began = time.monotonic()
        self._watch()
        call.resolve()

    def _watch(self) -> None:
        """From now on what is under way, a test or what stands around tests, may take as long as a test."""
        self._silence()
        # The engine ends what is in a loop, and knows in which; this is for what waits.
        self._call_off = after(self._limit_seconds + LOOP_SECONDS, self._took_too_long)

    def _took_too_long(self) -> None:
        self._overdue = True
        self._give_up()

    def _give_up(self) -> None:
        self.ended()
        if self._running is not None:
            self._running.cancel()

    def _silence(self) -> None:
        if self._call_off is not None:
            self._call_off()
            self._call_off = None

    def _end_asked(self, call: HostCall, number: int, errors: Any) -> None:
        if number != self._under_way:
            raise ValueError(f"test {number} is not under way")
        self._watch()
        self._under_way = None
        self._take_away_desk()
        self._end(
            number, [self._places.shortcoming(one) for one in msgspec.convert(errors, list[Failed])[:SHORTCOMINGS]]
        )
        call.resolve()

    def _end(self, number: int, wrong: Sequence[Shortcoming]) -> None:
        outcome = TestOutcome.FAILED if wrong else TestOutcome.PASSED
        notes = [kept for note in self._notes if (kept := self._places.kept(note))] if wrong else []
        self._ends[number] = self._test(number, outcome, wrong, seconds=time.monotonic() - self._began, notes=notes)

    def _after(self, call: HostCall, name: str, errors: Any) -> None:
        for one in msgspec.convert(errors, list[Failed])[:SHORTCOMINGS]:
            wrong = self._places.shortcoming(one)
            self._shortcomings.append(msgspec.structs.replace(wrong, message=f"afterAll of {name!r}: {wrong.message}"))
        call.resolve()

    def _over(self, call: HostCall) -> None:
        self._told_over = True
        self._silence()
        # What goes on by itself, as by setInterval, has nothing to tell any more.
        self._call_off = after(LINGER_SECONDS, self._give_up)
        call.resolve()

    # ---- scripts that a test tries ----

    def _try(self, call: HostCall, asked: Any) -> None:
        self._count += 1
        number = self._count
        exchange = self._exchanges[number] = Exchange(number, call, lambda: self._forget(number))
        tries: dict[str, Callable[..., Awaitable[Told]]] = {
            "route": self._trials.route,
            "call": self._trials.call,
            "run": self._trials.run,
            "fixture": self._trials.fixture,
            "database": self._trials.database,
        }
        trial = tries[call.name](self._file, asked, exchange, self._desk or self._new_desk())
        task = asyncio.get_running_loop().create_task(self._tried(trial, exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _forget(self, number: int) -> None:
        self._exchanges.pop(number, None)

    async def _tried(self, trial: Awaitable[Told], exchange: Exchange) -> None:
        try:
            told = await trial
        except (RefusedError, SandboxError) as error:
            exchange.end({"refused": str(error)})
            return
        if told.note and len(self._notes) < NOTES:
            self._notes.append(told.note[:NOTE_CHARACTERS])
        exchange.end({"result": told.result})

    def _next(self, call: HostCall, run: int) -> None:
        self._exchanges[run].waits(call)

    def _answered(self, call: HostCall, run: int, number: int, succeeded: bool, value: Any) -> None:
        exchange = self._exchanges.get(run)
        if exchange is not None:
            exchange.answered(number, succeeded is True, value)
        call.resolve()

    # ---- what came of it ----

    def _test(
        self,
        number: int,
        outcome: TestOutcome,
        wrong: Sequence[Shortcoming] = (),
        *,
        seconds: float = 0.0,
        notes: Sequence[str] = (),
    ) -> TestResult:
        listed = self._listed[number]
        place = self._places.of(listed.stack)
        line, column = place.line, place.column
        # What has no place of its own, such as a test that takes too long, is told where the test begins.
        placed = [one if one.line else msgspec.structs.replace(one, line=line, column=column) for one in wrong]
        return TestResult(
            names=[sound(name) for name in listed.names],
            outcome=outcome,
            line=line,
            seconds=seconds,
            shortcomings=placed,
            notes=notes,
        )

    def result(self, seconds: float) -> FileResult:
        """All tests in the order of the file."""
        wrong = list(self._shortcomings)
        if not self._listed and not wrong:
            wrong.append(Shortcoming(message="has no tests: it('...', () => {...}) makes one"))
        return FileResult(
            file=self._file.shown,
            text=self._text,
            tests=[self._ends[number] for number in sorted(self._ends)],
            shortcomings=wrong,
            console=self._console,
            seconds=seconds,
        )
