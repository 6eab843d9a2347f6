"""The scripts that runs over HTTP are of: each in the version that runs now, by uuid and by id."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sidecar.catalog.compile import Rules
from sidecar.catalog.database.following import current_revision, scripts_since
from sidecar.catalog.database.gathered import Gathered
from sidecar.catalog.database.messages import Piece
from sidecar.catalog.model import Script, Snapshot
from sidecar.lifecycle import PartState
from sidecar.logs.fault import Fault
from sidecar.logs.logger import ActionLogger
from sidecar.operations.following_part import FollowingPart
from sidecar.storage.engine import Storage
from sidecar.storage.errors import StorageError
from sidecar.storage.schema import read_state

_log = ActionLogger(__name__)


@dataclass(frozen=True, slots=True)
class Runnable:
    """A script that can be run."""

    script: Script
    public: bool
    """Whether whoever knows its uuid may run it."""


class LiveScripts(FollowingPart):
    """The part of the platform that follows the scripts of a database. ``use`` is told of all of them whenever one has
    changed, or a limit of theirs."""

    name = "scripts"

    def __init__(self, storage: Storage, rules: Rules, poll_seconds: float, use: Callable[[Snapshot], None]) -> None:
        fault = Fault(_log, "scripts_not_followed", "scripts_followed_again")
        super().__init__(fault, "the scripts cannot be read, see the log", poll_seconds)
        self._storage = storage
        self._use = use
        self._gathered = Gathered(rules)
        self._public: dict[str, bool] = {}
        self._known: int | None = None
        self._looking = asyncio.Lock()
        self._by_id: Mapping[str, Runnable] = {}
        self._by_uuid: Mapping[str, Runnable] = {}

    def by_id(self, script_id: str) -> Runnable | None:
        """The script of an id, whoever's it is."""
        return self._by_id.get(script_id)

    def by_uuid(self, uuid: str) -> Runnable | None:
        """The script of a uuid in its usual form, whoever's it is."""
        return self._by_uuid.get(uuid)

    def all(self) -> Iterable[Runnable]:
        """Every tenant's."""
        return self._by_id.values()

    @property
    def revision(self) -> int | None:
        """The last change of the database that was taken over; None before the first look."""
        return self._known

    async def look(self) -> None:
        """Take over what has changed until now, of npm modules too. Raises StorageError."""
        async with self._looking:
            async with self._storage.reading() as connection:
                if self._known is None:
                    (await read_state(connection)).require(self._storage.url)
                if await current_revision(connection) == self._known and not self._gathered.outdated:
                    self._fault.found("")
                    return
                number, whole, found = await scripts_since(connection, self._known)
                pieces = [piece async for piece in found]
            self._fault.found("")
            snapshot = await asyncio.to_thread(self._compile, pieces, whole=whole)
            self._by_id = {
                script_id: Runnable(script, self._public.get(script_id, False))
                for script_id, script in snapshot.scripts.items()
            }
            self._by_uuid = {one.script.uuid: one for one in self._by_id.values()}
            self._known = number
            self._use(snapshot)

    async def look_again(self) -> None:
        """The same after a change of ours, so that whoever made it finds it in use; what cannot be read now is read
        soon."""
        try:
            await self.look()
        except StorageError as error:
            self._fault.found(str(error))

    def _compile(self, pieces: list[Piece], *, whole: bool) -> Snapshot:
        self._gathered.begin(whole=whole)
        if whole:
            self._public = {}
        for piece in pieces:
            self._gathered.add(piece)
            self._public |= {row.id: row.public for row in piece.scripts}
            for gone in piece.removed_scripts:
                self._public.pop(gone, None)
        return self._gathered.compile().partial

    # ---- its life ----

    async def start(self) -> None:
        """Read all of them, and begin to follow. Raises StorageError."""
        await self.look()
        await super().start()

    def state(self) -> PartState:
        """A fault while the database cannot be asked: what is known runs on, without tokens nothing else does."""
        return PartState(fault=self._fault.text, details={"scripts": len(self._by_id)})
