"""The tables of assignments.toml: their keys and types, read with every problem and its line."""

import datetime
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import Meta

from sidecar.catalog.model import GlobalPriority
from sidecar.configuration.toml_source import KeyPath, TomlSource, TomlSyntaxError, parse_toml
from sidecar.configuration.typed_value import ActionText, UuidText, convert_value, unknown_key
from sidecar.kind import Kind
from sidecar.problem import Problem, Severity

RESERVED_VARIABLES = frozenset({"routing", "headers", "remove_headers", "egress_routing"})
"""Keys of a script's ``data`` that are the call's own."""
VARIABLES_DEPTH = 64
"""Tables within tables in vars. Dotted keys nest without bound, and whoever walks them on the call path would not."""
VARIABLES_BYTES = 262_144
"""Vars of one assignment as JSON: they go to the script with every call."""
EXACT_INTEGER = 2**53
"""Past it JavaScript's numbers are rounded."""

Name = Annotated[str, Meta(min_length=1, max_length=256)]
Milliseconds = Annotated[int, Meta(ge=1, le=3_600_000)]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What all tables have."""

    vars: dict[str, Any] | str = {}


class DecisionEntry(Entry, frozen=True, kw_only=True):
    """What Class 4 tables have; None where the configuration's own default applies."""

    timeout_ms: Milliseconds | None = None
    timeout_action: ActionText | None = None
    error_action: ActionText | None = None


class ScriptEntry(DecisionEntry, frozen=True, kw_only=True):
    """``[[script]]``: a file, and when it runs on every call, how."""

    file: Name
    id: Name | None = None
    name: Name | None = None
    kind: Kind = Kind.SCRIPT
    uuid: UuidText | None = None
    app: str = ""
    memory_bytes: Annotated[int, Meta(ge=1_000_000)] | None = None
    environment: dict[str, str] = {}
    global_routing_priority: GlobalPriority = GlobalPriority.DISABLED


class RouteEntry(DecisionEntry, frozen=True, kw_only=True):
    """``[[route]]``: a customer's route, or all of their routes."""

    customer: Name
    route: Name | None = None
    script: Name


class DidEntry(DecisionEntry, frozen=True, kw_only=True):
    """``[[did]]``: calls to one number."""

    did: Name
    script: Name


class DestinationEntry(Entry, frozen=True, kw_only=True):
    """``[[destination]]``: Class 5 calls to one number or name; ``*`` for every other. Its script is an App."""

    destination: Name
    script: Name
    customer: str = ""


SHAPES: Mapping[str, type[Entry]] = {
    "script": ScriptEntry,
    "route": RouteEntry,
    "did": DidEntry,
    "destination": DestinationEntry,
}


@dataclass(slots=True)
class Entries:
    """The tables of a document that are in order, with their paths, and the problems of the others."""

    source: TomlSource
    file: str
    found: list[tuple[KeyPath, Entry]] = field(default_factory=list)
    broken_ids: set[str] = field(default_factory=set)
    """Scripts whose entry has a problem: what points to them is not at fault as well."""
    broken_files: set[str] = field(default_factory=set)
    """Their files, which are not to be taken for files without an entry."""
    problems: list[Problem] = field(default_factory=list)

    def say(self, path: KeyPath, message: str, severity: Severity = Severity.ERROR) -> None:
        """Adds a problem at the line of a key."""
        self.problems.append(Problem(self.file, *self.source.place(path), severity, message))


def read_entries(source: TomlSource, file: str) -> Entries:
    """All tables of a document."""
    entries = Entries(source, file)
    for table, content in source.data.items():
        if table not in SHAPES:
            entries.say((table,), unknown_key(table, SHAPES))
        elif not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
            entries.say((table,), f"{table!r} is a list of tables: write [[{table}]]")
        else:
            for number, one in enumerate(content):
                _read_entry(entries, SHAPES[table], (table, number), one)
    return entries


def variables_of(source: TomlSource, file: str) -> tuple[dict[str, Any], list[Problem]]:
    """The vars in a document of their own, and what is wrong with them."""
    entries = Entries(source, file)
    return _variables(entries, (), source.data), entries.problems


def _read_entry(entries: Entries, shape: type[Entry], path: KeyPath, table: Mapping[str, Any]) -> None:
    hints = get_type_hints(shape, include_extras=True)
    before = len(entries.problems)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in hints:
            entries.say((*path, key), unknown_key(key, hints))
            continue
        try:
            values[key] = convert_value(value, hints[key])
        except ValueError as error:
            entries.say((*path, key), f"{key}: {error}")
    for declared in msgspec.structs.fields(shape):
        if declared.required and declared.name not in table:
            entries.say(path, f"[[{path[0]}]] needs the key {declared.name!r}")
    if "vars" in values:
        values["vars"] = _variables(entries, (*path, "vars"), values["vars"])
    if not any(problem.severity is Severity.ERROR for problem in entries.problems[before:]):
        entries.found.append((path, shape(**values)))
    elif shape is ScriptEntry:
        file = str(table.get("file", ""))
        entries.broken_files.add(file)
        entries.broken_ids.add(str(table.get("id", PurePath(file).stem)))


def _variables(entries: Entries, path: KeyPath, given: Mapping[str, Any] | str) -> dict[str, Any]:
    """Vars as JSON-like data, from a table or from TOML text as customers write it."""
    text_source: TomlSource | None = None
    first_line = 0
    if isinstance(given, str):
        opening = entries.source.text[entries.source.values[path] :][:4]
        line, _ = entries.source.place_of_offset(entries.source.values[path])
        # A line end directly after three quotes is no part of the text.
        first_line = line + (opening[:3] in ("'''", '"""') and opening[3:] == "\n")
        try:
            text_source = parse_toml(given)
        except TomlSyntaxError as error:
            place = (first_line + error.line - 1, error.column)
            entries.problems.append(Problem(entries.file, *place, Severity.ERROR, f"vars: {error.message}"))
            return {}
        given = text_source.data

    def say(below: KeyPath, message: str, severity: Severity = Severity.ERROR) -> None:
        if text_source is None:
            entries.say((*path, *below), message, severity)
            return
        line, column = text_source.place(below)
        entries.problems.append(Problem(entries.file, first_line + line - 1, column, severity, message))

    for key in RESERVED_VARIABLES.intersection(given):
        say((key,), f"vars: the key {key!r} is the call's own")
    if _depth(given) > VARIABLES_DEPTH:
        say((), f"vars: more than {VARIABLES_DEPTH} tables or lists within each other")
        return {}
    for below, message, severity in _foreign_to_json(given, ()):
        say(below, f"vars: {message}", severity)
    variables: dict[str, Any] = _as_json(given)
    if len(msgspec.json.encode(variables)) > VARIABLES_BYTES:
        say((), f"vars: longer than {VARIABLES_BYTES:_} bytes as JSON")
    return variables


def _depth(value: Any) -> int:
    depth = 0
    level = [value]
    while level:
        level = [
            child
            for one in level
            if isinstance(one, (dict, list))
            for child in (one.values() if isinstance(one, dict) else one)
        ]
        depth += 1
    return depth


def _foreign_to_json(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str, Severity]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield path, f"{value} has no meaning in JSON", Severity.ERROR
    elif isinstance(value, int) and abs(value) > EXACT_INTEGER:
        yield path, f"{value} is past 2^53: a script sees it rounded; write it as text", Severity.WARNING
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from _foreign_to_json(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _foreign_to_json(child, (*path, index))


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_json(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_as_json(child) for child in value]
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
