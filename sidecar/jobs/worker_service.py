"""The part of the platform in which Workers live: each in one process of all, with one message at a time."""

import asyncio
import os
import platform
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec

from sandbox.host import HostCall
from sandbox.outcome import Completion, LogLine
from sandbox.program import Invocation
from sidecar.catalog.model import Script
from sidecar.configuration.tree import Configuration
from sidecar.hosts.grants import Grants
from sidecar.hosts.services import Services
from sidecar.hosts.worker_host import WorkerHost
from sidecar.jobs.worker_session import WorkerSession
from sidecar.kind import MAIN, Kind
from sidecar.lifecycle import PartState
from sidecar.logs.logger import ActionLogger
from sidecar.queue.errors import LeaseLost
from sidecar.queue.job import MICROS, JobError
from sidecar.queue.mailboxes import Given, Held, MailboxDepth, Mailboxes
from sidecar.queue.message import Message, MessageState
from sidecar.queue.queue import JobQueue, StorageError
from sidecar.runs.answers import Answer, answer_of
from sidecar.runs.limits import WORKER_CPU_SECONDS, worker_limits
from sidecar.runs.outcomes import OutcomeName
from sidecar.runs.programs import Programs, key_of, worker_programs
from sidecar.runs.runner import PoolName, Runner
from sidecar.script_name import script_called

_log = ActionLogger(__name__)

CANCEL_SECONDS: Final = 1.0
"""What Workers that were ended have to be given back."""
AGAIN_SECONDS: Final = 0.5
"""After which a database that could not be asked is asked again."""
COUNT_SECONDS: Final = 15.0
TICK_SECONDS: Final = 0.5
"""How often it is looked at what each Worker does."""
RENEWALS: Final = 3
"""In the time of one lease: two may fail."""
LONGEST_WAIT_SECONDS: Final = 1.0
"""Of a message whose tenant is past a limit, before it is looked whether there is room."""

FindScript = Callable[[str], Script | None]
Told = Callable[[Script, str, str, Sequence[LogLine], Answer], None]


class WorkerService:
    """Takes mailboxes and runs their Workers. Without workers of its own it takes none."""

    name = "workers"

    def __init__(
        self,
        configuration: Configuration,
        runner: Runner,
        grants: Grants,
        services: Services,
        find: FindScript,
        look: Callable[[], Awaitable[None]],
        told: Told,
    ) -> None:
        """As of `sidecar.jobs.service.JobService`, whose workers these run in."""
        self._section = configuration.mailboxes
        self._is_on = configuration.jobs.job_workers > 0
        self._cpu_seconds = configuration.sandbox.cpu_ms / 1000
        self._runner = runner
        self._grants = grants
        self._services = services
        self._find = find
        self._look = look
        self._told = told
        self.drain_seconds = self._section.drain_seconds
        self._programs: Programs = worker_programs(configuration, grants)
        self._limits = worker_limits(configuration)
        self._sessions: dict[str, WorkerSession] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._works: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._refusing = False
        self._closing = False
        self._fault = ""
        self.owner = f"{platform.node()}:{os.getpid()}"
        self.outcomes: Counter[OutcomeName] = Counter()
        """Of messages."""
        self.dead = 0
        """Messages that became dead letters here."""
        self.begun = 0
        """Workers begun."""
        self.lost = 0
        """Workers whose mailbox was another process's before they were over."""
        self.depth = MailboxDepth()

    @property
    def alive(self) -> int:
        """Workers of this process."""
        return len(self._sessions)

    def use(self, scripts: Mapping[str, Script]) -> None:
        """Forget the programs of all but these; a Worker whose script has changed ends once it is done with what it is
        at, and begins anew."""
        self._programs.retain(scripts.values())
        for session in self._sessions.values():
            script = scripts.get(session.held.script)
            if session.program_key and (script is None or key_of(script) != session.program_key):
                session.end()

    def program_keys(self) -> set[str]:
        """Of the Workers that live here."""
        return {session.program_key for session in self._sessions.values() if session.program_key}

    # ---- its life ----

    async def start(self) -> None:
        """Begin to take mailboxes. The workers are there: jobs are started before."""
        if not self._is_on:
            return
        queue = await self._services.jobs()
        loop = asyncio.get_running_loop()
        works = (self._take_all(queue), self._watch_all(queue.mailboxes), self._count_all(queue.mailboxes))
        self._tasks = [loop.create_task(work) for work in works]

    def refuse_calls(self) -> None:
        """Nothing: no call comes here."""

    def stop_accepting(self) -> None:
        """Take no more mailboxes, and have each Worker end once it is done with what it is at."""
        self._refusing = True
        for session in self._sessions.values():
            session.end()

    async def drain(self) -> None:
        """Wait for them as long as they may take; then give back what they are at."""
        try:
            async with asyncio.timeout(max(0.0, self.drain_seconds - CANCEL_SECONDS)):
                await self._idle.wait()
        except TimeoutError:
            self.cancel_rest()
            try:
                async with asyncio.timeout(CANCEL_SECONDS):
                    await self._idle.wait()
            except TimeoutError:
                _log.warning("workers_left", workers=len(self._sessions))

    def cancel_rest(self) -> None:
        """End what lives; the messages that they are at are given back."""
        for session in list(self._sessions.values()):
            session.cancel()

    async def close(self) -> None:
        """Let go of what is held still, where the database can be asked at once. Else its leases end by themselves."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._works:
            await asyncio.wait(self._works, timeout=CANCEL_SECONDS)
        for task in list(self._works):
            task.cancel()

    def state(self) -> PartState:
        """Whether there is a database to take mailboxes from."""
        return PartState(fault=self._fault, details={"workers": len(self._sessions)})

    # ---- taking ----

    async def _take_all(self, queue: JobQueue) -> None:
        section, mailboxes = self._section, queue.mailboxes
        while True:
            queue.sent.clear()
            held: Sequence[Held] = ()
            try:
                waiting = [name for name, session in self._sessions.items() if session.message is None]
                for name in await mailboxes.ready(waiting) if waiting else ():
                    if name in self._sessions:
                        self._sessions[name].wake.set()
                room = section.at_once - len(self._sessions)
                if room > 0 and not self._refusing:
                    held = await mailboxes.take(self.owner, room, int(section.lease_seconds * MICROS))
                self._found("")
            except StorageError as error:
                self._found(str(error))
            except Exception:  # noqa: BLE001 - logged: the next look may go well
                _log.exception("mailboxes_not_taken")
                self._fault = "mailboxes cannot be taken, see the log"
            for one in held:
                session = self._sessions[one.script] = WorkerSession(one)
                self._idle.clear()
                self._work(self._begun(mailboxes, session))
            if not held:
                try:
                    async with asyncio.timeout(section.poll_seconds):
                        await queue.sent.wait()
                except TimeoutError:
                    continue

    def _found(self, fault: str) -> None:
        if bool(fault) != bool(self._fault):
            if fault:
                _log.error("mailboxes_not_taken", error=fault)
            else:
                _log.info("mailboxes_taken_again")
        self._fault = fault[:300]

    def _work(self, work: Awaitable[None]) -> None:
        async def done() -> None:
            await work

        task = asyncio.get_running_loop().create_task(done())
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    async def _begun(self, mailboxes: Mailboxes, session: WorkerSession) -> None:
        """Begin a Worker, or say why there is none."""
        try:
            await self._begin(mailboxes, session)
        except Exception:  # noqa: BLE001 - logged: it is tried again, and not for ever
            _log.exception("worker_not_begun", script=session.held.script)
            await self._over(session, lambda: mailboxes.lose(session.held))

    async def _begin(self, mailboxes: Mailboxes, session: WorkerSession) -> None:
        held = session.held
        script = self._find(held.script)
        if script is None or script.tenant != held.tenant or script.kind is not Kind.WORKER:
            # It may have been saved just now, by another process.
            await self._look()
            script = self._find(held.script)
        why = ""
        if script is None or script.tenant != held.tenant:
            why = f"there is no script {held.script!r}"
        elif script.kind is not Kind.WORKER:
            why = f"the script {script_called(script.id, script.name)} is no Worker any more"
        elif MAIN not in script.entries:
            why = f"the Worker {script_called(script.id, script.name)} has no main"
        if why or script is None:
            given = await self._asked(mailboxes, session, None)
            session.message = given.message if given is not None else None
            error = JobError(why)
            await self._over(session, lambda: mailboxes.fail(held, error, 1, final=True))
            return
        program = self._programs.of(script)
        session.script, session.program_key = script, program.key
        session.began_cpu = WORKER_CPU_SECONDS
        rest = self._grants.host(script, f"worker:{held.script}")

        def asks(call: HostCall, done: str | None) -> None:
            self._work(self._give(mailboxes, session, call, done))

        def completed(completion: Completion) -> None:
            took = time.monotonic() - session.began
            self._work(self._ended(mailboxes, session, answer_of(completion, program, took), completion.log))

        invocation = Invocation(
            program=program,
            entry=MAIN,
            input=EMPTY,
            limits=self._limits,
            customer=held.tenant,
            correlation_id=f"worker:{held.script}",
        )
        self.begun += 1
        session.run = self._runner.pool(PoolName.JOBS).submit(invocation, completed, WorkerHost(rest, asks))

    # ---- messages ----

    async def _give(self, mailboxes: Mailboxes, session: WorkerSession, call: HostCall, done: str | None) -> None:
        """Answer a Worker that asks for a message."""
        script = session.script
        assert script is not None  # noqa: S101 - it runs
        if session.message is not None:
            if done != session.message.id:
                session.cancel()  # no Worker of ours says that
                return
            self._done(session)
        try:
            given = await self._next(mailboxes, session, done)
            if given is None or given.message is None:
                call.resolve(None)
                return
            if session.is_over:
                # It ended while it was asked; the message is given back with its mailbox.
                self._grants.used(script).allowance.ended()
                return
            session.at(given.message)
            data = msgspec.json.decode(given.data)
            call.resolve({"id": given.message.id, "attempt": given.message.attempt_number, "data": data})
        except Exception:  # noqa: BLE001 - logged: the Worker ends, and its message is given again, not for ever
            _log.exception("message_not_given", script=session.held.script)
            session.cancel("the message cannot be given")

    async def _next(self, mailboxes: Mailboxes, session: WorkerSession, done: str | None) -> Given | None:
        """The next message once there is one; None where the Worker is to end."""
        script = session.script
        assert script is not None  # noqa: S101 - it runs
        allowance = self._grants.used(script).allowance
        while not session.is_lost:
            session.wake.clear()
            if session.is_ending:
                # What came after is nobody's again, once it is said that this one is done.
                if done is not None:
                    await self._asked(mailboxes, session, done, only_done=True)
                return None
            over = allowance.begin()
            if over is not None:
                await self._pause(session, min(over.seconds, LONGEST_WAIT_SECONDS))
                continue
            given = await self._asked(mailboxes, session, done)
            if given is None:
                allowance.ended()
                return None
            if given.message is not None:
                return given
            allowance.ended()
            done = None
            await self._pause(session, None if given.due is None else max(0, given.due) / MICROS)
        return None

    async def _pause(self, session: WorkerSession, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await session.wake.wait()
        except TimeoutError:
            return

    async def _asked(
        self, mailboxes: Mailboxes, session: WorkerSession, done: str | None, *, only_done: bool = False
    ) -> Given | None:
        """Ask a mailbox, however long its database is away: as long as nobody has taken it, it is ours. None for one
        that is lost."""
        while not session.is_lost:
            try:
                return await mailboxes.next(session.held, done, only_done=only_done)
            except LeaseLost:
                self._lose(session)
            except StorageError as error:
                if self._closing:
                    _log.error("mailbox_not_asked", script=session.held.script, error=str(error))
                    return None
                await asyncio.sleep(AGAIN_SECONDS)
        return None

    def _done(self, session: WorkerSession) -> None:
        """A Worker has come to the end of a message."""
        script, message, run = session.script, session.message, session.run
        assert script is not None and message is not None and run is not None  # noqa: S101, PT018 - it was at it
        lines = tuple(run.log)
        run.forget_lines()
        took = round((time.monotonic() - session.began) * 1000, 3)
        cpu = session.used_cpu()
        answer = Answer(status=200, outcome=OutcomeName.RETURNED, took_ms=took, run_ms=cpu * 1000)
        self._count(session, script, message, answer, lines, cpu)
        session.at(None)

    def _count(
        self,
        session: WorkerSession,
        script: Script,
        message: Message,
        answer: Answer,
        lines: Sequence[LogLine],
        cpu_seconds: float,
    ) -> None:
        self.outcomes[answer.outcome] += 1
        used = self._grants.used(script)
        used.allowance.ended()
        used.run(int(cpu_seconds * 1e6))
        failed = answer.failed and answer.outcome is not OutcomeName.CANCELLED
        self._told(script, message.id, MAIN, lines, answer)
        (_log.warning if failed else _log.info)(
            "message_done",
            message=message.id,
            script=script.id,
            version=script.version,
            tenant=script.tenant,
            attempt=message.attempt_number,
            lease=session.held.lease,
            outcome=answer.outcome.value,
            took_ms=answer.took_ms,
            run_ms=answer.run_ms,
            **({"error": answer.message, "location": answer.location} if failed else {}),
        )

    # ---- the end of a Worker ----

    async def _ended(
        self, mailboxes: Mailboxes, session: WorkerSession, answer: Answer, lines: Sequence[LogLine]
    ) -> None:
        """A Worker's run is over: say what became of the message that it was at, and let go of its mailbox."""
        session.is_over = True
        held, message, script = session.held, session.message, session.script
        assert script is not None  # noqa: S101 - it ran
        if message is None:
            await self._over(session, lambda: mailboxes.release(held))
            return
        if session.overdue:
            answer = msgspec.structs.replace(
                answer, outcome=OutcomeName.TIMED_OUT, status=504, error=session.overdue, name="TimeoutError",
                message=session.overdue,
            )  # fmt: skip
        self._count(session, script, message, answer, lines, session.used_cpu())
        if answer.outcome is OutcomeName.RETURNED:
            # By exit(): the message is done, and the Worker begins anew with the next one.
            await self._asked(mailboxes, session, message.id, only_done=True)
            step: Callable[[], Awaitable[Message | None]] = lambda: mailboxes.release(held)  # noqa: E731
        elif answer.outcome is OutcomeName.CRASHED:
            step = lambda: mailboxes.lose(held)  # noqa: E731
        elif answer.outcome in (OutcomeName.REFUSED, OutcomeName.CANCELLED):
            step = lambda: mailboxes.release(held)  # noqa: E731
        else:
            error = JobError(answer.error or answer.message, answer.name or "Error")
            step = lambda: mailboxes.fail(held, error, self._section.attempts)  # noqa: E731
        await self._over(session, step)

    async def _over(self, session: WorkerSession, step: Callable[[], Awaitable[Message | None]]) -> None:
        """Let go of a mailbox, however long its database is away."""
        held = session.held
        try:
            while not session.is_lost:
                try:
                    after = await step()
                except LeaseLost:
                    break
                except StorageError as error:
                    if self._closing:
                        _log.error("mailbox_not_let_go", script=held.script, error=str(error))
                        return
                    await asyncio.sleep(AGAIN_SECONDS)
                else:
                    if after is not None and after.state is MessageState.DEAD:
                        self.dead += 1
                        why = after.error.message if after.error is not None else ""
                        _log.warning(
                            "message_dead", message=after.id, script=held.script, tenant=held.tenant, error=why
                        )
                    return
            self.lost += 1
            _log.warning("mailbox_lost", script=held.script, tenant=held.tenant)
        finally:
            if self._sessions.get(held.script) is session:
                del self._sessions[held.script]
            if not self._sessions:
                self._idle.set()

    def _lose(self, session: WorkerSession) -> None:
        session.is_lost = True
        session.cancel()

    # ---- what each does ----

    async def _watch_all(self, mailboxes: Mailboxes) -> None:
        """Keep leases, and end what takes too long or has nothing to do."""
        section = self._section
        while True:
            await asyncio.sleep(min(TICK_SECONDS, section.lease_seconds / RENEWALS))
            now = time.monotonic()
            due = []
            for session in list(self._sessions.values()):
                if now - session.renewed >= section.lease_seconds / RENEWALS:
                    due.append(session)
                if session.message is None:
                    if now - session.began >= section.idle_seconds:
                        session.end()
                elif now - session.began >= section.message_seconds:
                    session.cancel("Script Timeout")
                elif session.used_cpu() >= self._cpu_seconds:
                    session.cancel("the processor time of one message is used up")
            try:
                await asyncio.gather(*(self._renew(mailboxes, session) for session in due))
            except Exception:  # noqa: BLE001 - logged: the next renewal may go well
                _log.exception("mailboxes_not_renewed")

    async def _renew(self, mailboxes: Mailboxes, session: WorkerSession) -> None:
        asked, lease = time.monotonic(), self._section.lease_seconds
        try:
            await mailboxes.renew(session.held, int(lease * MICROS))
        except LeaseLost:
            # It may have been let go of meanwhile.
            if self._sessions.get(session.held.script) is session:
                self._lose(session)
        except StorageError as error:
            _log.warning("mailbox_not_renewed", script=session.held.script, error=str(error))
            if time.monotonic() - session.renewed >= lease:
                # By now somebody else may have it: what it does is done twice, and here for nothing.
                self._lose(session)
        else:
            session.renewed = asked

    async def _count_all(self, mailboxes: Mailboxes) -> None:
        while True:
            try:
                self.depth = await mailboxes.depth()
            except StorageError as error:
                _log.warning("mailboxes_not_counted", error=str(error))
            await asyncio.sleep(COUNT_SECONDS)


EMPTY: Final[bytes] = msgspec.msgpack.encode({})
