"""Scripts, assignments, and the immutable snapshot that the call path reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec

from sidecar.catalog.limits import TenantLimits
from sidecar.catalog.module_grants import ModuleGrants
from sidecar.kind import Kind
from sidecar.language.prepared import Prepared
from sidecar.sip_answer import SipAnswer
from sipio.number import did_of
from sipio.routing import Direction

OPERATOR: Final = "operator"
"""The tenant whose the scripts are that nobody else has."""


class GlobalPriority(StrEnum):
    """Whether a script runs on every call, and where: before the assigned script or after it."""

    DISABLED = "disabled"
    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One version of one script."""

    id: str
    name: str
    """The author's file name, as errors show it."""
    version: str
    """Changes with the text or anything else that a run depends on."""
    kind: Kind
    text: str
    prepared: Prepared
    """What the sandbox runs, the files that it imports among it."""
    uuid: str = ""
    tenant: str = OPERATOR
    app: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The author's own variables in ``process.env``."""
    memory_bytes: int | None = None
    modules: frozenset[str] | None = None
    """Names of the host modules that it was granted; None for all that its kind may ask."""

    module_versions: Mapping[str, str] = field(default_factory=dict)
    """Of the npm modules that it names those that it is given in one certain version; `NOT_GRANTED` for one that it is
    not given at all. Of all others the newest that is installed."""
    module_texts: Mapping[str, str] = field(default_factory=dict)
    """What it names of npm modules, each with what names the text that it is given. No run needs it: where another
    version is installed, this is another version of the script."""

    @property
    def entries(self) -> tuple[str, ...]:
        """Functions that a caller may name."""
        return self.prepared.entries

    def texts(self) -> tuple[str, ...]:
        """Its own and those of the files that it imports."""
        return self.text, *(file.text for file in self.prepared.files.values())


class Assignment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Runs one script on some calls. An action of None continues with the switch's own decision.

    It names its script, so that a changed script changes no assignment. A hundred thousand of them are not the garbage
    collector's to walk: what they hold leads back to none of them.
    """

    script_id: str
    timeout_ms: int
    timeout_action: SipAnswer | None
    error_action: SipAnswer | None
    variables: Mapping[str, Any] = {}
    """The assignment's vars: top-level keys of the script's ``data``."""
    wrong: str = ""
    """Why its script is not run: its calls get the error action. Empty for one that is right."""


class VoiceAssignment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Gives the calls to one Class 5 destination to an App."""

    script_id: str
    customer: str = ""
    """Whose sounds and recordings are used; empty for the one that the call itself names."""
    variables: Mapping[str, Any] = {}
    wrong: str = ""
    """Why its script is not run: its calls are refused. Empty for one that is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything the call path needs, built and checked as a whole, never changed after."""

    scripts: Mapping[str, Script]
    routes: Mapping[tuple[str, str], Assignment]
    """By (customer, route); route ``""`` stands for every other route of that customer."""
    dids: Mapping[str, Assignment]
    """By the number as `did_of` has it."""
    destinations: Mapping[str, VoiceAssignment] = field(default_factory=dict)
    """Class 5, by the number or name dialled; ``*`` stands for every other."""
    first: Sequence[Assignment] = ()
    """Global Routing Priority "run first", in file order."""
    last: Sequence[Assignment] = ()
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Why there is no script of an id that is assigned, where a source took the rest all the same."""
    version: str = ""
    """Changes with anything above; operators compare it between machines."""
    limits: Mapping[str, TenantLimits] = field(default_factory=dict)
    """Of the tenants for whom something was set: how much is run, and not what."""
    module_grants: Mapping[str, ModuleGrants] = field(default_factory=dict)
    """npm modules that were granted, by tenant."""

    def chain(
        self, direction: Direction, customer: str, route: str, did: str
    ) -> tuple[Sequence[Assignment], Assignment | None]:
        """The assignments to run in order, and which of them is the call's own (None when only globals run)."""
        if direction == Direction.ORIGINATION:
            own = self.dids.get(did_of(did))
        else:
            own = self.routes.get((customer, route)) or self.routes.get((customer, ""))
        if not self.first and not self.last:
            return ((own,) if own else ()), own
        return (*self.first, *((own,) if own else ()), *self.last), own

    def why_not(self, assignment: Assignment | VoiceAssignment) -> str:
        """Why the script of an assignment cannot be run; empty where it can."""
        if not assignment.wrong and assignment.script_id in self.scripts:
            return ""
        return assignment.wrong or self.unusable.get(assignment.script_id) or "the script is not there"

    def destination(self, dialled: str) -> VoiceAssignment | None:
        """The assignment of a Class 5 destination."""
        return self.destinations.get(dialled) or self.destinations.get("*")
