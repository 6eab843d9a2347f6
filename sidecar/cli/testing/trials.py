"""Scripts run for a test: a call decided, or carried by the scripted phone, by the code that a daemon does it with."""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import msgspec

from sandbox.outcome import Completion
from sandbox.program import Invocation
from sidecar.catalog.compile import make_script
from sidecar.catalog.directory.sibling_files import files_beside
from sidecar.catalog.model import Script, Snapshot
from sidecar.catalog.variables import wrong_variables
from sidecar.cli.call_data import InputError, read_request, read_variables, request_of
from sidecar.cli.decision_text import decision_json, failure_text
from sidecar.cli.instant import instant
from sidecar.cli.run import assign
from sidecar.cli.testing.desk import DatabaseAsked, Desk
from sidecar.cli.testing.exchange import Exchange
from sidecar.cli.testing.faked_modules import faked_grants
from sidecar.cli.testing.found_files import FILE_BYTES, TestFile, UnreadableError
from sidecar.cli.testing.virtual_runs import DistinctRuns, VirtualRuns
from sidecar.configuration.tree import Configuration
from sidecar.decisions.deciding import Decided
from sidecar.decisions.decisions import Decisions
from sidecar.errors import SidecarError
from sidecar.header_rules import RuleViolation, header_value
from sidecar.hosts.desk_variables import DESK_APP
from sidecar.hosts.errors import HostError
from sidecar.hosts.grants import Grants
from sidecar.hosts.request import pack_input, second_argument
from sidecar.kind import MAIN, RULES, Kind
from sidecar.language.assumed_kind import assumed_kind
from sidecar.language.check import check_script
from sidecar.language.prepared import prepare
from sidecar.phone.keys import in_words, read_keys
from sidecar.phone.session import NO_STALL_SECONDS, PhoneCall, hold, phone_configuration
from sidecar.problem import Severity
from sidecar.report import report
from sidecar.runs.answers import NOT_FOUND, answer_of
from sidecar.runs.failure import failure_of
from sidecar.runs.limits import request_limits
from sidecar.runs.outcomes import FAILURES, GOOD_CALL_ENDS, OutcomeName
from sidecar.runs.pool_settings import call_pool, decision_pool, one_worker
from sidecar.runs.programs import request_programs
from sidecar.runs.runner import PoolName, Runner, ScriptRunner
from sipio.errors import MalformedMessage
from sipio.routing import Direction, RoutingRequest
from sipio.rpc.numbers import read_numbers
from sipio.sip.message import is_token

CALL_ID: Final = "scriptforge-test"
_NOT_FOUND: Final = {"status": HTTPStatus.NOT_FOUND.value, "result": None, "location": None, **NOT_FOUND}
SCRIPTS_KEPT: Final = 64
"""Texts of which it is kept what the check said: most tests of a file are of one script."""


class RefusedError(Exception):
    """What a test asked for cannot be; the message says why."""


class _Script(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    path: str
    fakes: dict[str, Any] = {}
    vars: dict[str, Any] | str = {}
    environment: dict[str, str] = {}
    kind: Kind | None = None
    now: str | None = None
    timeout_ms: int | None = None


class RouteAsked(_Script, forbid_unknown_fields=True, kw_only=True):
    """What ``script(path, settings).route(request, options)`` asks for."""

    request: dict[str, Any] | str


class CallAsked(_Script, forbid_unknown_fields=True, kw_only=True):
    """What ``script(path, settings).call(options)`` asks for."""

    keys: str | list[str] = ""
    from_: str = msgspec.field(name="from", default="442079460000")
    to: str = "100"
    headers: dict[str, str] | list[tuple[str, str]] = {}
    sounds: str | None = None


class RunAsked(_Script, forbid_unknown_fields=True, kw_only=True):
    """What ``script(path, settings).run(data, options)`` asks for."""

    data: dict[str, Any] = {}
    function: str = MAIN


class FixtureAsked(msgspec.Struct, kw_only=True):
    """What ``fixture(path)`` asks for."""

    path: str


class Told(msgspec.Struct, frozen=True):
    """What a test is told, and what there is to say of the script where the test fails."""

    result: Any
    note: str = ""


class Trials:
    """Runs scripts for tests, one after the other, in workers that stay."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = self._configuration = configuration
        settings = {
            PoolName.DECISIONS: one_worker(decision_pool(configuration)),
            PoolName.CALLS: one_worker(call_pool(configuration)),
        }
        still = {
            name: msgspec.structs.replace(sizes, stall_seconds=NO_STALL_SECONDS) for name, sizes in settings.items()
        }
        self._runner = Runner(still)
        self._started: set[PoolName] = set()
        self._turn = asyncio.Lock()

    async def pool(self, name: PoolName) -> ScriptRunner:
        """A pool, started when first wanted. Raises SandboxError where no worker comes up."""
        if name not in self._started:
            await self._runner.start(name)
            self._started.add(name)
        return self._runner.pool(name)

    async def close(self) -> None:
        """Return once every worker is gone."""
        await self._runner.close()

    async def route(self, file: TestFile, asked: RouteAsked, exchange: Exchange, desk: Desk) -> Told:
        """A call decided. Raises RefusedError, SandboxError."""
        path, text = _read(file, asked)
        kind = asked.kind or _kind(text, path.name)
        if not RULES[kind].has_assignments:
            raise RefusedError(f"route: {RULES[kind].called} decides no calls")
        grants = _grants(asked, exchange, desk)
        script = _checked(file, path, text, kind, desk.environment(asked.environment), grants)
        request = _request(file, asked.request)
        configuration = self._configuration
        assignment = assign(script, _variables(file, asked.vars), asked.timeout_ms, configuration)
        termination = request.direction is Direction.TERMINATION
        snapshot = Snapshot(
            scripts={script.id: script},
            routes={(request.customer, request.route): assignment} if termination else {},
            dids={} if termination else {request.did: assignment},
        )
        begin = _begin(asked.now)
        async with self._turn:
            pool = VirtualRuns(DistinctRuns(await self.pool(PoolName.DECISIONS)), begin)
            result: asyncio.Future[Decided] = asyncio.get_running_loop().create_future()
            decisions = Decisions(pool, configuration, snapshot, result.set_result, grants, tells_unread=True)
            with desk.running(begin):
                try:
                    pending = decisions.route(request, lambda _decision: None)
                except MalformedMessage as error:
                    raise RefusedError(str(error)) from error
                try:
                    decided = await asyncio.shield(result)
                except asyncio.CancelledError:
                    pending.cancel()
                    raise
        told = json.loads(decision_json(decided.decision, decided.failure, decided.console))
        decision = told.pop("decision")
        del decision["micros"], decision["script"]
        note = failure_text(decided.failure, {script.name: (file.shows(path), text)}) if decided.failure else ""
        note += "".join(f"{file.shows(path)} wrote: {line.text}\n" for _, line in decided.console)
        return Told({**decision, "failure": told["failure"], "console": told["console"]}, note)

    async def call(self, file: TestFile, asked: CallAsked, exchange: Exchange, desk: Desk) -> Told:
        """A call carried by the scripted phone. Raises RefusedError, SandboxError."""
        path, text = _read(file, asked)
        grants = _grants(asked, exchange, desk)
        environment = desk.environment(asked.environment)
        script = _checked(file, path, text, Kind.APP, environment, grants)
        begin = _begin(asked.now)
        keys = asked.keys if isinstance(asked.keys, str) else ",".join(asked.keys)
        try:
            phone = PhoneCall(
                script=path,
                text=text,
                prepared=script.prepared,
                from_user=asked.from_,
                to_user=asked.to,
                variables=_variables(file, asked.vars),
                headers=_headers(asked.headers),
                steps=read_keys(keys),
                now=begin,
                sounds=file.directory(asked.sounds) if asked.sounds is not None else None,
                environment=environment,
            )
        except (SidecarError, UnreadableError) as error:
            raise RefusedError(str(error).removeprefix("--")) from error
        async with self._turn, AsyncExitStack() as stack:
            recordings = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            pool = DistinctRuns(await self.pool(PoolName.CALLS))
            with desk.running(begin):
                done = await hold(phone, lambda _line: None, phone_configuration(phone, recordings), pool, grants)
        record = msgspec.to_builtins(done.record)
        note = ""
        if done.record.outcome not in GOOD_CALL_ENDS:
            place = f"{done.record.error_location}: " if done.record.error_location else ""
            note = f"{file.shows(path)}: the call's script ended by {done.record.outcome}: {place}{done.record.error}\n"
        note += "".join(f"{line}\n" for line in done.lines)
        result = {
            "outcome": done.record.outcome,
            "did": done.script_lines,
            "said": [line.text for line in done.lines if line.who == "script" and line.what == "says"],
            "played": [line.text for line in done.lines if line.who == "script" and line.what == "plays"],
            "lines": [msgspec.to_builtins(line) for line in done.lines],
            "left": [in_words(step) for step in done.left],
            "record": record,
        }
        return Told(result, note)

    async def run(self, file: TestFile, asked: RunAsked, exchange: Exchange, desk: Desk) -> Told:
        """A function run as over HTTP. Raises RefusedError, SandboxError."""
        path, text = _read(file, asked)
        kind = asked.kind or _kind(text, path.name)
        grants = _grants(asked, exchange, desk)
        script = _checked(file, path, text, kind, desk.environment(asked.environment), grants)
        if kind is Kind.WORKER:
            raise RefusedError("run: a Worker is given messages, and no test gives any")
        if asked.vars:
            raise RefusedError("run: vars are an assignment's, and a run by uuid has none")
        if asked.function not in script.entries:
            return Told({**_NOT_FOUND, "outcome": OutcomeName.SCRIPT_ERROR, "console": []})
        program = request_programs(self.configuration, grants).of(script)
        seconds = self.configuration.platform.run_seconds if asked.timeout_ms is None else asked.timeout_ms / 1000
        begin = _begin(asked.now)
        done: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        try:
            packed = pack_input(asked.data, context=second_argument(kind, CALL_ID))
        except ValueError as error:
            raise RefusedError(f"run: {error}") from error
        invocation = Invocation(
            program=program,
            entry=asked.function,
            input=packed,
            limits=request_limits(seconds, self.configuration),
            correlation_id=CALL_ID,
        )
        async with self._turn:
            pool = VirtualRuns(DistinctRuns(await self.pool(PoolName.CALLS)), begin)
            with desk.running(begin):
                running = pool.submit(invocation, done.set_result, grants.host(script, CALL_ID))
                try:
                    completion = await asyncio.shield(done)
                except asyncio.CancelledError:
                    running.cancel()
                    raise
        answer = answer_of(completion, program, 0.0)
        result = {
            "status": answer.status,
            "result": answer.value,
            "error": answer.error if answer.failed else None,
            "name": answer.name if answer.failed else None,
            "location": answer.location or None,
            "outcome": answer.outcome,
            "console": [{"level": line.level, "text": line.text} for line in completion.log],
        }
        note = ""
        if answer.outcome in FAILURES:
            failure = failure_of(completion, program)
            note = failure_text(failure, {script.name: (file.shows(path), text)})
        note += "".join(f"{file.shows(path)} wrote: {line.text}\n" for line in completion.log)
        return Told(result, note)

    async def database(self, _file: TestFile, asked: DatabaseAsked, _exchange: Exchange, desk: Desk) -> Told:
        """A database of rows made. Raises RefusedError."""
        try:
            await desk.make_database(asked)
        except HostError as error:
            raise RefusedError(f"database({asked.name!r}): {error}") from error
        return Told(None)

    async def fixture(self, file: TestFile, asked: FixtureAsked, _exchange: Exchange, _desk: Desk) -> Told:
        """What is in a file of data. Raises RefusedError."""
        try:
            path = file.data(asked.path)
            text = file.read(path)
        except UnreadableError as error:
            raise RefusedError(str(error)) from error
        try:
            if path.suffix == ".json":
                return Told(json.loads(text))
            if path.suffix == ".toml":
                return Told(read_variables(str(path)))
        except (ValueError, RecursionError, InputError) as error:
            raise RefusedError(f"{file.shows(path)}: {error}") from error
        return Told(text)


def _read(file: TestFile, asked: _Script) -> tuple[Path, str]:
    try:
        path = file.script(asked.path)
        return path, file.read(path)
    except UnreadableError as error:
        raise RefusedError(str(error)) from error


def _grants(asked: _Script, exchange: Exchange, desk: Desk) -> Grants:
    try:
        return faked_grants(asked.fakes, exchange, desk.services)
    except ValueError as error:
        raise RefusedError(str(error)) from error


def _checked(
    file: TestFile, path: Path, text: str, kind: Kind, environment: Mapping[str, str], grants: Grants
) -> Script:
    """The script, where a daemon would load it. Raises RefusedError."""
    app, siblings = files_beside(path, FILE_BYTES)
    shown, names = file.shows(path), grants.names()
    problems = (*check_script(text, kind, shown, modules=names, app=app), *siblings.problems)
    wrong = [problem for problem in problems if problem.severity is Severity.ERROR]
    if wrong:
        raise RefusedError(report(wrong, {shown: text, **siblings.shown()}).rstrip("\n"))
    return make_script(
        id=path.stem,
        name=path.name,
        kind=kind,
        text=text,
        prepared=prepare(text, kind, app, names),
        environment=environment,
        app=DESK_APP,
    )


@lru_cache(maxsize=SCRIPTS_KEPT)
def _kind(text: str, name: str) -> Kind:
    return assumed_kind(text, file=name)[0]


def _request(file: TestFile, given: dict[str, Any] | str) -> RoutingRequest:
    try:
        request = request_of(given, CALL_ID) if isinstance(given, dict) else read_request(_data(file, given), CALL_ID)
    except InputError as error:
        raise RefusedError(str(error)) from error
    except ValueError as error:
        raise RefusedError(f"route: {error}") from error
    return read_numbers(request)[0]


def _variables(file: TestFile, given: dict[str, Any] | str) -> dict[str, Any]:
    if isinstance(given, str):
        try:
            return read_variables(_data(file, given))
        except InputError as error:
            raise RefusedError(str(error)) from error
    for _, message, severity in wrong_variables(given):
        if severity is Severity.ERROR:
            raise RefusedError(message)
    return given


def _data(file: TestFile, name: str) -> str:
    try:
        path = file.data(name)
        file.read(path)
    except UnreadableError as error:
        raise RefusedError(str(error)) from error
    return str(path)


def _begin(now: str | None) -> datetime:
    if now is None:
        # The second will do, and those that begin in the same one have the same program.
        return datetime.now(UTC).replace(microsecond=0)
    try:
        return instant(now)
    except argparse.ArgumentTypeError as error:
        raise RefusedError(f"now: {now[:100]!r} {error}") from error


def _headers(given: Mapping[str, str] | list[tuple[str, str]]) -> list[tuple[str, str]]:
    headers = []
    for name, value in given.items() if isinstance(given, Mapping) else given:
        if not is_token(name):
            raise RefusedError(f"headers: {name!r} is not a SIP header name")
        try:
            headers.append((name, header_value(name, value)))
        except RuleViolation as error:
            raise RefusedError(f"headers: {error}") from error
    return headers
