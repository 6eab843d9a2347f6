"""The catalog as files: ``assignments.toml`` and ``scripts``, read into entries and compiled as a whole."""

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple, cast

from sidecar.catalog.compile import Compiled, Rules, compile_catalog
from sidecar.catalog.directory.document import Document
from sidecar.catalog.directory.entries import ScriptTable, TablePlace
from sidecar.catalog.directory.last_good import LastGood
from sidecar.catalog.directory.script_files import (
    SCRIPT_SUFFIXES,
    UnusableFileError,
    file_digest,
    is_script_name,
    read_file,
    read_text_file,
    text_of,
)
from sidecar.catalog.directory.sibling_files import SiblingFiles
from sidecar.catalog.entries import Assignments, Entries, Key, Place, ScriptEntry
from sidecar.catalog.model import Snapshot
from sidecar.catalog.source import Broken, Loaded, ServedBy
from sidecar.configuration.toml_source import TomlSyntaxError
from sidecar.configuration.tree import CatalogSection, DecisionSection
from sidecar.kind import Kind
from sidecar.language.app_files import AppFiles, files_from
from sidecar.language.check import Confirm, check_script, without_those_for_others
from sidecar.language.modules import AVAILABLE
from sidecar.language.prepared import Prepared, prepare
from sidecar.problem import Problem, Severity

ASSIGNMENTS: Final = "assignments.toml"
SCRIPTS: Final = "scripts"
ASSIGNMENTS_BYTES: Final = 16_777_216
"""About 100,000 assignments."""

_App = tuple[str, str]
"""Tenant and app."""
_FileKey = tuple[Kind, str, bytes, frozenset[str], _App]
"""Kind, file, digest of its text, the modules that the script may name, and whose it is."""


class FilePlace(NamedTuple):
    """Where a script without an entry stands: the name of its file."""

    name: str


@dataclass(frozen=True, slots=True)
class _Checked:
    """A script's file that has been looked through."""

    text: str
    problems: tuple[Problem, ...]
    prepared: Prepared | None
    """None where one of the problems is an error."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """Texts of the files that it imports, by path below the folder of scripts."""
    needs: Mapping[str, bytes | None] = field(default_factory=dict)
    """SHA-256 of the files that were looked for, None for those that were not there."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """One compilation."""

    scripts: "_Scripts"
    compiled: Compiled
    document_is_wrong: bool
    """By more than that a script which it names is not there or is wrong itself."""


class DirectoryLoader:
    """Loads a catalog directory, again and again: what has not changed is neither read nor checked again."""

    __slots__ = ("_checked", "_compiled", "_confirm", "_document", "_engine", "catalog", "last_good", "rules")

    def __init__(
        self,
        catalog: CatalogSection,
        decisions: DecisionSection,
        *,
        modules: Collection[str] = AVAILABLE,
        engine: Callable[[], AbstractContextManager[Confirm | None]] = contextlib.nullcontext,
        last_good: LastGood | None = None,
    ) -> None:
        """``engine`` gives for one load what asks the engine itself about each script that is not known to be right;
        by default nobody is asked.

        Without ``last_good`` everything is right, or nothing is taken. With it each file serves in its last good
        version, and what has none gives its error action; ``assignments.toml`` as a whole must have been right once,
        or be TOML now."""
        self.catalog = catalog
        self.last_good = last_good
        self._engine = engine
        self._confirm: Confirm | None = None
        self.rules = Rules(decisions, frozenset(modules))
        self._checked: dict[_FileKey, _Checked] = {}
        self._document: Document | None = None
        self._compiled: Compiled | None = None

    def load(self) -> Loaded:
        """Reads, checks and compiles. Blocks for as long as that takes: to be called in a thread."""
        with self._engine() as confirm:
            self._confirm = confirm
            return self._load()

    def _load(self) -> Loaded:
        file = self.catalog.directory / ASSIGNMENTS
        sources: dict[str, str] = {}
        problems: list[Problem] = []
        document: Document | None = None
        try:
            document = self._read_document(file)
        except UnusableFileError as error:
            problems.append(error.problem)
        except TomlSyntaxError as error:
            problems.append(Problem(str(file), error.line, error.column, Severity.ERROR, error.message))
            with contextlib.suppress(UnusableFileError):
                sources[str(file)] = read_text_file(file, self.catalog.directory, ASSIGNMENTS_BYTES)
        try:
            snapshot: Snapshot | None = None
            broken: tuple[Broken, ...] = ()
            if document is not None:
                tried = self._compile(document)
                problems += [*document.problems, *tried.scripts.problems, *self._problems(document, tried.compiled)]
                sources |= tried.scripts.sources
                if problems and document is not self._document:
                    sources[str(file)] = document.text()
                has_errors = any(problem.severity is Severity.ERROR for problem in problems)
                snapshot = None if has_errors else tried.compiled.snapshot
                if self.last_good is not None:
                    self._keep(self.last_good, document, tried, all_of_them=snapshot is not None)
                    if snapshot is None:
                        snapshot, broken = self._partial(self.last_good, document, tried)
            elif self.last_good is not None:
                # The scripts are looked at only where the last good document says which of them are Apps.
                snapshot, broken = self._last_good_document(self.last_good)
        finally:
            if document is not None:
                document.close()
                self._document = document
        return Loaded(
            snapshot,
            tuple(sorted(set(problems), key=lambda one: (one.file != str(file), *_order(one)))),
            sources,
            broken,
        )

    def _compile(self, document: Document, *, wrong: bool = False) -> _Tried:
        """All of a document and its scripts. ``wrong``: also what is wrong with it, each with its error action; scripts
        that are not there as they last were."""
        last_good = self.last_good
        scripts = _Scripts(self.catalog, document, self._checked, self._check, self.rules, last_good)
        assignments, entries = document.assignments, list(scripts.entries())
        if wrong and document.wrong:
            assignments = Assignments((*assignments.entries, *document.wrong), assignments.customers)
        if wrong:
            entries += scripts.wrong_entries()

        def compiled() -> Compiled:
            found = Entries(tuple(entries), assignments, frozenset(document.broken_ids), document.apps.limits)
            return compile_catalog(found, self.rules, self._compiled)

        result = self._compiled = compiled()
        if wrong and result.missing:
            entries += scripts.last_good_entries(result.missing)
            result = self._compiled = compiled()
        self._checked = scripts.checked
        return _Tried(scripts, result, document_is_wrong=bool(document.problems) or result.entries_are_wrong)

    def _keep(self, last_good: LastGood, document: Document, tried: _Tried, *, all_of_them: bool) -> None:
        right = None if tried.document_is_wrong else document
        last_good.keep(right, tried.scripts.right, all_of_them=all_of_them)

    def _partial(self, last_good: LastGood, document: Document, tried: _Tried) -> tuple[Snapshot, tuple[Broken, ...]]:
        """What there is to run by where something is wrong, and what that is."""
        if tried.document_is_wrong:
            snapshot, broken = self._last_good_document(last_good)
            if snapshot is not None:
                return snapshot, broken
        tried = self._compile(document, wrong=True)
        return tried.compiled.partial, self._broken(document, tried)

    def _last_good_document(self, last_good: LastGood) -> tuple[Snapshot | None, tuple[Broken, ...]]:
        document = last_good.document()
        if document is None:
            return None, ()
        document.reopen(_given_up)
        tried = self._compile(document, wrong=True)
        stands_in = Broken(ASSIGNMENTS, ServedBy.LAST_GOOD)
        return tried.compiled.partial, (stands_in, *self._broken(document, tried))

    def _broken(self, document: Document, tried: _Tried) -> tuple[Broken, ...]:
        partial = tried.compiled.partial
        stood_in = [Broken(f"{SCRIPTS}/{file}", ServedBy.LAST_GOOD) for file in sorted(tried.scripts.stood_in)]
        unusable = [Broken(f"script {one!r}", ServedBy.ERROR_ACTION) for one in sorted(partial.unusable)]
        wrong = [
            Broken(f"[[{place.table}]] {_identity(document, place)}", ServedBy.ERROR_ACTION)
            for place in tried.compiled.assignments.wrong
            if isinstance(place, TablePlace)
        ]
        return (*stood_in, *unusable, *wrong)

    def _check(
        self, text: str, kind: Kind, file: Path, modules: frozenset[str], beside: Mapping[str, str], app_id: str
    ) -> _Checked:
        name = self._name_of(file)
        app = _app(self.catalog, name, beside, app_id)
        # What was right at the last start is not compiled at this one: calls wait for it.
        known = self.last_good is not None and self.last_good.script(name) == text
        confirm = _unless_alone(self._confirm) if known and self._confirm is not None else self._confirm
        problems = check_script(text, kind, str(file), confirm=confirm, modules=modules, app=app)
        has_errors = any(problem.severity is Severity.ERROR for problem in problems)
        prepared = None if has_errors else prepare(text, kind, app, modules)
        read = {path: beside[path] for path in prepared.files} if prepared is not None else dict(beside)
        if not isinstance(beside, SiblingFiles):
            return _Checked(text, problems, prepared, read)
        return _Checked(text, (*beside.problems, *problems), prepared, read, dict(beside.digests))

    def _name_of(self, file: Path) -> str:
        """A script's file as its entry names it."""
        return str(file.relative_to(self.catalog.directory / SCRIPTS))

    def _read_document(self, file: Path) -> Document:
        """The document, the former one if the file is the same."""

        def read() -> bytes:
            return read_file(file, directory, ASSIGNMENTS_BYTES)

        directory, document = self.catalog.directory, self._document
        if document is not None and document.digest == file_digest(file, directory, ASSIGNMENTS_BYTES):
            document.reopen(read)
            return document
        return Document(str(file), read(), document)

    def _problems(self, document: Document, compiled: Compiled) -> Iterator[Problem]:
        for finding in compiled.findings:
            file, line, column = _where(self.catalog.directory, document, finding.place, finding.key)
            yield Problem(file, line, column, finding.severity, finding.told(lambda place: _words(document, place)))


def _unless_alone(confirm: Confirm) -> Confirm:
    """Asks the engine only about a script that has files beside it, which may be other ones than they were."""
    return lambda prepared, kind: confirm(prepared, kind) if prepared.files else ()


def _app(catalog: CatalogSection, name: str, beside: Mapping[str, str], app: str) -> AppFiles:
    """What a script of an app may import."""
    return files_from(PurePosixPath(name).as_posix(), beside, app, str(catalog.directory / SCRIPTS))


def _folder_of(path: str) -> str:
    """The folder directly in scripts/ that a file is in; empty for one that is in none."""
    first, slash, _ = path.partition("/")
    return first if slash else ""


def _key_beside(name: str, path: str) -> str:
    """A file that a script imports among the last good texts: each script has its own, whose other files may be of
    another time."""
    return f"{name}\n{path}"


def _given_up() -> bytes:
    """In place of the file of a document that is not the file any more: nobody is told lines of it."""
    raise UnusableFileError(Problem(ASSIGNMENTS, 0, 0, Severity.ERROR, "is another one by now"))


def _identity(document: Document, place: TablePlace) -> str:
    line, _ = document.line_and_column(place)
    return f"on line {line}" if line else f"number {place.number + 1}"


def _order(problem: Problem) -> tuple[str, int, int, str]:
    return problem.file, problem.line, problem.column, problem.message


def _where(directory: Path, document: Document, place: Place, key: Key = ()) -> tuple[str, int, int]:
    if isinstance(place, FilePlace):
        return str(directory / SCRIPTS / place.name), 0, 0
    return document.file, *document.line_and_column(cast(TablePlace, place), key)


def _words(document: Document, place: Place) -> str:
    """What a place is called in a complaint at another: an assignment only ever in one at the same file."""
    if isinstance(place, FilePlace):
        return f"the file {place.name!r}"
    place = cast(TablePlace, place)
    line = f"line {document.line_and_column(place)[0]}"
    return f"{line} of {ASSIGNMENTS}" if place.table == "script" else line


class _Scripts:
    """The scripts of one load: those that assignments.toml describes, and the files that it does not."""

    def __init__(
        self,
        catalog: CatalogSection,
        document: Document,
        checked_before: dict[_FileKey, _Checked],
        check: Callable[[str, Kind, Path, frozenset[str], Mapping[str, str], str], _Checked],
        rules: Rules,
        last_good: LastGood | None,
    ) -> None:
        self._catalog = catalog
        self._folder = catalog.directory / SCRIPTS
        self._document = document
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
        """Texts that are right now, by file, and by `_key_beside` those that they import."""
        self._imported: set[str] = set()
        """Files that a script which has an entry imports, also where something is wrong with it."""
        self.stood_in: set[str] = set()
        """Files in whose place their last good text is."""
        self.checked: dict[_FileKey, _Checked] = {}
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
            self.right |= {_key_beside(table.file, path): text for path, text in checked.beside.items()}
            return self._made(place, table, given, checked, "")
        # What was told of it is told all the same.
        why = next((str(one) for one in self.problems[told:] if one.severity is Severity.ERROR), "")
        return self._made(place, table, given, self._stand_in(table) or checked, why)

    def _stand_in(self, table: ScriptTable) -> _Checked | None:
        """The last text of its file that was right, if it is right for this table."""
        text = self._last_good.script(table.file) if self._last_good is not None else None
        if text is None:
            return None
        beside = _LastGoodBeside(self._last_good, table.file) if self._last_good is not None else {}
        known = self._rules.known_to(table.modules)
        checked = self._check(text, table.kind, self._folder / table.file, known, beside, table.app)
        if checked.prepared is None:
            return None
        self.stood_in.add(table.file)
        return checked

    def _made(
        self, place: Place, table: ScriptTable, given: frozenset[str], checked: _Checked | None, why: str
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

    def _look(self, place: Place, table: ScriptTable) -> _Checked | None:
        """A script's file, checked; None where it cannot be read, which has been told."""
        relative = Path(table.file)
        if relative.is_absolute() or ".." in relative.parts or "\x00" in table.file:
            self._say(place, f"file: {table.file!r} leads out of {SCRIPTS}/")
            return None
        file = self._folder / relative
        try:
            whose = table.tenant, table.app
            checked = self._checked(file, table.kind, self._rules.known_to(table.modules), whose)
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
        where = _where(self._catalog.directory, self._document, place, ("file",))
        self.problems.append(Problem(*where, Severity.ERROR, message))

    def _checked(self, file: Path, kind: Kind, modules: frozenset[str], whose: _App) -> _Checked:
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
        text = self._last_good.script(_key_beside(self._name, path))
        if text is None:
            raise KeyError(path)
        return text

    def __iter__(self) -> Iterator[str]:
        return self._last_good.with_prefix(_key_beside(self._name, ""))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _is_unicode(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)
