"""assignments.toml as a whole: its tables, where each stands, and what has not changed since it was last read.

Read table by table, so that a hundred thousand of them never are there at once as what tomllib makes of them: several
times their size, and the garbage collector's to walk while calls wait.
"""

import hashlib
import itertools
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, Final, NamedTuple, cast

from msgspec import structs

from sidecar.catalog.directory.apps import Apps
from sidecar.catalog.directory.carriers import Carriers
from sidecar.catalog.directory.entries import (
    TABLES,
    AnyTable,
    AppTable,
    Complaint,
    CustomerTable,
    DestinationTable,
    DidTable,
    NumberTable,
    ProviderTable,
    RouteTable,
    ScheduleTable,
    ScriptTable,
    TablePlace,
    TenantTable,
    VariableTable,
    WebhookTable,
    read_table,
    salvaged,
)
from sidecar.catalog.directory.schedules import Schedules
from sidecar.catalog.directory.script_files import UnusableFileError, text_of
from sidecar.catalog.directory.webhooks import Webhooks
from sidecar.catalog.entries import (
    AssignmentEntry,
    Assignments,
    CustomerEntry,
    DestinationEntry,
    DidEntry,
    Key,
    RouteEntry,
)
from sidecar.configuration.toml_source import KeyPath, TomlSource, parse_toml
from sidecar.configuration.typed_value import unknown_key
from sidecar.problem import Problem, Severity

_HEADER: Final = re.compile(rb"^[ \t]*\[\[[ \t]*(%b)[ \t]*\]\]" % b"|".join(map(str.encode, TABLES)), re.MULTILINE)
_ENTRIES: Mapping[type[AnyTable], type[AssignmentEntry]] = {
    RouteTable: RouteEntry,
    DidTable: DidEntry,
    DestinationTable: DestinationEntry,
}


class DescribedScript(NamedTuple):
    """A ``[[script]]`` that is in order."""

    place: TablePlace
    table: ScriptTable
    given: frozenset[str]
    """The keys that it has."""


class _Block(NamedTuple):
    """The text from one ``[[header]]`` to the next."""

    name: str
    begin: int
    text: bytes


class _Stand(NamedTuple):
    """Where a block stands in the document."""

    begin: int
    end: int
    line_before: int


class _NotByBlocksError(Exception):
    """The document says something that its blocks do not say alone."""


class Document:
    """The tables that are in order, each with its place, and the problems of the others."""

    def __init__(self, file: str, content: bytes, before: "Document | None" = None) -> None:
        """Raises TomlSyntaxError or UnusableFileError with the place of what is wrong.

        What ``before`` has read already is taken from it.
        """
        self.file = file
        self.digest = hashlib.sha256(content).digest()
        """Of the file's content."""
        self.problems: list[Problem] = []
        """Of tables that are not in order."""
        self.scripts: list[DescribedScript] = []
        self.wrong: list[AssignmentEntry] = []
        """Assignments with something wrong in them of which it is sure for what calls they are."""
        self.wrong_scripts: list[tuple[DescribedScript, str]] = []
        """Scripts likewise, and why each cannot be used."""
        self.broken_ids: set[str] = set()
        """Scripts whose table has a problem: what points to them is not at fault as well."""
        self.broken_files: set[str] = set()
        """Their files, which are not to be taken for files without an entry."""
        self.customers: dict[str, CustomerEntry] = {}
        """Those that have vars, by their names; the wrong ones too."""
        self.owners: dict[str, str] = {}
        """Their tenants."""
        self.apps = Apps()
        self.carriers = Carriers()
        self.schedules = Schedules()
        self.webhooks = Webhooks()
        self._reopen: Callable[[], bytes] | None = None
        self._content: bytes | None = content
        self._stands: dict[KeyPath, _Stand] = {}
        """By a table's path, once a place is asked for."""
        self._source: tuple[KeyPath, TomlSource] | None = None
        """Where the keys stand in the block of the table last asked for; for ``()`` in the whole document."""
        self._asked: dict[tuple[KeyPath, tuple[int, int] | None], tuple[int, int]] = {}
        self._read: dict[bytes, AssignmentEntry] = {}
        """By the text of their blocks."""
        self._by_blocks = True
        try:
            entries = list(self._read_blocks(content, before._read if before is not None else {}))
        except _NotByBlocksError:
            self._by_blocks = False
            self._read = {}
            entries = list(self._read_whole())
        for place, complaint in self.apps.complaints([(one.place, one.table) for one in self.scripts]):
            self._say(place, complaint)
        for place, complaint in self.carriers.complaints([one.table for one in self.scripts]):
            self._say(place, complaint)
        for place, complaint in itertools.chain(self.schedules.complaints(), self.webhooks.complaints()):
            self._say(place, complaint)
        self.assignments = Assignments(tuple(entries), self.customers)

    def close(self) -> None:
        """Give up the content; `reopen` gives it back for a place that was not asked for before."""
        self._reopen = self._content = self._source = None
        self._stands = {}

    def reopen(self, read: Callable[[], bytes]) -> None:
        """Take what reads the file, for the places that will be asked for."""
        self._reopen = read

    def content(self) -> bytes:
        """The whole file as it was read. Raises UnusableFileError where it is given up and cannot be read any more."""
        return self._whole()

    def text(self) -> str:
        """The whole text. Raises UnusableFileError where the file cannot be read any more."""
        return text_of(Path(self.file), self._whole())

    def line_and_column(
        self, place: TablePlace | None, key: Key = (), within: tuple[int, int] | None = None
    ) -> tuple[int, int]:
        """Both from 1, of a key of a table or of the document, or of what stands there within the text that it is."""
        asked = (*(place.path if place is not None else ()), *key), within
        if asked not in self._asked:
            try:
                self._asked[asked] = self._find(*asked)
            except UnusableFileError:
                # It has changed since its digest was taken: what is found now is not going to be used.
                return 0, 0
        return self._asked[asked]

    # ---- reading ----

    def _read_blocks(self, content: bytes, before: Mapping[bytes, AssignmentEntry]) -> Iterator[AssignmentEntry]:
        """Reads as what all blocks together are, if each is one table and nothing else.

        A block that begins within a text of several lines does not parse, nor does the one before it.
        """
        self._start()
        count = dict.fromkeys(TABLES, 0)
        for name, _, block in _blocks(content):
            if not name:
                _alone(block, ())
                continue
            place = TablePlace(name, count[name])
            count[name] += 1
            entry = before.get(block)
            if entry is None:
                entry = self._read_table(place, _alone(block, (name,))[name][0])
            elif entry.place != place:
                entry = structs.replace(entry, place=place)
            if entry is not None:
                self._read[block] = entry
                yield entry

    def _read_whole(self) -> Iterator[AssignmentEntry]:
        self._start()
        source = parse_toml(self.text())
        self._source = (), source
        for name, content in source.data.items():
            if name not in TABLES:
                self._say(None, Complaint((name,), unknown_key(name, TABLES)))
            elif not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
                self._say(None, Complaint((name,), f"{name!r} is a list of tables: write [[{name}]]"))
            else:
                for number, table in enumerate(content):
                    entry = self._read_table(TablePlace(name, number), table)
                    if entry is not None:
                        yield entry

    def _start(self) -> None:
        self.problems.clear()
        self.scripts.clear()
        self.wrong.clear()
        self.wrong_scripts.clear()
        self.broken_ids.clear()
        self.broken_files.clear()
        self.customers.clear()
        self.owners.clear()
        self.apps = Apps()
        self.carriers = Carriers()
        self.schedules = Schedules()
        self.webhooks = Webhooks()
        self._source = None
        self._asked.clear()

    def _read_table(self, place: TablePlace, given: Mapping[str, Any]) -> AssignmentEntry | None:
        """The entry of an assignment that is in order; what else the table is, is kept."""
        table, complaints = read_table(place.table, given)
        for complaint in complaints:
            self._say(place, complaint)
        if isinstance(table, ScriptTable):
            self.scripts.append(DescribedScript(place, table, frozenset(given)))
        elif isinstance(table, CustomerTable):
            self._add_customer(place, table)
        elif isinstance(table, (TenantTable, AppTable, VariableTable)):
            self.apps.add(place, table)
        elif isinstance(table, (ProviderTable, NumberTable)):
            self.carriers.add(place, table)
        elif isinstance(table, ScheduleTable):
            self.schedules.add(place, table)
        elif isinstance(table, WebhookTable):
            self.webhooks.add(place, table)
        elif table is not None:
            return _ENTRIES[type(table)](place=place, **structs.asdict(table))
        else:
            self._salvage(place, given, complaints[0].message)
        if table is None and place.table == "script":
            file, script_id = given.get("file"), given.get("id")
            if isinstance(file, str):
                self.broken_files.add(file)
                script_id = PurePath(file).stem if script_id is None else script_id
            if isinstance(script_id, str):
                self.broken_ids.add(script_id)
        return None

    def _add_customer(self, place: TablePlace, table: CustomerTable, wrong: str = "") -> None:
        name = table.customer
        other = self.customers.get(name)
        if other is not None:
            line, _ = self.line_and_column(cast(TablePlace, other.place))
            self._say(place, Complaint(("customer",), f"customer {name!r}: has vars on line {line} already"))
            return
        variables = table.vars if isinstance(table.vars, dict) else {}
        self.customers[name] = CustomerEntry(place=place, customer=name, vars=variables, wrong=wrong)
        self.owners[name] = table.tenant

    def _salvage(self, place: TablePlace, given: Mapping[str, Any], why: str) -> None:
        table = salvaged(place.table, given)
        if isinstance(table, ScriptTable):
            self.wrong_scripts.append((DescribedScript(place, table, frozenset(given)), why))
        elif isinstance(table, CustomerTable):
            self._add_customer(place, table, why)
        elif isinstance(table, VariableTable):
            self.apps.wrong[table.app] = why
        elif table is not None and type(table) in _ENTRIES:
            self.wrong.append(_ENTRIES[type(table)](place=place, wrong=why, **structs.asdict(table)))

    def _say(self, place: TablePlace | None, complaint: Complaint) -> None:
        where = self.line_and_column(place, complaint.key, complaint.within)
        self.problems.append(Problem(self.file, *where, Severity.ERROR, complaint.message))

    # ---- places ----

    def _find(self, path: KeyPath, within: tuple[int, int] | None) -> tuple[int, int]:
        source, line_before, path = self._source_of(path)
        variables = next((path[:end] for end in range(1, len(path) + 1) if path[end - 1] == "vars"), None)
        if variables is not None and variables in source.values:
            text, first_line = _text_at(source, variables)
            if text is not None and (within or len(path) > len(variables)):
                line, column = within or parse_toml(text).place(path[len(variables) :])
                return line_before + first_line + line - 1, column
        line, column = source.place(path)
        return line_before + line, column

    def _source_of(self, path: KeyPath) -> tuple[TomlSource, int, KeyPath]:
        """What has a path, the line before it, and the path in it."""
        if not self._by_blocks:
            if self._source is None:
                self._source = (), parse_toml(self.text())
            return self._source[1], 0, path
        table = path[:2]
        if not self._stands:
            self._stands = dict(_stands(self._whole()))
        stand = self._stands[table]
        if self._source is None or self._source[0] != table:
            self._source = table, parse_toml(_text(self._whole()[stand.begin : stand.end]))
        return self._source[1], stand.line_before, (path[0], 0, *path[2:])

    def _whole(self) -> bytes:
        if self._content is None:
            assert self._reopen is not None  # noqa: S101 - places are asked for while a catalog is loaded
            content = self._reopen()
            if hashlib.sha256(content).digest() != self.digest:
                raise UnusableFileError(Problem(self.file, 0, 0, Severity.ERROR, "has changed meanwhile"))
            self._content = content
        return self._content


def _text(block: bytes) -> str:
    return block.decode("utf-8-sig").replace("\r\n", "\n")


def _alone(block: bytes, names: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    """What a block says: one table under each of these names and nothing else. Raises _NotByBlocksError."""
    try:
        data = tomllib.loads(_text(block))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise _NotByBlocksError from error
    if tuple(data) != names or not all(isinstance(one, list) and len(one) == 1 for one in data.values()):
        raise _NotByBlocksError
    return data


def _blocks(content: bytes) -> Iterator[_Block]:
    """What stands before the first header, under an empty name, and each header with what follows."""
    name, begin = "", 0
    for header in _HEADER.finditer(content):
        yield _Block(name, begin, content[begin : header.start()])
        name, begin = header[1].decode(), header.start()
    yield _Block(name, begin, content[begin:])


def _stands(content: bytes) -> Iterator[tuple[KeyPath, _Stand]]:
    count: Counter[str] = Counter()
    line = 0
    for name, begin, block in _blocks(content):
        yield (name, count[name]), _Stand(begin, begin + len(block), line)
        count[name] += 1
        line += block.count(b"\n")


def _text_at(source: TomlSource, path: KeyPath) -> tuple[str | None, int]:
    """The text that is the value of a path, None where it is none, and the line on which it begins."""
    value: Any = source.data
    for key in path:
        value = value[key]
    if not isinstance(value, str):
        return None, 0
    offset = source.values[path]
    opening = source.text[offset : offset + 4]
    line, _ = source.place_of_offset(offset)
    # A line end directly after three quotes is no part of the text.
    return value, line + (opening[:3] in ("'''", '"""') and opening[3:] == "\n")
