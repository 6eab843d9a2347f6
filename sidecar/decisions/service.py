"""Class 4 as the daemon serves it: the workers of deciding scripts, the decisions, and what is told of each."""

import asyncio
import time
from typing import Any

from sidecar.catalog.model import Snapshot
from sidecar.configuration.tree import Configuration
from sidecar.decisions.deciding import Decided
from sidecar.decisions.decisions import Decisions
from sidecar.decisions.keeping import keep
from sidecar.hosts.grants import Grants
from sidecar.lifecycle import PartState
from sidecar.logs.logger import ActionLogger
from sidecar.logs.output import LineOutput
from sidecar.operations.console_feed import ConsoleFeed
from sidecar.operations.events import Events
from sidecar.operations.metrics import DecisionMetrics
from sidecar.operations.records import DecisionLog, EndedDecision
from sidecar.runs.failure import in_words
from sidecar.runs.kept_files import KeptFiles
from sidecar.runs.runner import PoolName, Runner

_log = ActionLogger(__name__)


class DecisionService:
    """The part of the daemon that decides. Records go to the log, the metrics, and whoever subscribes to `events`."""

    name = "decisions"

    def __init__(
        self,
        configuration: Configuration,
        runner: Runner,
        grants: Grants,
        output: LineOutput,
        console: ConsoleFeed | None = None,
    ) -> None:
        """``console`` is told what scripts write."""
        self._console = console
        self._runner = runner
        self._made = time.monotonic()
        self.drain_seconds = configuration.shutdown.drain_seconds
        nothing = Snapshot(scripts={}, routes={}, dids={})
        self._kept = KeptFiles(configuration.kept) if configuration.kept.directory is not None else None
        self.decisions = Decisions(
            runner.pool(PoolName.DECISIONS),
            configuration,
            nothing,
            self._decided,
            grants,
            keeps=self._kept is not None,
        )
        """The router that switches ask."""
        self.metrics = DecisionMetrics()
        self.events: Events[EndedDecision] = Events()
        self.events.subscribe(DecisionLog(configuration.log, output).decided)
        self.events.subscribe(self.metrics.decided)

    async def start(self) -> None:
        """Start the workers. Raises SandboxError or OSError where they do not come up."""
        await self._runner.start(PoolName.DECISIONS)
        if not self._runner.pool(PoolName.DECISIONS).state().confined:
            _log.warning("workers_unconfined", setting="sandbox.require_confinement = false")

    def refuse_calls(self) -> None:
        """Nothing: here is decided and no call driven."""

    def stop_accepting(self) -> None:
        """Nothing: a call that still asks is decided, and the switches have others to ask from now on."""

    async def drain(self) -> None:
        """Return once no decision is under way, or its time is up and each had its failure action."""
        try:
            async with asyncio.timeout(self.drain_seconds):
                await self.decisions.drained()
        except TimeoutError:
            _log.warning("decisions_cut", pending=self.decisions.pending)
            self.decisions.fail_pending()

    def cancel_rest(self) -> None:
        """Give every decision under way its failure action."""
        self.decisions.fail_pending()

    async def close(self) -> None:
        """What is kept is written; the workers end with the runner's."""
        if self._kept is not None:
            await self._kept.close()

    def state(self) -> PartState:
        """Whether it has a worker."""
        state = self._runner.pool(PoolName.DECISIONS).state()
        return PartState(
            fault="" if state.fast else "no worker for decisions",
            details={"confined": state.confined, "workers": state.fast + state.slow, "runs": state.outstanding},
        )

    def script_runs(self) -> dict[str, int]:
        """Runs of scripts ended since the start, by outcome."""
        return {outcome.value: count for outcome, count in self.decisions.runs.items()}

    def stats(self) -> dict[str, Any]:
        """What happened since the start, for whoever asks over the socket."""
        state = self._runner.pool(PoolName.DECISIONS).state()
        return {
            "uptime_seconds": int(time.monotonic() - self._made),
            "decisions": self.metrics.by_outcome(),
            "pending": self.decisions.pending,
            "workers": {"fast": state.fast, "held": state.held, "slow": state.slow, "spare": state.spare},
            "worker_deaths": state.deaths,
            "runs_refused": state.refused,
            "confined": state.confined,
        }

    def _decided(self, decided: Decided) -> None:
        call_id = decided.request.call_id
        kept = keep(self._kept, decided) if self._kept is not None else ""
        self.events.publish(ended_decision(decided, kept), call_id)
        for script, line in decided.console if decided.console and _log.debugs else ():
            _log.debug("console", call_id=call_id, script=script, console=line.level, text=line.text)
        console = self._console
        if console is not None and console.followed:
            for script, line in decided.console:
                console.write(call_id, script, line.level, line.text)
            if decided.failure is not None:
                console.write(call_id, decided.failed_script, "failed", in_words(decided.failure))


def ended_decision(decided: Decided, kept: str = "") -> EndedDecision:
    """What observers are told of a decision, with the script failure that there was, and the file that it is kept
    in."""
    failure = decided.failure
    return EndedDecision(
        decided.request,
        decided.decision,
        failure.message if failure is not None else "",
        failure.location if failure is not None else "",
        len(decided.console),
        decided.scripts,
        kept,
    )
