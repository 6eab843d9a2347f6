"""A catalog in memory: what a test, or whoever embeds a daemon, puts into it is live at once."""

import asyncio
from collections.abc import Collection, Iterable
from typing import NamedTuple

from msgspec import structs

from sidecar.catalog.compile import Compiled, Rules, compile_catalog
from sidecar.catalog.entries import AssignmentEntry, Assignments, Entries, Place, ScriptEntry
from sidecar.catalog.source import Loaded
from sidecar.configuration.tree import DecisionSection
from sidecar.kind import Kind
from sidecar.language.app_files import AppFiles
from sidecar.language.check import check_script
from sidecar.language.modules import AVAILABLE
from sidecar.language.prepared import Prepared, prepare
from sidecar.problem import Problem, Severity

_CheckKey = tuple[str, Kind, str, frozenset[str]]
"""Name, kind, text, and the modules that the script may name."""
_Checked = tuple[tuple[Problem, ...], Prepared | None]


class _Held(NamedTuple):
    """What is in the source. Replaced as a whole and never changed in place: a thread may be loading it."""

    revision: int
    scripts: dict[Place, ScriptEntry]
    assignments: dict[Place, AssignmentEntry]
    assigned: Assignments


class MemorySource:
    """A `sidecar.catalog.source.Source` of entries that are put into it, each known by its place.

    Scripts are checked and prepared here, where they are not. Everything is right, or nothing is taken. To be changed
    in the event loop's thread.
    """

    def __init__(
        self,
        entries: Iterable[ScriptEntry | AssignmentEntry] = (),
        decisions: DecisionSection | None = None,
        *,
        modules: Collection[str] = AVAILABLE,
    ) -> None:
        self._rules = Rules(decisions or DecisionSection(), frozenset(modules))
        self._held = _Held(0, {}, {}, Assignments())
        self._checked: dict[_CheckKey, _Checked] = {}
        self._compiled: Compiled | None = None
        self._loaded_revision: int | None = None
        self._changed = asyncio.Event()
        self.put(*entries)

    def put(self, *entries: ScriptEntry | AssignmentEntry) -> None:
        """Add these; one that stands in the place of another replaces it."""
        scripts, assignments = dict(self._held.scripts), dict(self._held.assignments)
        for entry in entries:
            if isinstance(entry, ScriptEntry):
                scripts[entry.place] = entry
                assignments.pop(entry.place, None)
            else:
                assignments[entry.place] = entry
                scripts.pop(entry.place, None)
        self._set(scripts, assignments)

    def remove(self, *places: Place) -> None:
        """Take out what stands in these places. Raises KeyError where nothing does."""
        scripts, assignments = dict(self._held.scripts), dict(self._held.assignments)
        for place in places:
            del (scripts if place in scripts else assignments)[place]
        self._set(scripts, assignments)

    def load(self) -> Loaded:
        """Checks what is new and compiles."""
        revision, scripts, _, assigned = self._held
        checked: dict[_CheckKey, _Checked] = {}
        problems: list[Problem] = []
        ready: list[ScriptEntry] = []
        for entry in scripts.values():
            if entry.prepared is None:
                key = entry.name, entry.kind, entry.text, self._rules.known_to(entry.modules, app=entry.app)
                found, prepared = checked[key] = self._checked.get(key) or _check(*key)
                problems += found
                entry = structs.replace(entry, prepared=prepared)  # noqa: PLW2901 - the same, prepared
            ready.append(entry)
        compiled = compile_catalog(Entries(tuple(ready), assigned), self._rules, self._compiled)
        self._checked, self._compiled, self._loaded_revision = checked, compiled, revision
        problems += [
            Problem(str(finding.place), 0, 0, finding.severity, finding.told(str)) for finding in compiled.findings
        ]
        texts = {entry.name: entry.text for entry in scripts.values()}
        return Loaded(compiled.snapshot, tuple(problems), texts)

    async def changed(self) -> None:
        """Return once there is something that was not there when it was last loaded."""
        while self._held.revision == self._loaded_revision:
            self._changed.clear()
            await self._changed.wait()

    def close(self) -> None:
        """Do nothing: it is all in memory."""

    def _set(self, scripts: dict[Place, ScriptEntry], assignments: dict[Place, AssignmentEntry]) -> None:
        held = self._held
        same = list(map(id, assignments.values())) == list(map(id, held.assignments.values()))
        assigned = held.assigned if same else Assignments(tuple(assignments.values()))
        self._held = _Held(held.revision + 1, scripts, assignments, assigned)
        self._changed.set()


def _check(name: str, kind: Kind, text: str, modules: frozenset[str]) -> _Checked:
    problems = check_script(text, kind, name, modules=modules)
    has_errors = any(problem.severity is Severity.ERROR for problem in problems)
    return problems, None if has_errors else prepare(text, kind, AppFiles(entry=name), modules)
