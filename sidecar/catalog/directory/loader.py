"""The catalog as files: ``assignments.toml`` and ``scripts/*.js``, checked as a whole into one snapshot."""

import difflib
import hashlib
import os
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from sidecar.catalog.directory.entries import (
    DecisionEntry,
    DestinationEntry,
    DidEntry,
    Entries,
    RouteEntry,
    ScriptEntry,
    read_entries,
)
from sidecar.catalog.directory.script_files import UnusableFileError, read_text_file
from sidecar.catalog.model import Assignment, GlobalPriority, Script, Snapshot, VoiceAssignment
from sidecar.configuration.toml_source import KeyPath, TomlSyntaxError, parse_toml
from sidecar.configuration.tree import CatalogSection, DecisionSection
from sidecar.errors import CatalogError
from sidecar.kind import Kind
from sidecar.language.check import Confirm, check_script
from sidecar.language.modules import AVAILABLE
from sidecar.problem import Problem, Severity
from sidecar.sip_answer import parse_action

ASSIGNMENTS = "assignments.toml"
SCRIPTS = "scripts"
ASSIGNMENTS_BYTES = 16_777_216
"""About 100,000 assignments; tomllib takes a megabyte in half a second."""
SCRIPT_NAMESPACE = uuid.UUID("6c0f4a52-2a75-5c0c-9d3b-6f1c0b7f4d10")
"""Of the uuid that a script has when its entry gives none. Never to change: others hold on to the uuids."""
VERSION_CHARACTERS = 12

CheckKey = tuple[Kind, str, bytes]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a look at the directory gave."""

    snapshot: Snapshot | None
    """None where there is an error."""
    problems: tuple[Problem, ...]
    sources: dict[str, str] = field(default_factory=dict, repr=False)
    """Text by file, for a report."""

    def require(self) -> Snapshot:
        """The snapshot. Raises CatalogError with every problem where there is none."""
        if self.snapshot is None:
            raise CatalogError("\n".join(str(problem) for problem in self.problems))
        return self.snapshot


class DirectoryLoader:
    """Loads a catalog directory, again and again: a script that has not changed is not checked again."""

    __slots__ = ("_checked", "catalog", "confirm", "decisions", "modules")

    def __init__(
        self,
        catalog: CatalogSection,
        decisions: DecisionSection,
        *,
        modules: Collection[str] = AVAILABLE,
        confirm: Confirm | None = None,
    ) -> None:
        self.catalog = catalog
        self.decisions = decisions
        self.modules = modules
        self.confirm = confirm
        self._checked: dict[CheckKey, tuple[Problem, ...]] = {}

    def load(self) -> Loaded:
        """Reads and checks everything. Blocks for as long as that takes: to be called in a thread."""
        load = _Load(self, self._checked)
        loaded = load.run()
        self._checked = load.checked
        return loaded


@dataclass(frozen=True, slots=True)
class _Described:
    """A script to be: its entry in assignments.toml at ``path``, or for a file without one, none."""

    id: str
    entry: ScriptEntry
    path: KeyPath | None


class _Load:
    """One load: everything found so far and everything wrong so far."""

    def __init__(self, loader: DirectoryLoader, checked_before: dict[CheckKey, tuple[Problem, ...]]) -> None:
        self.directory = loader.catalog.directory
        self.script_bytes = loader.catalog.script_bytes
        self.decisions = loader.decisions
        self.confirm = loader.confirm
        self.modules = loader.modules
        self.checked_before = checked_before
        self.checked: dict[CheckKey, tuple[Problem, ...]] = {}
        self.problems: list[Problem] = []
        self.sources: dict[str, str] = {}
        self.scripts: dict[str, Script] = {}
        self.broken: set[str] = set()
        """Ids of scripts that are there and cannot be used."""
        self.first: list[Assignment] = []
        self.last: list[Assignment] = []
        self.routes: dict[tuple[str, str], Assignment] = {}
        self.dids: dict[str, Assignment] = {}
        self.destinations: dict[str, VoiceAssignment] = {}

    def run(self) -> Loaded:
        file = self.directory / ASSIGNMENTS
        text = self._read(file, ASSIGNMENTS_BYTES)
        if text is not None:
            try:
                source = parse_toml(text)
            except TomlSyntaxError as error:
                # The scripts are not looked at: only their entries say which of them are Apps.
                self._say(file, error.line, error.column, error.message)
            else:
                entries = read_entries(source, str(file))
                self._read_scripts(entries)
                self._assign(entries)
                self.problems += entries.problems
        return self._loaded(str(file))

    def _loaded(self, assignments: str) -> Loaded:
        problems = sorted(
            set(self.problems), key=lambda one: (one.file != assignments, one.file, one.line, one.column, one.message)
        )
        snapshot = None
        if not any(problem.severity is Severity.ERROR for problem in problems):
            snapshot = Snapshot(
                scripts=self.scripts,
                routes=self.routes,
                dids=self.dids,
                destinations=self.destinations,
                first=tuple(self.first),
                last=tuple(self.last),
            )
            snapshot = replace(snapshot, version=snapshot_version(snapshot))
        return Loaded(snapshot, tuple(problems), self.sources)

    def _say(self, file: Path, line: int, column: int, message: str) -> None:
        self.problems.append(Problem(str(file), line, column, Severity.ERROR, message))

    def _read(self, file: Path, limit: int) -> str | None:
        try:
            text = read_text_file(file, self.directory, limit)
        except UnusableFileError as error:
            self.problems.append(error.problem)
            return None
        self.sources[str(file)] = text
        return text

    def _read_scripts(self, entries: Entries) -> None:
        self.broken |= entries.broken_ids
        folder = self.directory / SCRIPTS
        described = [
            _Described(entry.id or Path(entry.file).stem, entry, path)
            for path, entry in entries.found
            if isinstance(entry, ScriptEntry)
        ]
        files_with_entry = entries.broken_files.union(one.entry.file for one in described)
        described += [
            _Described(Path(name).stem, ScriptEntry(file=name), None)
            for name in self._script_files(folder)
            if name not in files_with_entry
        ]
        by_id: dict[str, _Described] = {}
        by_uuid: dict[str, str] = {}
        for one in described:
            time.sleep(0)  # lets the event loop's thread go first; a check of one script is about a millisecond
            if not self._is_new(entries, one, by_id):
                continue
            by_id[one.id] = one
            script = self._script(entries, folder, one)
            if script is None:
                self.broken.add(one.id)
                continue
            other = by_uuid.setdefault(script.uuid, one.id)
            if other != one.id:
                self._complain(entries, folder, one, "uuid", f"uuid {script.uuid} is that of script {other!r} already")
            self.scripts[one.id] = script
            if one.path is not None:
                self._run_on_every_call(entries, one.path, script, one.entry)

    def _is_new(self, entries: Entries, one: _Described, by_id: dict[str, _Described]) -> bool:
        other = by_id.get(one.id)
        if other is None:
            return True
        where = f"the file {other.entry.file!r}"
        if other.path is not None:
            where = f"line {entries.source.place(other.path)[0]} of {ASSIGNMENTS}"
        self._complain(entries, self.directory / SCRIPTS, one, "id", f"the script id {one.id!r} is taken by {where}")
        return False

    def _complain(self, entries: Entries, folder: Path, one: _Described, key: str, message: str) -> None:
        """At the script's entry if it has one, else at its file."""
        if one.path is None:
            self._say(folder / one.entry.file, 0, 0, message)
        else:
            entries.say((*one.path, key), message)

    def _script_files(self, folder: Path) -> list[str]:
        """Names of the files directly in the folder that are scripts; hidden ones belong to editors."""
        try:
            names = sorted(one.name for one in os.scandir(folder))
        except OSError as error:
            self._say(folder, 0, 0, f"cannot be read: {error.strerror or error}")
            return []
        names = [name for name in names if name.endswith(".js") and not name.startswith(".")]
        for name in [name for name in names if not _is_unicode(name)]:
            names.remove(name)
            self._say(folder, 0, 0, f"the file name {name!a} is not UTF-8")
        return names

    def _script(self, entries: Entries, folder: Path, one: _Described) -> Script | None:
        entry = one.entry
        relative = Path(entry.file)
        if relative.is_absolute() or ".." in relative.parts or "\x00" in entry.file:
            self._complain(entries, folder, one, "file", f"file: {entry.file!r} leads out of {SCRIPTS}/")
            return None
        file = folder / relative
        text = self.sources.get(str(file))
        if text is None:
            before = len(self.problems)
            text = self._read(file, self.script_bytes)
            if text is None:
                problem = self.problems[before]
                if one.path is not None and not problem.line:
                    self.problems.pop()
                    entries.say((*one.path, "file"), f"file: {SCRIPTS}/{entry.file} {problem.message}")
                return None
        if not self._check(file, text, entry.kind):
            return None
        script = Script(
            id=one.id,
            name=entry.name or entry.file,
            version="",
            kind=entry.kind,
            text=text,
            uuid=str(uuid.UUID(entry.uuid)) if entry.uuid else str(uuid.uuid5(SCRIPT_NAMESPACE, one.id)),
            app=entry.app,
            environment=entry.environment,
            memory_bytes=entry.memory_bytes,
        )
        return replace(script, version=script_version(script))

    def _check(self, file: Path, text: str, kind: Kind) -> bool:
        key = kind, str(file), hashlib.sha256(text.encode()).digest()
        problems = self.checked_before.get(key)
        if problems is None:
            problems = check_script(text, kind, str(file), confirm=self.confirm, modules=self.modules)
        self.checked[key] = problems
        self.problems += problems
        return not any(problem.severity is Severity.ERROR for problem in problems)

    def _run_on_every_call(self, entries: Entries, path: KeyPath, script: Script, entry: ScriptEntry) -> None:
        if entry.global_routing_priority is GlobalPriority.FIRST:
            self.first.append(self._assignment(script, entry))
        elif entry.global_routing_priority is GlobalPriority.LAST:
            self.last.append(self._assignment(script, entry))
        else:
            for key in DecisionEntry.__struct_fields__:
                if (*path, key) in entries.source.keys:
                    message = f"{key} has no effect: the script's global_routing_priority is 'disabled'"
                    entries.say((*path, key), message, Severity.WARNING)

    def _assign(self, entries: Entries) -> None:
        taken: dict[tuple[str, ...], KeyPath] = {}
        for path, entry in entries.found:
            if isinstance(entry, RouteEntry):
                key: tuple[str, ...] = (entry.customer, entry.route or "")
                calls = f"customer {entry.customer!r}, " + (f"route {entry.route!r}" if entry.route else "every route")
            elif isinstance(entry, DidEntry):
                key, calls = (entry.did,), f"DID {entry.did!r}"
            elif isinstance(entry, DestinationEntry):
                key, calls = ("destination", "", entry.destination), f"destination {entry.destination!r}"
            else:
                continue
            other = taken.setdefault(key, path)
            if other != path:
                entries.say(path, f"{calls}: assigned on line {entries.source.place(other)[0]} already")
            script = self.scripts.get(entry.script)
            if script is None:
                if entry.script not in self.broken:
                    entries.say((*path, "script"), unknown_script(entry.script, self.scripts))
            elif isinstance(entry, RouteEntry):
                self.routes[entry.customer, entry.route or ""] = self._assignment(script, entry)
            elif isinstance(entry, DestinationEntry):
                if script.kind is not Kind.APP:
                    message = f'the script {entry.script!r} cannot drive a call: only an App can (kind = "app")'
                    entries.say((*path, "script"), message)
                self.destinations[entry.destination] = VoiceAssignment(
                    script_id=script.id,
                    customer=entry.customer,
                    variables=entry.vars if isinstance(entry.vars, dict) else {},
                )
            else:
                self.dids[entry.did] = self._assignment(script, entry)

    def _assignment(self, script: Script, entry: DecisionEntry) -> Assignment:
        return Assignment(
            script_id=script.id,
            timeout_ms=entry.timeout_ms or self.decisions.timeout_ms,
            timeout_action=parse_action(entry.timeout_action or self.decisions.timeout_action),
            error_action=parse_action(entry.error_action or self.decisions.error_action),
            variables=entry.vars if isinstance(entry.vars, dict) else {},
        )


def script_version(script: Script) -> str:
    """A short hash over everything that a run depends on."""
    content = (
        script.id,
        script.name,
        script.kind,
        script.text,
        script.uuid,
        script.app,
        sorted(script.environment.items()),
        script.memory_bytes,
    )
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:VERSION_CHARACTERS]


def snapshot_version(snapshot: Snapshot) -> str:
    """A short hash over everything in a snapshot: the same on every machine with the same scripts and assignments."""
    hashed = hashlib.sha256()

    def add(where: tuple[str, ...], assignment: Assignment) -> None:
        answers = [str(answer or "") for answer in (assignment.timeout_action, assignment.error_action)]
        content = where, assignment.script_id, assignment.timeout_ms, answers, assignment.variables
        hashed.update(msgspec.json.encode(content, order="deterministic"))

    for script in sorted(snapshot.scripts.values(), key=lambda script: script.id):
        hashed.update(msgspec.json.encode((script.id, script.version)))
    for key, assignment in sorted(snapshot.routes.items(), key=lambda item: item[0]):
        add(("route", *key), assignment)
    for did, assignment in sorted(snapshot.dids.items(), key=lambda item: item[0]):
        add(("did", did), assignment)
    for dialled, voice in sorted(snapshot.destinations.items(), key=lambda item: item[0]):
        told = ("destination", dialled), voice.script_id, voice.customer, voice.variables
        hashed.update(msgspec.json.encode(told, order="deterministic"))
    for where, assignments in (("first", snapshot.first), ("last", snapshot.last)):
        for assignment in assignments:
            add((where,), assignment)
    return hashed.hexdigest()[:VERSION_CHARACTERS]


def unknown_script(name: str, scripts: Mapping[str, Script]) -> str:
    """The complaint about an assignment that points nowhere, with the nearest script there is."""
    nearest = difflib.get_close_matches(name, scripts, n=1, cutoff=0.6)
    return f"there is no script {name!r}" + (f"; did you mean {nearest[0]!r}?" if nearest else "")


def _is_unicode(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)
