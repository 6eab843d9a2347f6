"""Class 5: calls given to the scripts of their destinations. With one_call.py the only seam between a script's ctx
and whatever carries the call.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

from sidecar.calls.driven_call import DrivenCall
from sidecar.calls.kept import keep
from sidecar.calls.one_call import OneCall
from sidecar.catalog.model import Snapshot, VoiceAssignment
from sidecar.configuration.tree import Configuration
from sidecar.hosts.customer_folders import CustomerFolders, customer_folder
from sidecar.hosts.grants import Grants
from sidecar.logs.logger import ActionLogger
from sidecar.operations.call_record import CallRecord
from sidecar.operations.console_feed import ConsoleFeed
from sidecar.runs import programs
from sidecar.runs.kept_files import KeptFiles
from sidecar.runs.kept_runs import KeptRun
from sidecar.runs.runner import ScriptRunner
from sipio.call_control import (
    CallControl,
    CallOffer,
    Hangup,
    HangupBy,
)
from sipio.causes import cause_of
from sipio.reasons import reason_phrase

NOBODY: Final = "default"
"""The customer of a call of which neither its assignment nor its switch says whose it is."""

_log = ActionLogger(__name__)


class Calls:
    """A `sipio.call_control.CallHandler` over a snapshot of the catalog."""

    def __init__(
        self,
        runner: ScriptRunner,
        configuration: Configuration,
        snapshot: Snapshot,
        ended: Callable[[CallRecord], None],
        grants: Grants | None = None,
        console: ConsoleFeed | None = None,
        kept: KeptFiles | None = None,
    ) -> None:
        """``kept`` is where calls are kept."""
        self.runner = runner
        self._console = console
        self._kept = kept
        self.configuration = configuration
        self.grants = grants or Grants()
        self.programs = programs.call_programs(configuration, self.grants)
        self._ended = ended
        self._calls: dict[OneCall, None] = {}
        """In the order in which they came, which is that in which they are ended together."""
        self._empty = asyncio.Event()
        self._empty.set()
        self._draining = False
        self.have_worker = True
        """Whether scripts can be run at all; while they cannot, calls are refused."""
        self.use(snapshot)

    def use(self, snapshot: Snapshot) -> None:
        """Take calls by this snapshot from now on. Calls that are up finish on the version they began with."""
        self._snapshot = snapshot
        self.programs.retain(snapshot.scripts.values())

    @property
    def up(self) -> int:
        """Calls that are up."""
        return len(self._calls)

    def up_by_driver(self) -> dict[str, int]:
        """Calls that are up, by what carries them."""
        return dict(Counter(call.offer.driver for call in self._calls))

    @property
    def has_room(self) -> bool:
        """Whether one more call would be taken."""
        voice = self.configuration.voice
        has_worker = voice.call_workers > 0 and self.have_worker
        return not self._draining and has_worker and len(self._calls) < voice.calls

    def program_keys(self) -> set[str]:
        """The keys of the programs of calls that are up: each goes on with the version that it began with."""
        return {programs.key_of(call.script) for call in self._calls}

    def offered(self, call: CallControl) -> "OneCall | Hangup":
        """Give a call to the script of its destination."""
        if self._draining:
            return Hangup(code=503, reason="Shutting Down", cause=cause_of(503))
        if not self.has_room:
            return Hangup(code=503, reason=reason_phrase(503), cause=42)
        assignment = self._snapshot.destination(call.offer.to_user)
        if assignment is None:
            return Hangup(code=404, reason=reason_phrase(404), cause=cause_of(404))
        unusable = self._snapshot.why_not(assignment)
        if unusable:
            _log.error("call_refused", call_id=call.offer.id, script=assignment.script_id, error=unusable)
            return Hangup(code=503, reason=reason_phrase(503), cause=cause_of(503))
        script = self._snapshot.scripts[assignment.script_id]
        over = self.grants.used(script).allowance.begin()
        if over is not None:
            _log.warning("call_refused", call_id=call.offer.id, script=script.id, error=over.why)
            return Hangup(code=503, reason=reason_phrase(503), cause=42)
        one = OneCall(self, call, assignment, script)
        self._calls[one] = None
        self._empty.clear()
        one.begin()
        return one

    def of_tenant(self, tenant: str) -> list[DrivenCall]:
        """The calls that a tenant's scripts drive."""
        return [DrivenCall(call) for call in self._calls if call.script.tenant == tenant]

    def refuse_new(self) -> None:
        """Take no more calls."""
        self._draining = True

    async def drain(self) -> None:
        """Refuse new calls and return once none is up."""
        self.refuse_new()
        await self._empty.wait()

    def end_all(self, reason: str) -> None:
        """End every call that is up, properly: the daemon stops."""
        for call in list(self._calls):
            call.end(Hangup(code=503, reason=reason, cause=cause_of(503)), HangupBy.SYSTEM)

    def wrote(self, call: "OneCall", level: str, text: str) -> None:
        """Tell whoever follows the console of a call's script."""
        if self._console is not None and self._console.followed:
            self._console.write(call.offer.id, call.script.id, level, text)

    def over(self, call: "OneCall", record: CallRecord, run: KeptRun | None) -> None:
        self._calls.pop(call, None)
        if not self._calls:
            self._empty.set()
        self._ended(record if run is None or self._kept is None else keep(self._kept, record, call.script, run))

    def folders(self, offer: CallOffer, assignment: VoiceAssignment) -> CustomerFolders:
        """Where the files of a call's customer are."""
        voice = self.configuration.voice
        customer = assignment.customer or offer.customer or NOBODY
        return CustomerFolders(
            own=customer_folder(voice.sounds, customer),
            house=voice.sounds / "ivr",
            recordings=customer_folder(voice.recordings, customer),
        )
