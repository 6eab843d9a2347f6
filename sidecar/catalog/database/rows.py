"""What the call path needs of the database, as it goes from process to process, and the entries that it makes."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import msgspec

from sidecar.catalog.database.prepared import decode_prepared
from sidecar.catalog.entries import (
    AssignmentEntry,
    CustomerEntry,
    DestinationEntry,
    DidEntry,
    RouteEntry,
    ScriptEntry,
)
from sidecar.catalog.model import GlobalPriority
from sidecar.kind import Kind


class RowPlace(msgspec.Struct, frozen=True, gc=False):
    """The place of a row. As many as assignments, which the garbage collector need not walk."""

    table: str
    key: str

    def __str__(self) -> str:
        return f"{self.table} {self.key}"


class LimitsRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What was set for a tenant."""

    tenant: str
    limits: str


class GrantsRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """npm modules that were granted to a tenant."""

    tenant: str
    grants: str


class ScriptRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A script in the version that runs, with its app's variables."""

    id: str
    tenant: str
    app: str
    name: str
    path: str
    """Among the files of its app."""
    kind: str
    uuid: str
    text: str
    prepared: str
    environment: dict[str, str]
    memory_bytes: int | None
    modules: tuple[str, ...] | None
    global_routing_priority: str
    timeout_ms: int | None
    timeout_action: str | None
    error_action: str | None
    vars: str
    position: int
    public: bool = False

    @property
    def place(self) -> RowPlace:
        """Its place in what is told of it: by its app and its name, which its author knows it by, and its id."""
        name = PurePosixPath(self.app) / self.name
        return RowPlace("script", str(name) if self.id in (str(name), name.stem) else f"{name} ({self.id})")

    def __repr__(self) -> str:
        return f"ScriptRow({self.id!r})"

    def entry(self) -> ScriptEntry:
        """As it is compiled."""
        kind = Kind(self.kind)
        return ScriptEntry(
            place=self.place,
            id=self.id,
            name=self.name,
            kind=kind,
            text=self.text,
            prepared=decode_prepared(self.prepared, self.path, self.text, kind),
            uuid=self.uuid,
            tenant=self.tenant,
            app=self.app,
            environment=self.environment,
            memory_bytes=self.memory_bytes,
            modules=self.modules,
            global_routing_priority=GlobalPriority(self.global_routing_priority),
            timeout_ms=self.timeout_ms,
            timeout_action=self.timeout_action,
            error_action=self.error_action,
            vars=json_table(self.vars),
        )


class AssignmentRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An assignment."""

    id: int
    type: str
    subject: str
    route: str
    written: str
    customer: str
    script: str
    timeout_ms: int | None
    timeout_action: str | None
    error_action: str | None
    vars: str

    @property
    def place(self) -> RowPlace:
        """Where it stands."""
        return RowPlace("assignment", str(self.id))

    def entry(self) -> AssignmentEntry:
        """As it is compiled."""
        common: dict[str, Any] = {"place": self.place, "script": self.script, "vars": json_table(self.vars)}
        if self.type == "destination":
            return DestinationEntry(destination=self.written, customer=self.customer, **common)
        common |= {
            "timeout_ms": self.timeout_ms,
            "timeout_action": self.timeout_action,
            "error_action": self.error_action,
        }
        if self.type == "did":
            return DidEntry(did=self.written, customer=self.customer, **common)
        return RouteEntry(customer=self.subject, route=self.route or None, **common)


class CustomerRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A customer's vars."""

    name: str
    vars: str

    def entry(self) -> CustomerEntry:
        """As it is compiled."""
        return CustomerEntry(place=RowPlace("customer", self.name), customer=self.name, vars=json_table(self.vars))


def json_table(text: str) -> Mapping[str, Any]:
    """What a column of JSON holds, where that is an object."""
    if text == "{}":
        return {}
    found: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
    return found


def json_text(value: object) -> str:
    """A value as a column of JSON holds it, keys in their order."""
    return msgspec.json.encode(value).decode()
