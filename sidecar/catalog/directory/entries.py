"""The tables of assignments.toml: their keys and types, read with every problem and its line."""

import datetime
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, NamedTuple, get_type_hints

import msgspec
from msgspec import Meta

from sidecar.catalog.entries import Key
from sidecar.catalog.model import GlobalPriority
from sidecar.catalog.variables import too_deep, wrong_variables
from sidecar.configuration.toml_source import KeyPath, TomlSource, TomlSyntaxError, parse_toml
from sidecar.configuration.typed_value import ActionText, UuidText, convert_value, unknown_key
from sidecar.kind import Kind
from sidecar.problem import Problem

Name = Annotated[str, Meta(min_length=1, max_length=256)]
Milliseconds = Annotated[int, Meta(ge=1, le=3_600_000)]
MemoryBytes = Annotated[int, Meta(ge=1_000_000, le=2**63 - 1)]
"""At most what the engine has a number for."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What all tables have."""

    vars: dict[str, Any] | str = {}


class DecisionTable(Table, frozen=True, kw_only=True):
    """What Class 4 tables have; None where the configuration's own default applies."""

    timeout_ms: Milliseconds | None = None
    timeout_action: ActionText | None = None
    error_action: ActionText | None = None


class ScriptTable(DecisionTable, frozen=True, kw_only=True):
    """``[[script]]``: a file, and when it runs on every call, how."""

    file: Name
    id: Name | None = None
    name: Name | None = None
    kind: Kind = Kind.SCRIPT
    uuid: UuidText | None = None
    app: str = ""
    memory_bytes: MemoryBytes | None = None
    environment: dict[str, str] = {}
    modules: tuple[Name, ...] | None = None
    global_routing_priority: GlobalPriority = GlobalPriority.DISABLED


class RouteTable(DecisionTable, frozen=True, kw_only=True):
    """``[[route]]``: a customer's route, or all of their routes."""

    customer: Name
    route: Name | None = None
    script: Name


class DidTable(DecisionTable, frozen=True, kw_only=True):
    """``[[did]]``: calls to one number."""

    did: Name
    script: Name


class DestinationTable(Table, frozen=True, kw_only=True):
    """``[[destination]]``: Class 5 calls to one number or name; ``*`` for every other. Its script is an App."""

    destination: Name
    script: Name
    customer: str = ""


TABLES: Mapping[str, type[Table]] = {
    "script": ScriptTable,
    "route": RouteTable,
    "did": DidTable,
    "destination": DestinationTable,
}


class TablePlace(msgspec.Struct, frozen=True, gc=False):
    """The place of a table: the first ``[[route]]`` is ``("route", 0)``. As many as assignments, and so not a tuple,
    which the garbage collector would walk."""

    table: str
    number: int

    @property
    def path(self) -> KeyPath:
        """As TOML has it."""
        return self.table, self.number


class Complaint(NamedTuple):
    """One thing wrong with a table, at a key of it."""

    key: Key
    message: str
    within: tuple[int, int] | None = None
    """Line and column within the text that is the key's value."""


def read_table(name: str, table: Mapping[str, Any]) -> tuple[Table | None, list[Complaint]]:
    """A table of `TABLES` as its type, None where something is wrong with it."""
    keys, required = _keys_of(TABLES[name])
    complaints: list[Complaint] = []
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in keys:
            complaints.append(Complaint((key,), unknown_key(key, keys)))
            continue
        try:
            values[key] = convert_value(value, keys[key])
        except ValueError as error:
            complaints.append(Complaint((key,), f"{key}: {error}"))
    complaints += [Complaint((), f"[[{name}]] needs the key {key!r}") for key in required if key not in table]
    if "vars" in values:
        try:
            values["vars"] = _variables(values["vars"])
        except TomlSyntaxError as error:
            complaints.append(Complaint(("vars",), f"vars: {error.message}", (error.line, error.column)))
    return (None, complaints) if complaints else (TABLES[name](**values), complaints)


def _variables(given: dict[str, Any] | str) -> dict[str, Any]:
    """Vars from a table, or from TOML text as customers write it."""
    return _json_variables(parse_toml(given).data if isinstance(given, str) else given)


def variables_of(source: TomlSource, file: str) -> tuple[dict[str, Any], list[Problem]]:
    """The vars in a document of their own, and what is wrong with them."""
    variables = _json_variables(source.data)
    problems = [
        Problem(file, *source.place(key), severity, message) for key, message, severity in wrong_variables(variables)
    ]
    return variables, problems


def _json_variables(given: dict[str, Any]) -> dict[str, Any]:
    """What TOML has and JSON has not becomes text: dates and times. Too deep a table stays as it is."""
    return given if too_deep(given) else {key: _as_json(value) for key, value in given.items()}


@cache
def _keys_of(shape: type[Table]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Keys with their types, and which of them are required."""
    required = tuple(declared.name for declared in msgspec.structs.fields(shape) if declared.required)
    return get_type_hints(shape, include_extras=True), required


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_json(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_as_json(child) for child in value]
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    return value
