"""The catalog as files: ``assignments.toml`` and ``scripts``, read into entries and compiled as a whole."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, cast

from sidecar.catalog.compile import Compiled, Rules, compile_catalog
from sidecar.catalog.directory.document import Document
from sidecar.catalog.directory.entries import TablePlace
from sidecar.catalog.directory.last_good import LastGood
from sidecar.catalog.directory.script_files import (
    UnusableFileError,
    file_digest,
    read_file,
    read_text_file,
)
from sidecar.catalog.directory.scripts import (
    SCRIPTS,
    CheckedScript,
    DirectoryScripts,
    FileKey,
    FilePlace,
    place_in_files,
)
from sidecar.catalog.directory.sibling_files import SiblingFiles
from sidecar.catalog.entries import Assignments, Entries, Place
from sidecar.catalog.model import Snapshot
from sidecar.catalog.module_grants import NOTHING_INSTALLED, InstalledModules
from sidecar.catalog.source import Broken, Loaded, ServedBy
from sidecar.configuration.toml_source import TomlSyntaxError
from sidecar.configuration.tree import CatalogSection, DecisionSection
from sidecar.kind import Kind
from sidecar.language.app_files import AppFiles, files_from
from sidecar.language.check import Confirm, check_script
from sidecar.language.modules import AVAILABLE
from sidecar.language.prepared import prepare
from sidecar.problem import Problem, Severity

ASSIGNMENTS: Final = "assignments.toml"
ASSIGNMENTS_BYTES: Final = 16_777_216
"""About 100,000 assignments."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """One compilation."""

    scripts: DirectoryScripts
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
        installed: InstalledModules = NOTHING_INSTALLED,
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
        self.rules = Rules(decisions, frozenset(modules), installed=installed)
        self._checked: dict[FileKey, CheckedScript] = {}
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
        scripts = DirectoryScripts(self.catalog, document, self._checked, self._check, self.rules, last_good)
        assignments, entries = document.assignments, list(scripts.entries())
        if wrong and document.wrong:
            assignments = Assignments((*assignments.entries, *document.wrong), assignments.customers)
        if wrong:
            entries += scripts.wrong_entries()

        def compiled() -> Compiled:
            broken, apps = frozenset(document.broken_ids), document.apps
            found = Entries(tuple(entries), assignments, broken, apps.limits, apps.grants)
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
        unusable = [
            Broken(f"script {tried.compiled.called(one)}", ServedBy.ERROR_ACTION) for one in sorted(partial.unusable)
        ]
        wrong = [
            Broken(f"[[{place.table}]] {_identity(document, place)}", ServedBy.ERROR_ACTION)
            for place in tried.compiled.assignments.wrong
            if isinstance(place, TablePlace)
        ]
        return (*stood_in, *unusable, *wrong)

    def _check(
        self, text: str, kind: Kind, file: Path, modules: frozenset[str], beside: Mapping[str, str], app_id: str
    ) -> CheckedScript:
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
            return CheckedScript(text, problems, prepared, read)
        return CheckedScript(text, (*beside.problems, *problems), prepared, read, dict(beside.digests))

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
            file, line, column = place_in_files(self.catalog.directory, document, finding.place, finding.key)
            yield Problem(file, line, column, finding.severity, finding.told(lambda place: _words(document, place)))


def _unless_alone(confirm: Confirm) -> Confirm:
    """Asks the engine only about a script that has files beside it, which may be other ones than they were."""
    return lambda prepared, kind: confirm(prepared, kind) if prepared.files else ()


def _app(catalog: CatalogSection, name: str, beside: Mapping[str, str], app: str) -> AppFiles:
    """What a script of an app may import."""
    return files_from(PurePosixPath(name).as_posix(), beside, app, str(catalog.directory / SCRIPTS))


def _given_up() -> bytes:
    """In place of the file of a document that is not the file any more: nobody is told lines of it."""
    raise UnusableFileError(Problem(ASSIGNMENTS, 0, 0, Severity.ERROR, "is another one by now"))


def _identity(document: Document, place: TablePlace) -> str:
    line, _ = document.line_and_column(place)
    return f"on line {line}" if line else f"number {place.number + 1}"


def _order(problem: Problem) -> tuple[str, int, int, str]:
    return problem.file, problem.line, problem.column, problem.message


def _words(document: Document, place: Place) -> str:
    """What a place is called in a complaint at another: an assignment only ever in one at the same file."""
    if isinstance(place, FilePlace):
        return f"the file {place.name!r}"
    place = cast(TablePlace, place)
    line = f"line {document.line_and_column(place)[0]}"
    return f"{line} of {ASSIGNMENTS}" if place.table == "script" else line
