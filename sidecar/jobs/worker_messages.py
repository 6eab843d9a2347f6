"""What Workers are given: message after message, and what is counted of each."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from sandbox.host import HostCall
from sandbox.outcome import LogLine
from sidecar.catalog.model import Script
from sidecar.hosts.grants import Grants
from sidecar.jobs.leases import Leases
from sidecar.jobs.worker_session import WorkerSession
from sidecar.kind import MAIN
from sidecar.logs.logger import ActionLogger
from sidecar.queue.errors import LeaseLost
from sidecar.queue.job import MICROS
from sidecar.queue.mailboxes import Given, Mailboxes
from sidecar.queue.message import Message
from sidecar.queue.queue import StorageError
from sidecar.runs.answers import Answer
from sidecar.runs.outcomes import OutcomeName

_log = ActionLogger(__name__)

LONGEST_WAIT_SECONDS: Final = 1.0
"""Of a message whose tenant is past a limit, before it is looked whether there is room."""

Told = Callable[[Script, str, str, Sequence[LogLine], Answer], None]


class WorkerMessages:
    """Lives on one event loop."""

    def __init__(self, leases: Leases[WorkerSession], grants: Grants, told: Told) -> None:
        """``told`` is told what has been written at each message."""
        self._leases = leases
        self._grants = grants
        self._told = told
        self.outcomes: Counter[OutcomeName] = Counter()
        """Of messages."""

    async def give(self, mailboxes: Mailboxes, session: WorkerSession, call: HostCall, done: str | None) -> None:
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
                    await self.asked(mailboxes, session, done, only_done=True)
                return None
            over = allowance.begin()
            if over is not None:
                await self._pause(session, min(over.seconds, LONGEST_WAIT_SECONDS))
                continue
            given = await self.asked(mailboxes, session, done)
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

    async def asked(
        self, mailboxes: Mailboxes, session: WorkerSession, done: str | None, *, only_done: bool = False
    ) -> Given | None:
        """Ask a mailbox, however long its database is away. None for one that is lost."""
        try:
            return await self._leases.told(session, lambda: mailboxes.next(session.held, done, only_done=only_done))
        except LeaseLost:
            return None
        except StorageError as error:
            _log.error("mailbox_not_asked", script=session.held.script, error=str(error))
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
        self.count(session, script, message, answer, lines, cpu)
        session.at(None)

    def count(
        self,
        session: WorkerSession,
        script: Script,
        message: Message,
        answer: Answer,
        lines: Sequence[LogLine],
        cpu_seconds: float,
    ) -> None:
        """Count what a message has used, and keep what its Worker has written."""
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
