"""The part of the platform in which Workers live: each in one process of all, with one message at a time."""

import asyncio
import os
import platform
import time
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
from sidecar.jobs.leases import RENEWALS, Leases
from sidecar.jobs.worker_messages import Told, WorkerMessages
from sidecar.jobs.worker_session import WorkerSession
from sidecar.kind import MAIN, Kind
from sidecar.lifecycle import PartState
from sidecar.logs.fault import Fault
from sidecar.logs.logger import ActionLogger
from sidecar.queue.errors import LeaseLost
from sidecar.queue.job import MICROS, JobError
from sidecar.queue.mailbox_looking import MailboxDepth
from sidecar.queue.mailboxes import Held, Mailboxes
from sidecar.queue.message import Message, MessageState
from sidecar.queue.queue import JobQueue, StorageError
from sidecar.runs.answers import Answer, answer_of
from sidecar.runs.limits import WORKER_CPU_SECONDS, worker_limits
from sidecar.runs.outcomes import OutcomeName
from sidecar.runs.programs import Programs, key_of, worker_programs
from sidecar.runs.runner import PoolName, Runner
from sidecar.script_name import script_called

_log = ActionLogger(__name__)

COUNT_SECONDS: Final = 15.0
TICK_SECONDS: Final = 0.5
"""How often it is looked at what each Worker does."""

FindScript = Callable[[str], Script | None]


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
        self.drain_seconds = self._section.drain_seconds
        self._programs: Programs = worker_programs(configuration, grants)
        self._limits = worker_limits(configuration)
        self._leases: Leases[WorkerSession] = Leases(self._section.lease_seconds)
        self._sessions = self._leases.under_way
        self._refusing = False
        self._fault = Fault(_log, "mailboxes_not_taken", "mailboxes_taken_again")
        self.owner = f"{platform.node()}:{os.getpid()}"
        self._messages = WorkerMessages(self._leases, grants, told)
        self.outcomes = self._messages.outcomes
        self.dead = 0
        """Messages that became dead letters here."""
        self.begun = 0
        """Workers begun."""
        self.depth = MailboxDepth()

    @property
    def lost(self) -> int:
        """Workers whose mailbox was another process's before they were over."""
        return self._leases.lost

    @property
    def alive(self) -> int:
        """Workers of this process."""
        return len(self._sessions)

    def use(self, scripts: Mapping[str, Script]) -> None:
        """Forget the programs of all but these; a Worker whose script has changed ends once it is done with what it is
        at, and begins anew."""
        self._programs.retain(scripts.values())
        for session in self._sessions:
            script = scripts.get(session.held.script)
            if session.program_key and (script is None or key_of(script) != session.program_key):
                session.end()

    def program_keys(self) -> set[str]:
        """Of the Workers that live here."""
        return {session.program_key for session in self._sessions if session.program_key}

    # ---- its life ----

    async def start(self) -> None:
        """Begin to take mailboxes. The workers are there: jobs are started before."""
        if not self._is_on:
            return
        queue = await self._services.jobs()
        for work in (self._take_all(queue), self._watch_all(queue.mailboxes), self._count_all(queue.mailboxes)):
            self._leases.run(work)

    def refuse_calls(self) -> None:
        """Nothing: no call comes here."""

    def stop_accepting(self) -> None:
        """Take no more mailboxes, and have each Worker end once it is done with what it is at."""
        self._refusing = True
        for session in self._sessions:
            session.end()

    async def drain(self) -> None:
        """Wait for them as long as they may take; then give back what they are at."""
        await self._leases.drain(self.drain_seconds, "workers_left")

    def cancel_rest(self) -> None:
        """End what lives; the messages that they are at are given back."""
        self._sessions.cancel_rest()

    async def close(self) -> None:
        """Let go of what is held still, where the database can be asked at once. Else its leases end by themselves."""
        await self._leases.close()

    def state(self) -> PartState:
        """Whether there is a database to take mailboxes from."""
        return PartState(fault=self._fault.text, details={"workers": len(self._sessions)})

    # ---- taking ----

    async def _take_all(self, queue: JobQueue) -> None:
        section, mailboxes = self._section, queue.mailboxes
        while True:
            queue.sent.clear()
            held: Sequence[Held] = ()
            try:
                waiting = [session.name for session in self._sessions if session.message is None]
                for name in await mailboxes.ready(waiting) if waiting else ():
                    session = self._sessions.get(name)
                    if session is not None:
                        session.wake.set()
                room = section.at_once - len(self._sessions)
                if room > 0 and not self._refusing:
                    held = await mailboxes.take(self.owner, room, int(section.lease_seconds * MICROS))
                self._fault.found("")
            except StorageError as error:
                self._fault.found(str(error))
            except Exception:  # noqa: BLE001 - logged: the next look may go well
                self._fault.crashed("mailboxes cannot be taken, see the log")
            for one in held:
                self._leases.say(self._begun(mailboxes, self._sessions.begin(one.script, WorkerSession(one))))
            if not held:
                try:
                    async with asyncio.timeout(section.poll_seconds):
                        await queue.sent.wait()
                except TimeoutError:
                    continue

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
            given = await self._messages.asked(mailboxes, session, None)
            session.message = given.message if given is not None else None
            error = JobError(why)
            await self._over(session, lambda: mailboxes.fail(held, error, 1, final=True))
            return
        program = self._programs.of(script)
        session.script, session.program_key = script, program.key
        session.began_cpu = WORKER_CPU_SECONDS
        rest = self._grants.host(script, f"worker:{held.script}")

        def asks(call: HostCall, done: str | None) -> None:
            self._leases.say(self._messages.give(mailboxes, session, call, done))

        def completed(completion: Completion) -> None:
            took = time.monotonic() - session.began
            self._leases.say(self._ended(mailboxes, session, answer_of(completion, program, took), completion.log))

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
        self._messages.count(session, script, message, answer, lines, session.used_cpu())
        if answer.outcome is OutcomeName.RETURNED:
            # By exit(): the message is done, and the Worker begins anew with the next one.
            await self._messages.asked(mailboxes, session, message.id, only_done=True)
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
            after = await self._leases.told(session, step)
            if after is not None and after.state is MessageState.DEAD:
                self.dead += 1
                why = after.error.message if after.error is not None else ""
                _log.warning("message_dead", message=after.id, script=held.script, tenant=held.tenant, error=why)
        except LeaseLost:
            _log.warning("mailbox_lost", script=held.script, tenant=held.tenant)
        except StorageError as error:
            _log.error("mailbox_not_let_go", script=held.script, error=str(error))
        finally:
            self._leases.over(session)

    # ---- what each does ----

    async def _watch_all(self, mailboxes: Mailboxes) -> None:
        """Keep leases, and end what takes too long or has nothing to do."""
        section = self._section
        micros = int(section.lease_seconds * MICROS)
        while True:
            await asyncio.sleep(min(TICK_SECONDS, section.lease_seconds / RENEWALS))
            now = time.monotonic()
            due = []
            for session in self._sessions:
                if now - session.renewed >= section.lease_seconds / RENEWALS:
                    due.append(session)
                if session.message is None:
                    if now - session.began >= section.idle_seconds:
                        session.end()
                elif now - session.began >= section.message_seconds:
                    session.cancel("Script Timeout")
                elif session.used_cpu() >= self._cpu_seconds:
                    session.cancel("the processor time of one message is used up")
            for session in due:
                # Beside each other: what takes too long is ended whether the database answers or not.
                self._leases.say(self._renewed(mailboxes, session, micros))

    async def _renewed(self, mailboxes: Mailboxes, session: WorkerSession, micros: int) -> None:
        try:
            await self._leases.renew(session, lambda: mailboxes.renew(session.held, micros))
        except Exception:  # noqa: BLE001 - logged: the next renewal may go well
            _log.exception("mailbox_not_renewed", script=session.held.script)

    async def _count_all(self, mailboxes: Mailboxes) -> None:
        while True:
            try:
                self.depth = await mailboxes.looking.depth()
            except StorageError as error:
                _log.warning("mailboxes_not_counted", error=str(error))
            await asyncio.sleep(COUNT_SECONDS)


EMPTY: Final[bytes] = msgspec.msgpack.encode({})
