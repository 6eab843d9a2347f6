"""The part of the platform that runs jobs."""

import asyncio
import os
import platform
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from sandbox.outcome import Completion, LogLine
from sandbox.pool import Pool
from sandbox.program import Invocation
from sidecar.catalog.model import Script
from sidecar.configuration.tree import Configuration
from sidecar.hosts import request
from sidecar.hosts.grants import Grants
from sidecar.hosts.job_host import JobHost
from sidecar.hosts.services import Services
from sidecar.jobs.deliveries import Deliveries
from sidecar.jobs.job_run import JobRun, step_of
from sidecar.jobs.leases import RENEWALS, Leases
from sidecar.language.prepared import no_function
from sidecar.lifecycle import PartState
from sidecar.logs.fault import Fault
from sidecar.logs.logger import ActionLogger
from sidecar.queue.errors import LeaseLost
from sidecar.queue.job import DELIVERIES, MICROS, JobError, JobState
from sidecar.queue.life import AnyStep, Fail, GiveBack, Lose, Note, Renew, number_of
from sidecar.queue.looking import Depth
from sidecar.queue.queue import JobQueue, StorageError
from sidecar.queue.store import TIDIED
from sidecar.queue.taking import Limits, Taken
from sidecar.runs.answers import Answer, answer_of
from sidecar.runs.limits import job_limits
from sidecar.runs.outcomes import FAILURES, OutcomeName
from sidecar.runs.programs import Programs, job_programs
from sidecar.runs.runner import PoolName, Runner
from sidecar.runs.script_counts import ScriptCounts

_log = ActionLogger(__name__)

COUNT_SECONDS: Final = 15.0
"""Between two counts of the whole queue, each of which may walk through a million entries of an index."""
LOOK_SECONDS: Final = 1.0
"""So often it is asked whether what is under way is ours still: a job may be discarded by whoever is asked to."""

FindScript = Callable[[str], Script | None]


class Watched(Protocol):
    """A run whose lines are kept as they come."""

    def end(self, lines: Sequence[LogLine], answer: Answer, /) -> None:
        """It is over, and these are all that it has written."""


Watch = Callable[[Script, str, str, Callable[[], Sequence[LogLine]]], Watched]
"""Keeps what a run writes: its script, its id, its function, and what gives all its lines so far."""


class JobService:
    """Takes jobs and runs them. Without workers of its own it takes none."""

    name = "jobs"

    def __init__(
        self,
        configuration: Configuration,
        runner: Runner,
        grants: Grants,
        services: Services,
        find: FindScript,
        look: Callable[[], Awaitable[None]],
        watch: Watch,
    ) -> None:
        """``find`` gives a script by its id, and ``look`` has it know the newest ones. ``watch`` keeps what each run
        writes."""
        section = configuration.jobs
        self._section = section
        self._runner = runner
        self._grants = grants
        self._services = services
        self._find = find
        self._look = look
        self._watch = watch
        self.drain_seconds = section.drain_seconds
        self._programs: Programs = job_programs(configuration, grants)
        self._limits = job_limits(configuration)
        self._leases: Leases[JobRun] = Leases(section.lease_seconds)
        self._under_way = self._leases.under_way
        self._refusing = False
        self._fault = Fault(_log, "jobs_not_taken", "jobs_taken_again")
        self.owner = f"{platform.node()}:{os.getpid()}"
        self.outcomes: Counter[OutcomeName] = Counter()
        """Of attempts."""
        self.ends: Counter[JobState] = Counter()
        """What has become of jobs at the end of an attempt here: waiting and delayed ones are tried again."""
        self._deliveries = Deliveries(configuration)
        self.webhook_events = self._deliveries.outcomes
        self.depth = Depth()
        self.by_script = ScriptCounts(configuration.metrics.scripts)

    @property
    def lost(self) -> int:
        """Attempts whose job was somebody else's before they were over."""
        return self._leases.lost

    @property
    def under_way(self) -> int:
        """Jobs that are this process's."""
        return len(self._under_way)

    def use(self, scripts: Mapping[str, Script]) -> None:
        """Forget the programs of all but these."""
        self._programs.retain(scripts.values())

    def program_keys(self) -> set[str]:
        """Of the runs under way."""
        return {run.program_key for run in self._under_way if run.program_key}

    # ---- its life ----

    async def start(self) -> None:
        """Start the workers, and begin to take jobs. Raises SandboxError or OSError where they do not come up."""
        if not self._section.job_workers:
            return
        await self._runner.start(PoolName.JOBS)
        queue = await self._services.jobs()
        for work in (self._take_all(queue), self._renew_all(queue), self._look_all(queue), self._count_all(queue)):
            self._leases.run(work)

    def refuse_calls(self) -> None:
        """Nothing: no call comes here."""

    def stop_accepting(self) -> None:
        """Take no more jobs."""
        self._refusing = True

    async def drain(self) -> None:
        """Wait for those under way, as long as they may take; then give them back."""
        await self._leases.drain(self.drain_seconds, "jobs_left")

    def cancel_rest(self) -> None:
        """End what is under way; it is given back."""
        self._under_way.cancel_rest()

    async def close(self) -> None:
        """Give back what is under way still, where the database can be asked at once. Else its leases end by
        themselves."""
        await self._leases.close()
        await self._deliveries.close()

    def state(self) -> PartState:
        """Whether there is a worker, and a database to take jobs from."""
        state = self._runner.states().get(PoolName.JOBS)
        fault = self._fault.text
        if self._section.job_workers and (state is None or not state.fast):
            fault = "no worker for jobs"
        return PartState(fault=fault, details={"jobs": len(self._under_way)})

    # ---- taking ----

    async def _take_all(self, queue: JobQueue) -> None:
        section = self._section
        lease = int(section.lease_seconds * MICROS)
        limits = Limits(tenant=self._room_of, script=section.script_at_once or None)
        taking = queue.taking(self.owner, limits)
        tidied = 0.0
        while True:
            queue.added.clear()
            taken: Sequence[Taken] = ()
            try:
                if time.monotonic() - tidied >= section.poll_seconds:
                    tidied = time.monotonic()
                    if await queue.tidy(lease) >= TIDIED:
                        tidied = 0.0  # there is more
                room = section.at_once - len(self._under_way)
                if room > 0 and not self._refusing:
                    taken = await taking.take(room, lease)
                self._fault.found("")
            except StorageError as error:
                self._fault.found(str(error))
            except Exception:  # noqa: BLE001 - logged: the next look may go well
                self._fault.crashed("jobs cannot be taken, see the log")
            for one in taken:
                run = self._under_way.begin(one.job.id, JobRun(one.job))
                try:
                    await self._begin(queue, run, one.data)
                except Exception:  # noqa: BLE001 - logged: it is tried again, and not for ever
                    _log.exception("job_not_begun", job=one.job.id)
                    self._settle(queue, run, Lose(one.job.id, one.job.lease))
            if not taken:
                try:
                    async with asyncio.timeout(section.poll_seconds):
                        await queue.added.wait()
                except TimeoutError:
                    continue

    def _room_of(self, tenant: str) -> int | None:
        usage = self._services.usage
        return usage.limits_of(tenant).jobs_at_once if usage.allowance(tenant).has_room else 0

    async def _begin(self, queue: JobQueue, run: JobRun, data: str) -> None:
        """Run it, or say why it is not."""
        job = run.job
        if self._refusing:
            self._settle(queue, run, GiveBack(job.id, job.lease))
            return
        if job.queue == DELIVERIES:
            run.run = self._deliveries.begin(queue, job, data, lambda step: self._settle(queue, run, step))
            return
        script = self._find(job.script)
        if script is None or script.tenant != job.tenant or job.function not in script.entries:
            # It may have been saved just now, by another process.
            await self._look()
            script = self._find(job.script)
        if run.is_lost:
            self._settle(queue, run, GiveBack(job.id, job.lease))
            return
        if script is None or script.tenant != job.tenant:
            self._settle(queue, run, _never(run, f"there is no script {job.script!r}"))
            return
        if job.function not in script.entries:
            self._settle(queue, run, _never(run, no_function(job.function, script.entries)))
            return
        number = number_of(job)
        try:
            packed = request.pack_input(
                msgspec.json.decode(data),
                context=request.second_argument(script.kind, job.id, number),
                environment={"JOB_ID": job.id, "JOB_ATTEMPT": str(number)},
            )
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
            self._settle(queue, run, _never(run, f"its data is nothing that a script can be given: {error}"))
            return
        used = self._grants.used(script)
        if used.allowance.begin() is not None:
            self._settle(queue, run, GiveBack(job.id, job.lease))
            return
        program = self._programs.of(script)

        async def keep(data: str | None, progress: str | None) -> None:
            await queue.step(Note(job.id, job.lease, data, progress))

        rest = self._grants.host(script, job.id) if program.modules else None
        run.script, run.program_key = script, program.key
        host = run.host = JobHost(rest, used.allowance, keep)
        invocation = Invocation(
            program=program,
            entry=job.function,
            input=packed,
            limits=self._limits,
            customer=job.tenant,
            correlation_id=job.id,
        )

        watched = self._watch(script, job.id, job.function, lambda: run.lines)

        def completed(completion: Completion) -> None:
            answer = answer_of(completion, program, time.monotonic() - run.began)
            watched.end(completion.log, answer)
            self._ended(script, run, answer, completion)
            self._settle(queue, run, step_of(job, answer, outage=host.had_outage))

        run.run = self._pool.submit(invocation, completed, host)

    @property
    def _pool(self) -> Pool:
        return self._runner.pool(PoolName.JOBS)

    def _ended(self, script: Script, run: JobRun, answer: Answer, completion: Completion) -> None:
        """Count what a run has used, and tell of it."""
        job = run.job
        self.outcomes[answer.outcome] += 1
        used = self._grants.used(script)
        used.allowance.ended()
        count = self.by_script.of(script.id)
        if answer.outcome is not OutcomeName.REFUSED:
            count.runs += 1
            count.micros += completion.run_micros
            used.run(completion.busy_micros)
        failed = answer.failed and answer.outcome is not OutcomeName.CANCELLED
        if answer.outcome in FAILURES:
            count.failures += 1
        (_log.warning if failed else _log.info)(
            "job_run",
            job=job.id,
            script=script.id,
            version=script.version,
            tenant=job.tenant,
            function=job.function,
            attempt=number_of(job),
            attempts=job.attempts,
            outcome=answer.outcome.value,
            took_ms=answer.took_ms,
            run_ms=answer.run_ms,
            **({"error": answer.message, "location": answer.location} if failed else {}),
        )

    # ---- what is said to the queue ----

    def _settle(self, queue: JobQueue, run: JobRun, step: AnyStep) -> None:
        self._leases.say(self._settled(queue, run, step))

    async def _settled(self, queue: JobQueue, run: JobRun, step: AnyStep) -> None:
        """Have the queue know what came of an attempt, however long its database is away: while nobody has taken the
        job, its lease is still ours."""
        try:
            if run.host is not None:
                await run.host.kept()
            job = await self._leases.told(run, lambda: queue.step(step))
            self.ends[job.state] += 1
        except LeaseLost:
            _log.warning("job_lost", job=run.job.id, tenant=run.job.tenant, script=run.job.script)
        except StorageError as error:
            _log.error("job_not_settled", job=run.job.id, error=str(error))
        finally:
            self._leases.over(run)
            # There is room for another one.
            queue.added.set()

    async def _renew_all(self, queue: JobQueue) -> None:
        """Keep the leases of what is under way; what is lost is ended, since its end would count for nothing."""
        lease = self._section.lease_seconds
        micros = int(lease * MICROS)
        while True:
            await asyncio.sleep(lease / RENEWALS)
            try:
                await asyncio.gather(*(self._renew(queue, run, micros) for run in self._under_way))
            except Exception:  # noqa: BLE001 - logged: the next renewal may go well
                _log.exception("leases_not_renewed")

    async def _renew(self, queue: JobQueue, run: JobRun, micros: int) -> None:
        await self._leases.renew(run, lambda: queue.step(Renew(run.job.id, run.job.lease, micros)))

    async def _look_all(self, queue: JobQueue) -> None:
        """End what somebody has discarded, long before its lease would have to be renewed."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            runs = {run.job.id: run for run in self._under_way}
            if not runs:
                continue
            try:
                lost = await queue.looking.lost({run.job.id: run.job.lease for run in runs.values()})
            except StorageError:
                continue  # which is told where leases are renewed
            for job_id in lost:
                # Its end may have been told meanwhile.
                if self._under_way.has(job_id, runs[job_id]):
                    runs[job_id].lose()

    async def _count_all(self, queue: JobQueue) -> None:
        while True:
            try:
                self.depth = await queue.looking.depth()
            except StorageError as error:
                _log.warning("jobs_not_counted", error=str(error))
            await asyncio.sleep(COUNT_SECONDS)


def _never(run: JobRun, why: str) -> Fail:
    """A failure that another attempt would only have again."""
    return Fail(run.job.id, run.job.lease, JobError(why), final=True)
