"""The catalog as files: ``assignments.toml`` and ``scripts/*.js``, read into entries and compiled as a whole."""

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, cast

from sidecar.catalog.compile import Compiled, Rules, compile_catalog
from sidecar.catalog.directory.document import Document
from sidecar.catalog.directory.entries import ScriptTable, TablePlace
from sidecar.catalog.directory.script_files import UnusableFileError, file_digest, read_file, read_text_file, text_of
from sidecar.catalog.entries import Entries, Key, Place, ScriptEntry
from sidecar.catalog.source import Loaded
from sidecar.configuration.toml_source import TomlSyntaxError
from sidecar.configuration.tree import CatalogSection, DecisionSection
from sidecar.kind import Kind
from sidecar.language.check import Confirm, check_script
from sidecar.language.es_module import Prepared, prepare
from sidecar.language.modules import AVAILABLE
from sidecar.problem import Problem, Severity

ASSIGNMENTS: Final = "assignments.toml"
SCRIPTS: Final = "scripts"
ASSIGNMENTS_BYTES: Final = 16_777_216
"""About 100,000 assignments."""

_FileKey = tuple[Kind, str, bytes, frozenset[str]]
"""Kind, file, digest of its text, and the modules that the script may name."""


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


class DirectoryLoader:
    """Loads a catalog directory, again and again: what has not changed is neither read nor checked again."""

    __slots__ = ("_checked", "_compiled", "_document", "catalog", "confirm", "rules")

    def __init__(
        self,
        catalog: CatalogSection,
        decisions: DecisionSection,
        *,
        modules: Collection[str] = AVAILABLE,
        confirm: Confirm | None = None,
    ) -> None:
        self.catalog = catalog
        self.confirm = confirm
        self.rules = Rules(decisions, frozenset(modules))
        self._checked: dict[_FileKey, _Checked] = {}
        self._document: Document | None = None
        self._compiled: Compiled | None = None

    def load(self) -> Loaded:
        """Reads, checks and compiles. Blocks for as long as that takes: to be called in a thread."""
        file = self.catalog.directory / ASSIGNMENTS
        try:
            document = self._read_document(file)
        except UnusableFileError as error:
            return Loaded(None, (error.problem,))
        except TomlSyntaxError as error:
            # The scripts are not looked at: only their entries say which of them are Apps.
            problem = Problem(str(file), error.line, error.column, Severity.ERROR, error.message)
            sources = {}
            with contextlib.suppress(UnusableFileError):
                sources[str(file)] = read_text_file(file, self.catalog.directory, ASSIGNMENTS_BYTES)
            return Loaded(None, (problem,), sources)
        scripts = _Scripts(self.catalog, document, self._checked, self._check, self.rules)
        entries = Entries(tuple(scripts.entries()), document.assignments, frozenset(document.broken_ids))
        compiled = compile_catalog(entries, self.rules, self._compiled)
        problems = [*document.problems, *scripts.problems, *self._problems(document, compiled)]
        sources = scripts.sources
        if problems and document is not self._document:
            sources[str(file)] = document.text()
        document.close()
        self._document, self._checked, self._compiled = document, scripts.checked, compiled
        has_errors = any(problem.severity is Severity.ERROR for problem in problems)
        return Loaded(
            None if has_errors else compiled.snapshot,
            tuple(sorted(set(problems), key=lambda one: (one.file != str(file), *_order(one)))),
            sources,
        )

    def _check(self, text: str, kind: Kind, file: Path, modules: frozenset[str]) -> _Checked:
        problems = check_script(text, kind, str(file), confirm=self.confirm, modules=modules)
        has_errors = any(problem.severity is Severity.ERROR for problem in problems)
        return _Checked(text, problems, None if has_errors else prepare(text, kind))

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
        check: Callable[[str, Kind, Path, frozenset[str]], _Checked],
        rules: Rules,
    ) -> None:
        self._catalog = catalog
        self._folder = catalog.directory / SCRIPTS
        self._document = document
        self._checked_before = checked_before
        self._check = check
        self._rules = rules
        self._contents: dict[Path, bytes] = {}
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
            if name not in with_entry:
                yield self._entry(FilePlace(name), ScriptTable(file=name), frozenset())

    def _entry(self, place: Place, table: ScriptTable, given: frozenset[str]) -> ScriptEntry:
        time.sleep(0)  # lets the event loop's thread go first; a check of one script is about a millisecond
        checked = self._look(place, table)
        return ScriptEntry(
            place=place,
            id=table.id or Path(table.file).stem,
            name=table.name or table.file,
            kind=table.kind,
            text=checked.text if checked is not None else "",
            prepared=checked.prepared if checked is not None else None,
            uuid=table.uuid,
            app=table.app,
            environment=table.environment,
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
            checked = self._checked(file, table.kind, self._rules.known_to(table.modules))
        except UnusableFileError as error:
            if error.problem.line or isinstance(place, FilePlace):
                self.problems.append(error.problem)
            else:
                self._say(place, f"file: {SCRIPTS}/{table.file} {error.problem.message}")
            return None
        self.sources[str(file)] = checked.text
        self.problems += checked.problems
        return checked

    def _say(self, place: Place, message: str) -> None:
        where = _where(self._catalog.directory, self._document, place, ("file",))
        self.problems.append(Problem(*where, Severity.ERROR, message))

    def _checked(self, file: Path, kind: Kind, modules: frozenset[str]) -> _Checked:
        content = self._contents.get(file)
        if content is None:
            content = self._contents[file] = read_file(file, self._catalog.directory, self._catalog.script_bytes)
        key = kind, str(file), hashlib.sha256(content).digest(), modules
        checked = self.checked.get(key) or self._checked_before.get(key)
        if checked is None:
            checked = self._check(text_of(file, content), kind, file, modules)
        self.checked[key] = checked
        return checked

    def _files(self) -> list[str]:
        """Names of the files directly in the folder that are scripts; hidden ones belong to editors."""
        try:
            names = sorted(one.name for one in os.scandir(self._folder))
        except OSError as error:
            message = f"cannot be read: {error.strerror or error}"
            self.problems.append(Problem(str(self._folder), 0, 0, Severity.ERROR, message))
            return []
        names = [name for name in names if name.endswith(".js") and not name.startswith(".")]
        for name in [name for name in names if not _is_unicode(name)]:
            names.remove(name)
            message = f"the file name {name!a} is not UTF-8"
            self.problems.append(Problem(str(self._folder), 0, 0, Severity.ERROR, message))
        return names


def _is_unicode(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)
