"""Runs over HTTP: their workers, who may run how many, and those under way."""

import asyncio
import math
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sandbox.host import Host
from sandbox.outcome import Completion, LogLine
from sandbox.pool import Pool
from sandbox.program import Invocation, Limits, Program
from sandbox.run import Run
from sidecar.catalog.model import Script
from sidecar.configuration.tree import Configuration
from sidecar.hosts import request
from sidecar.hosts.grants import Grants
from sidecar.hosts.web_socket import WebSocketHost
from sidecar.http.rates import too_many
from sidecar.http.script_log import ScriptLog, WatchedRun
from sidecar.kind import Kind
from sidecar.lifecycle import PartState
from sidecar.logs.logger import ActionLogger
from sidecar.runs.answers import Answer, answer_of
from sidecar.runs.limits import driver_limits, request_limits
from sidecar.runs.outcomes import FAILURES, OutcomeName
from sidecar.runs.programs import Programs, request_programs
from sidecar.runs.runner import PoolName, Runner
from sidecar.runs.script_counts import ScriptCounts
from sidecar.runs.under_way import UnderWay

_log = ActionLogger(__name__)

CANCEL_SECONDS: Final = 0.5
"""What runs that were ended have to be answered."""


class NoSuchFunction(Exception):
    """A script has no such function for callers."""


class BadData(Exception):
    """What came is nothing that a script can be given."""


class ScriptRun:
    """One run under way, or over."""

    def __init__(
        self, service: "RunService", script: Script, program: Program, entry: str, source: str, run_id: str
    ) -> None:
        self.id = run_id
        self.script = script
        self.entry = entry
        self.source = source
        self.began = time.time()
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        """What came of it."""
        self._service = service
        self._program = program
        self._monotonic = time.monotonic()
        self._run: Run | None = None
        self._cancelled = False
        self._lines: tuple[LogLine, ...] | None = None

    @property
    def lines(self) -> Sequence[LogLine]:
        """What it has written to its console so far, as of its last turn."""
        if self._lines is not None:
            return self._lines
        return self._run.log if self._run is not None else ()

    def begin(self, invocation: Invocation, host: Host | None) -> None:
        """Start it. To be called once."""
        run = self._service.pool.submit(invocation, self._completed, host)
        if self._lines is None:
            self._run = run
            if self._cancelled:
                run.cancel()

    def cancel(self) -> None:
        """Give it up, if it is not over: nobody is there for its answer."""
        self._cancelled = True
        if self._run is not None:
            self._run.cancel()

    def _completed(self, completion: Completion) -> None:
        self._run = None
        self._lines = completion.log
        answer = answer_of(completion, self._program, time.monotonic() - self._monotonic)
        self._service.ended(self, answer, completion)
        if not self.answer.done():
            self.answer.set_result(answer)


class RunService:
    """The part of the platform that runs scripts."""

    name = "runs"

    def __init__(
        self,
        configuration: Configuration,
        runner: Runner,
        grants: Grants,
        log: ScriptLog,
    ) -> None:
        platform = configuration.platform
        self._configuration = configuration
        self._runner = runner
        self._grants = grants
        self._log = log
        self.drain_seconds = platform.drain_seconds
        self._programs: Programs = request_programs(configuration, grants)
        self._limits = request_limits(platform.run_seconds, configuration)
        self._driver_limits = driver_limits(configuration)
        self._socket_limits = request_limits(platform.socket_seconds, configuration)
        self._under_way: UnderWay[ScriptRun] = UnderWay(CANCEL_SECONDS)
        self._watched: dict[str, WatchedRun] = {}
        """What those under way write, by their ids."""
        self._refusing = False
        self.outcomes: Counter[OutcomeName] = Counter()
        self.by_script = ScriptCounts(configuration.metrics.scripts)

    @property
    def pool(self) -> Pool:
        """The workers."""
        return self._runner.pool(PoolName.REQUESTS)

    def use(self, scripts: Mapping[str, Script]) -> None:
        """Forget the programs of all but these."""
        self._programs.retain(scripts.values())

    def program_keys(self) -> set[str]:
        """Of the runs under way."""
        return {run._program.key for run in self._under_way}

    def begin(
        self,
        script: Script,
        entry: str,
        data: Any,
        source: str,
        *,
        socket: bool = False,
    ) -> tuple[ScriptRun, WebSocketHost | None]:
        """Run a function of a script, if need be beside a web socket.

        Raises NoSuchFunction, BadData, ApiError where the tenant has as many as it may.
        """
        if entry not in script.entries:
            raise NoSuchFunction
        if self._refusing:
            raise too_many("the platform is stopping")
        run_id = uuid.uuid4().hex
        tenant = script.tenant
        try:
            packed = request.pack_input(data, context=request.second_argument(script.kind, run_id), socket=socket)
        except (TypeError, ValueError, RecursionError) as error:
            raise BadData(str(error)) from None
        program = self._programs.of(script)
        over = self._grants.used(script).allowance.begin()
        if over is not None:
            raise too_many(over.why, math.ceil(over.seconds))
        run = ScriptRun(self, script, program, entry, source, run_id)
        host: Host | None = self._grants.host(script, run.id) if program.modules else None
        web_socket = WebSocketHost(host) if socket else None
        invocation = Invocation(
            program=program,
            entry=entry,
            input=packed,
            limits=self._limits_of(script, socket=socket),
            customer=tenant,
            correlation_id=run.id,
        )
        self._under_way.begin(run.id, run)
        self._watched[run.id] = self._log.watch(script, run.id, entry, lambda: run.lines)
        run.begin(invocation, web_socket if web_socket is not None else host)
        return run, web_socket

    def _limits_of(self, script: Script, *, socket: bool) -> Limits:
        if socket:
            return self._socket_limits
        return self._driver_limits if script.kind is Kind.DRIVER else self._limits

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._under_way

    def find(self, run_id: str, tenant: str) -> ScriptRun | None:
        """A tenant's run under way."""
        run = self._under_way.get(run_id)
        return run if run is not None and run.script.tenant == tenant else None

    def under_way(self, tenant: str) -> list[ScriptRun]:
        """A tenant's runs under way, the oldest first."""
        return [run for run in self._under_way if run.script.tenant == tenant]

    def ended(self, run: ScriptRun, answer: Answer, completion: Completion) -> None:
        """A run is over."""
        self._under_way.end(run.id, run)
        tenant = run.script.tenant
        self.outcomes[answer.outcome] += 1
        count = self.by_script.of(run.script.id)
        used = self._grants.used(run.script)
        used.allowance.ended()
        if answer.outcome is not OutcomeName.REFUSED:
            count.runs += 1
            count.micros += completion.run_micros
            used.run(completion.busy_micros)
        failed = answer.outcome in FAILURES
        if failed:
            count.failures += 1
        self._watched.pop(run.id).end(completion.log, answer)
        (_log.warning if failed else _log.info)(
            "run",
            run=run.id,
            script=run.script.id,
            version=run.script.version,
            tenant=tenant,
            function=run.entry,
            outcome=answer.outcome.value,
            status=answer.status,
            took_ms=answer.took_ms,
            run_ms=answer.run_ms,
            source=run.source,
            **({"error": answer.message, "location": answer.location} if failed else {}),
        )

    # ---- its life ----

    async def start(self) -> None:
        """Start the workers. Raises SandboxError or OSError where they do not come up."""
        await self._runner.start(PoolName.REQUESTS)

    def refuse_calls(self) -> None:
        """Nothing: no call comes here."""

    def stop_accepting(self) -> None:
        """Begin no more runs."""
        self._refusing = True

    async def drain(self) -> None:
        """Wait for those under way, as long as they may take; then end them."""
        if not await self._under_way.drain(self.drain_seconds):
            _log.warning("runs_left", number=len(self._under_way))

    def cancel_rest(self) -> None:
        """End what is under way."""
        self._under_way.cancel_rest()

    async def close(self) -> None:
        """Nothing is held: the workers are the runner's."""

    def state(self) -> PartState:
        """Whether there is a worker."""
        state = self._runner.states().get(PoolName.REQUESTS)
        fault = "" if state is not None and state.fast else "no worker for runs"
        return PartState(fault=fault, details={"runs": len(self._under_way)})
