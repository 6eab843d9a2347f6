"""The scripts of one load of a directory: those that assignments.toml describes, and the files that it does not."""

import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple, cast

from sidecar.catalog.compile import Rules
from sidecar.catalog.directory.document import Document
from sidecar.catalog.directory.entries import ScriptTable, TablePlace
from sidecar.catalog.directory.last_good import LastGood
from sidecar.catalog.directory.script_files import (
    SCRIPT_SUFFIXES,
    UnusableFileError,
    is_script_name,
    read_file,
    text_of,
)
from sidecar.catalog.directory.sibling_files import SiblingFiles
from sidecar.catalog.entries import Key, Place, ScriptEntry
from sidecar.catalog.module_grants import NO_GRANTS
from sidecar.configuration.tree import CatalogSection
from sidecar.kind import Kind
from sidecar.language.check import without_those_for_others
from sidecar.language.prepared import Prepared
from sidecar.problem import Problem, Severity

SCRIPTS: Final = "scripts"

_App = tuple[str, str]
"""Tenant and app."""
FileKey = tuple[Kind, str, bytes, frozenset[str], _App]
"""Kind, file, digest of its text, the modules that the script may name, and whose it is."""


class FilePlace(NamedTuple):
    """Where a script without an entry stands: the name of its file."""

    name: str


@dataclass(frozen=True, slots=True)
class CheckedScript:
    """A script's file that has been looked through."""

    text: str
    problems: tuple[Problem, ...]
    prepared: Prepared | None
    """None where one of the problems is an error."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """Texts of the files that it imports, by path below the folder of scripts."""
    needs: Mapping[str, bytes | None] = field(default_factory=dict)
    """SHA-256 of the files that were looked for, None for those that were not there."""


class DirectoryScripts:
    """Reads and checks the scripts of one load, and makes their entries."""

    def __init__(
        self,
        catalog: CatalogSection,
        document: Document,
        checked_before: dict[FileKey, CheckedScript],
        check: Callable[[str, Kind, Path, frozenset[str], Mapping[str, str], str], CheckedScript],
        rules: Rules,
        last_good: LastGood | None,
    ) -> None:
        self._catalog = catalog
        self._folder = catalog.directory / SCRIPTS
        self._document = document
        self._grants = document.apps.grants
        self._checked_before = checked_before
        self._check = check
        self._rules = rules
        self._last_good = last_good
        self._contents: dict[Path, bytes] = {}
        self._owners: dict[str, set[_App]] = {}
        """Of each file that has an entry, by path."""
        self._folders: dict[str, set[_App]] = {}
        """Who has entries in each folder of scripts/."""
        for one in document.scripts:
            path = PurePosixPath(one.table.file).as_posix()
            whose = one.table.tenant, one.table.app
            self._owners.setdefault(path, set()).add(whose)
            self._folders.setdefault(_folder_of(path), set()).add(whose)
        self.right: dict[str, str] = {}
        """Texts that are right now, by file, and by `key_beside` those that they import."""
        self._imported: set[str] = set()
        """Files that a script which has an entry imports, also where something is wrong with it."""
        self.stood_in: set[str] = set()
        """Files in whose place their last good text is."""
        self.checked: dict[FileKey, CheckedScript] = {}
        self.problems: list[Problem] = []
        self.sources: dict[str, str] = {}

    def entries(self) -> Iterator[ScriptEntry]:
        """All of them, those that cannot be used without what would be run."""
        described = self._document.scripts
        with_entry = self._document.broken_files.union(one.table.file for one in described)
        for one in described:
            yield self._entry(one.place, one.table, one.given)
        for name in self._files():
            # What a script imports is a part of it, and none of its own.
            if name not in with_entry and name not in self._imported:
                yield self._entry(FilePlace(name), ScriptTable(file=name), frozenset())
        imported = {str(self._folder / path) for path in self._imported}
        self.problems = list(without_those_for_others(self.problems, imported))

    def wrong_entries(self) -> Iterator[ScriptEntry]:
        """Those of tables that something is wrong with, as far as it is sure whose they are."""
        for described, why in self._document.wrong_scripts:
            yield self._made(described.place, described.table, described.given, None, why)

    def last_good_entries(self, ids: Collection[str]) -> Iterator[ScriptEntry]:
        """Those of files that had no entry and are not there any more."""
        for one in sorted(ids):
            for suffix in SCRIPT_SUFFIXES:
                table = ScriptTable(file=f"{one}{suffix}")
                checked = self._stand_in(table)
                if checked is not None:
                    yield self._made(FilePlace(table.file), table, frozenset(), checked, "")
                    break

    def _entry(self, place: Place, table: ScriptTable, given: frozenset[str]) -> ScriptEntry:
        time.sleep(0)  # lets the event loop's thread go first; a check of one script is about a millisecond
        told = len(self.problems)
        checked = self._look(place, table)
        if checked is not None:
            self._imported |= checked.beside.keys()
        why = self._document.apps.wrong.get(table.app, "")
        if why:
            return self._made(place, table, given, None, f"its app {table.app!r}: {why}")
        if checked is not None and checked.prepared is not None:
            self.right[table.file] = checked.text
            self.right |= {key_beside(table.file, path): text for path, text in checked.beside.items()}
            return self._made(place, table, given, checked, "")
        # What was told of it is told all the same.
        why = next((str(one) for one in self.problems[told:] if one.severity is Severity.ERROR), "")
        return self._made(place, table, given, self._stand_in(table) or checked, why)

    def _stand_in(self, table: ScriptTable) -> CheckedScript | None:
        """The last text of its file that was right, if it is right for this table."""
        text = self._last_good.script(table.file) if self._last_good is not None else None
        if text is None:
            return None
        beside = _LastGoodBeside(self._last_good, table.file) if self._last_good is not None else {}
        known = self._known_to(table)
        checked = self._check(text, table.kind, self._folder / table.file, known, beside, table.app)
        if checked.prepared is None:
            return None
        self.stood_in.add(table.file)
        return checked

    def _known_to(self, table: ScriptTable) -> frozenset[str]:
        return self._rules.known_to(table.modules, self._grants.get(table.tenant, NO_GRANTS), table.app)

    def _made(
        self, place: Place, table: ScriptTable, given: frozenset[str], checked: CheckedScript | None, why: str
    ) -> ScriptEntry:
        prepared = checked.prepared if checked is not None else None
        return ScriptEntry(
            place=place,
            wrong="" if prepared is not None else why,
            id=table.id or Path(table.file).stem,
            name=table.name or table.file,
            kind=table.kind,
            text=checked.text if checked is not None else "",
            prepared=prepared,
            uuid=table.uuid,
            tenant=table.tenant,
            app=table.app,
            environment=self._document.apps.environment(table.app) | table.environment,
            memory_bytes=table.memory_bytes,
            modules=table.modules,
            global_routing_priority=table.global_routing_priority,
            timeout_ms=table.timeout_ms,
            timeout_action=table.timeout_action,
            error_action=table.error_action,
            vars=table.vars if isinstance(table.vars, dict) else {},
            given=given,
        )

    def _look(self, place: Place, table: ScriptTable) -> CheckedScript | None:
        """A script's file, checked; None where it cannot be read, which has been told."""
        relative = Path(table.file)
        if relative.is_absolute() or ".." in relative.parts or "\x00" in table.file:
            self._say(place, f"file: {table.file!r} leads out of {SCRIPTS}/")
            return None
        file = self._folder / relative
        try:
            whose = table.tenant, table.app
            checked = self._checked(file, table.kind, self._known_to(table), whose)
        except UnusableFileError as error:
            if error.problem.line or isinstance(place, FilePlace):
                self.problems.append(error.problem)
            else:
                self._say(place, f"file: {SCRIPTS}/{table.file} {error.problem.message}")
            return None
        self.sources[str(file)] = checked.text
        self.sources |= {str(self._folder / path): text for path, text in checked.beside.items()}
        self.problems += checked.problems
        return checked

    def _say(self, place: Place, message: str) -> None:
        where = place_in_files(self._catalog.directory, self._document, place, ("file",))
        self.problems.append(Problem(*where, Severity.ERROR, message))

    def _checked(self, file: Path, kind: Kind, modules: frozenset[str], whose: _App) -> CheckedScript:
        content = self._contents.get(file)
        if content is None:
            content = self._contents[file] = read_file(file, self._catalog.directory, self._catalog.script_bytes)
        key = kind, str(file), hashlib.sha256(content).digest(), modules, whose
        checked = self.checked.get(key) or self._checked_before.get(key)
        beside = SiblingFiles(
            self._folder,
            self._catalog.directory,
            self._catalog.script_bytes,
            lambda path: not self._is_of(path, whose),
        )
        if checked is not None and any(beside.digest(path) != was for path, was in checked.needs.items()):
            checked = None
        if checked is None:
            checked = self._check(text_of(file, content), kind, file, modules, beside, whose[1])
        self.checked[key] = checked
        return checked

    def _is_of(self, path: str, whose: _App) -> bool:
        """Whether a file is one of an app: what has an entry is of its app and of no other; what has none, of those
        that have an entry in its folder; where nobody has, and directly in scripts/, it is there for all."""
        folder = _folder_of(path)
        of_folder = self._folders.get(folder) if folder else None
        return whose in (self._owners.get(path) or of_folder or (whose,))

    def _files(self) -> list[str]:
        """Names of the files directly in the folder that are scripts."""
        try:
            names = sorted(one.name for one in os.scandir(self._folder))
        except OSError as error:
            message = f"cannot be read: {error.strerror or error}"
            self.problems.append(Problem(str(self._folder), 0, 0, Severity.ERROR, message))
            return []
        names = [name for name in names if is_script_name(name)]
        for name in [name for name in names if not _is_unicode(name)]:
            names.remove(name)
            message = f"the file name {name!a} is not UTF-8"
            self.problems.append(Problem(str(self._folder), 0, 0, Severity.ERROR, message))
        return names


class _LastGoodBeside(Mapping[str, str]):
    """The files that a script imported when it was right last."""

    def __init__(self, last_good: LastGood, name: str) -> None:
        self._last_good = last_good
        self._name = name

    def __getitem__(self, path: str) -> str:
        text = self._last_good.script(key_beside(self._name, path))
        if text is None:
            raise KeyError(path)
        return text

    def __iter__(self) -> Iterator[str]:
        return self._last_good.with_prefix(key_beside(self._name, ""))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _is_unicode(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)


def place_in_files(directory: Path, document: Document, place: Place, key: Key = ()) -> tuple[str, int, int]:
    if isinstance(place, FilePlace):
        return str(directory / SCRIPTS / place.name), 0, 0
    return document.file, *document.line_and_column(cast(TablePlace, place), key)


def key_beside(name: str, path: str) -> str:
    """A file that a script imports among the last good texts: each script has its own, whose other files may be of
    another time."""
    return f"{name}\n{path}"


def _folder_of(path: str) -> str:
    """The folder directly in scripts/ that a file is in; empty for one that is in none."""
    first, slash, _ = path.partition("/")
    return first if slash else ""
