"""Class 5 as the daemon serves it: the workers of scripts that drive calls, the calls, and what is told of each."""

import asyncio
import contextlib
from collections import Counter
from typing import Final

import msgspec

from sandbox.errors import SandboxError
from sidecar.calls.calls import Calls
from sidecar.calls.placed_record import record_of
from sidecar.catalog.model import Snapshot
from sidecar.configuration.tree import Configuration
from sidecar.hosts.grants import Grants
from sidecar.hosts.placed.calls import PlacedCalls
from sidecar.hosts.placed.ended import EndedPlacedCall
from sidecar.kind import RULES
from sidecar.lifecycle import PartState
from sidecar.logs.logger import ActionLogger
from sidecar.operations.call_record import CallRecord
from sidecar.operations.call_store import CallStore
from sidecar.operations.console_feed import ConsoleFeed
from sidecar.operations.events import Events
from sidecar.operations.part_metrics import CallsSnapshot
from sidecar.runs.kept_files import KeptFiles
from sidecar.runs.outcomes import FAILURES, GOOD_CALL_ENDS, OutcomeName
from sidecar.runs.runner import PoolName, Runner
from sidecar.runs.script_counts import ScriptCounts

_log = ActionLogger(__name__)

BOOKKEEPING_SECONDS: Final = 0.8
"""What scripts have for it once their calls were ended by the stop."""
AGAIN_MIN_SECONDS: Final = 1.0
AGAIN_MAX_SECONDS: Final = 60.0
"""Wait after workers that did not start beside what goes on: each failure doubles it."""
ENDING_SECONDS: Final = 1.0
"""The bookkeeping, and some time to spare: what the drain may take after ``voice.drain_seconds``."""


class CallService:
    """The part of the daemon that drives calls. Records go to the log, the store, and whoever subscribes to `events`.

    Its workers start with the first thing that may bring a call: a switch that asks for them, or a destination in the
    catalog, since a switch may announce calls over MessagePack-RPC.
    """

    name = "calls"

    def __init__(
        self,
        configuration: Configuration,
        runner: Runner,
        grants: Grants,
        placed: PlacedCalls,
        console: ConsoleFeed | None = None,
    ) -> None:
        """``placed`` are the calls that scripts place, which are recorded and counted as well; ``console`` is told what
        scripts write."""
        voice = configuration.voice
        self._runner = runner
        self._seconds = voice.drain_seconds
        self.enabled = voice.call_workers > 0
        """Whether calls are taken at all."""
        self.drain_seconds = voice.drain_seconds + ENDING_SECONDS if self.enabled else 0.0
        nothing = Snapshot(scripts={}, routes={}, dids={})
        kept = KeptFiles(configuration.kept) if configuration.kept.directory is not None else None
        self._kept = kept
        self.calls = Calls(runner.pool(PoolName.CALLS), configuration, nothing, self._ended, grants, console, kept)
        """The handler that switches offer calls to."""
        self._outcomes: Counter[str] = Counter()
        self._placed = placed
        placed.tell(self._placed_ended)
        self._placed_outcomes: Counter[str] = Counter()
        self.by_script = ScriptCounts(configuration.metrics.scripts)
        """Calls ended, how many by a failure of the script and how long they were, by script."""
        self._store = CallStore(voice.records, voice.records_days) if voice.records is not None else None
        self.events: Events[CallRecord] = Events()
        self.events.subscribe(_log_record)
        self.events.subscribe(self._count)
        if self._store is not None:
            self.events.subscribe(self._store.add)
        self._destinations = 0
        self._serving = False
        self._starting: asyncio.Task[None] | None = None
        self._starting_late: asyncio.Task[None] | None = None
        self._failed = False

    async def start(self) -> None:
        """Start the workers if there is a destination. Raises SandboxError or OSError where they do not come up."""
        self._serving = True
        if self._destinations:
            await self.start_workers()

    async def start_workers(self) -> None:
        """Return once the workers are there. Raises SandboxError or OSError where they do not come up."""
        if not self.enabled:
            return
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._runner.start(PoolName.CALLS))
        await self._starting

    def takes_calls(self) -> bool:
        """Whether a call that came now would be taken: none is while the daemon ends, at the limit, or without a worker
        for its script."""
        state = self._runner.states().get(PoolName.CALLS)
        return self.calls.has_room and state is not None and state.fast > 0

    def use(self, snapshot: Snapshot) -> None:
        """Take calls by this snapshot from now on."""
        self.calls.use(snapshot)
        if self.enabled and snapshot.destinations:
            self.by_script.expect(one.id for one in snapshot.scripts.values() if RULES[one.kind].drives_calls)
        first = not self._destinations and bool(snapshot.destinations)
        self._destinations = len(snapshot.destinations)
        if first and self._serving and self._starting is None and self._starting_late is None:
            self._starting_late = asyncio.get_running_loop().create_task(self._start_late())

    async def _start_late(self) -> None:
        """Start the workers, and try again until they are there."""
        wait = AGAIN_MIN_SECONDS
        while True:
            try:
                await self.start_workers()
            except (SandboxError, OSError) as error:
                _log.error("call_workers_failed", error=str(error), again_after=wait)
                self._failed, self.calls.have_worker = True, False
                self._starting = None
                await asyncio.sleep(wait)
                wait = min(2 * wait, AGAIN_MAX_SECONDS)
            else:
                self.calls.runner = self._runner.pool(PoolName.CALLS)
                self._failed, self.calls.have_worker = False, True
                return

    def refuse_calls(self) -> None:
        """Refuse new calls."""
        self.calls.refuse_new()

    def stop_accepting(self) -> None:
        """Refuse new calls, as before."""
        self.refuse_calls()

    async def drain(self) -> None:
        """Let calls that are up come to their end, within their time, then end them and let their scripts know."""
        try:
            async with asyncio.timeout(self._seconds):
                await self.calls.drain()
        except TimeoutError:
            self.calls.end_all("Shutting Down")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BOOKKEEPING_SECONDS):
                    await self.calls.drain()

    def cancel_rest(self) -> None:
        """End every call that is up, and workers that are being started."""
        self.calls.end_all("Shutting Down")
        for task in (self._starting_late, self._starting):
            if task is not None:
                task.cancel()

    async def close(self) -> None:
        """Write what is left. To be called once the workers have ended, and all calls with them."""
        if self._kept is not None:
            await self._kept.close()
        if self._store is not None:
            await self._store.close()

    def state(self) -> PartState:
        """Whether it has a worker, where it has been given any."""
        state = self._runner.states().get(PoolName.CALLS)
        if state is None:
            return PartState(fault="no worker for calls" if self._failed else "")
        return PartState(
            fault="" if state.fast else "no worker for calls",
            details={"call_workers": state.fast, "calls": self.calls.up},
        )

    def snapshot(self) -> CallsSnapshot:
        """What is counted of calls."""
        return CallsSnapshot(
            up=self.calls.up_by_driver(),
            ended=dict(self._outcomes),
            records_dropped=self._store.dropped if self._store is not None else 0,
            placed_up=self._placed.up_by_driver(),
            placed_ended=dict(self._placed_outcomes),
        )

    def _ended(self, record: CallRecord) -> None:
        self.events.publish(record, record.id)

    def _placed_ended(self, ended: EndedPlacedCall) -> None:
        self._ended(record_of(ended))

    def _count(self, record: CallRecord) -> None:
        if record.placed:
            self._placed_outcomes[record.outcome] += 1
            return
        self._outcomes[record.outcome] += 1
        if record.outcome == OutcomeName.REFUSED:
            return
        count = self.by_script.of(record.script)
        count.runs += 1
        count.micros += int(record.ended * 1e6)
        if record.outcome in FAILURES:
            count.failures += 1


def _log_record(record: CallRecord) -> None:
    failed = record.error or not (record.placed or record.outcome in GOOD_CALL_ENDS)
    (_log.warning if failed else _log.info)("call", **msgspec.to_builtins(record, str_keys=True))
