"""What a catalog is compiled from: scripts and assignments as a source found them, each with where it stands.

The names of their fields are the keys under which a source keeps them, and under which a complaint is said.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from sidecar.catalog.limits import TenantLimits
from sidecar.catalog.model import OPERATOR, GlobalPriority
from sidecar.catalog.module_grants import ModuleGrants
from sidecar.kind import Kind
from sidecar.language.prepared import Prepared

Place = Hashable
"""Where an entry stands, known to its source alone: a path in a document, a row of a table."""
Key = tuple[str | int, ...]
"""A key of an entry, or a key below one of its keys; empty for the entry as a whole."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What all entries have. There may be a hundred thousand, which the garbage collector need not walk."""

    place: Place
    vars: Mapping[str, Any] = {}
    """As JSON has it."""
    wrong: str = ""
    """Why it cannot be used, as its source has told: what it is for gets its error action."""


class DecisionEntry(Entry, frozen=True, kw_only=True, gc=False):
    """What the entries of Class 4 have; None where the configuration's own default applies."""

    timeout_ms: int | None = None
    timeout_action: str | None = None
    """``continue`` or a SIP answer, as an operator writes it."""
    error_action: str | None = None


class ScriptEntry(DecisionEntry, frozen=True, kw_only=True, gc=False):
    """A script, and when it runs on every call, how."""

    id: str
    name: str
    """The author's file name, as errors show it."""
    kind: Kind = Kind.SCRIPT
    text: str
    prepared: Prepared | None = None
    """None for a text with an error, which its source has told: the id is taken, and nothing can be run."""
    uuid: str | None = None
    """None for one made of the id."""
    tenant: str = OPERATOR
    app: str = ""
    environment: Mapping[str, str] = {}
    memory_bytes: int | None = None
    modules: tuple[str, ...] | None = None
    """None for all that its kind may ask."""
    global_routing_priority: GlobalPriority = GlobalPriority.DISABLED
    given: frozenset[str] = frozenset()
    """The keys that were written, whatever their values: those without effect are told of."""


class RouteEntry(DecisionEntry, frozen=True, kw_only=True, gc=False):
    """A customer's route, or all of their routes."""

    customer: str
    route: str | None = None
    script: str


class DidEntry(DecisionEntry, frozen=True, kw_only=True, gc=False):
    """Calls to one number."""

    did: str
    script: str
    customer: str = ""
    """Whose vars come first."""


class DestinationEntry(Entry, frozen=True, kw_only=True, gc=False):
    """Class 5 calls to one number or name; ``*`` for every other. Its script is an App."""

    destination: str
    script: str
    customer: str = ""
    """Whose sounds and recordings are used, and whose vars come first."""


class CustomerEntry(Entry, frozen=True, kw_only=True, gc=False):
    """A customer's own vars. They come first: a top-level key of an assignment's takes the place of the same one."""

    customer: str


AssignmentEntry = RouteEntry | DidEntry | DestinationEntry


class Assignments:
    """All assignments. Known by its identity: who changes none of them gives the same object again."""

    __slots__ = ("customers", "entries")

    def __init__(
        self, entries: Sequence[AssignmentEntry] = (), customers: Mapping[str, CustomerEntry] | None = None
    ) -> None:
        """``customers``, by their names, are those that have vars."""
        self.entries = entries
        self.customers: Mapping[str, CustomerEntry] = customers or {}


class AssignmentsChange(NamedTuple):
    """What is not as it was in the compilation before."""

    put: Sequence[AssignmentEntry] = ()
    """Each in its place, new or in that of another; the assignments of all ``customers`` are among them."""
    removed: Collection[Place] = ()
    customers: Sequence[CustomerEntry] = ()
    removed_customers: Collection[str] = ()


class Entries(msgspec.Struct, frozen=True):
    """A whole catalog, in its source's order."""

    scripts: Sequence[ScriptEntry]
    assignments: Assignments | AssignmentsChange
    broken: frozenset[str] = frozenset()
    """Ids of scripts whose entries could not be read, as their source has told: what points to them is not at fault."""
    limits: Mapping[str, TenantLimits] = {}
    """Of the tenants for whom something was set."""
    grants: Mapping[str, ModuleGrants] = {}
    """npm modules that tenants were granted."""
