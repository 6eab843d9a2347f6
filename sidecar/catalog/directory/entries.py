"""The tables of assignments.toml: their keys and types, read with every problem and its line."""

import datetime
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Final, NamedTuple, get_type_hints

import msgspec
from msgspec import Meta

from sidecar.catalog.app_variables import parse_variable_name, parse_variable_value
from sidecar.catalog.carriers import Mode, NumberState, parse_details
from sidecar.catalog.directory.mail_templates import TemplateTable
from sidecar.catalog.entries import Key
from sidecar.catalog.limits import NO_LIMITS, TenantLimits
from sidecar.catalog.model import OPERATOR, GlobalPriority
from sidecar.catalog.module_grants import NO_GRANTS, ModuleGrants
from sidecar.catalog.variables import too_deep, wrong_variables
from sidecar.catalog.webhook_secret import parse_webhook_secret
from sidecar.configuration.toml_source import KeyPath, TomlSource, TomlSyntaxError, parse_toml
from sidecar.configuration.typed_value import ActionText, Form, UuidText, convert_value, unknown_key
from sidecar.event_name import EventName
from sidecar.kind import MAIN, Kind
from sidecar.problem import Problem
from sidecar.schedules.plan import MOST_RUNS, Missed

Name = Annotated[str, Meta(min_length=1, max_length=256)]
AppId = Annotated[str, Meta(max_length=256)]
CustomerName = Annotated[str, Meta(max_length=256)]
VariableName = Annotated[str, Form(parse_variable_name)]
VariableValue = Annotated[str, Form(parse_variable_value)]
FaultText = Annotated[str, Meta(max_length=1_000)]
DetailsText = Annotated[str, Form(parse_details)]
WebhookSecret = Annotated[str, Form(parse_webhook_secret)]
Milliseconds = Annotated[int, Meta(ge=1, le=3_600_000)]
MemoryBytes = Annotated[int, Meta(ge=1_000_000, le=2**63 - 1)]
"""At most what the engine has a number for."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What all tables have."""

    vars: dict[str, Any] | str = {}
    """Settings for the script: a table, or TOML text. Each top-level key is one of ``data``'s. Dates and times reach
    the script as text."""


class DecisionTable(Table, frozen=True, kw_only=True):
    """What Class 4 tables have; None where the configuration's own default applies."""

    timeout_ms: Milliseconds | None = None
    """Milliseconds that the script has for one call, 1 to 3_600_000. Default: ``decisions.timeout_ms``."""
    timeout_action: ActionText | None = None
    """What the switch is told when the time is over: a SIP answer such as ``"503 Script Timeout"``, or ``"continue"``
    to go on as if the script were not there. Default: ``decisions.timeout_action``."""
    error_action: ActionText | None = None
    """The same for a script that fails in any other way. Default: ``decisions.error_action``."""


class ScriptTable(DecisionTable, frozen=True, kw_only=True):
    """A file in ``scripts/``. A script without one is a Script under the name of its file, without its ending; a file
    that another script imports is none. A file with one is imported by scripts of its own app alone. Only one that runs
    on every call, by ``global_routing_priority``, has ``vars``, a timeout and actions of its own: those of others are
    in their assignments."""

    file: Name
    """The file's path within ``scripts/``: ``.js``, ``.mjs`` or ``.ts``, and of an App that others import ``.json``."""
    id: Name | None = None
    """What assignments call it. Default: the file's name without its ending."""
    name: Name | None = None
    """What logs, records and errors call it. Default: ``file``."""
    kind: Kind = Kind.SCRIPT
    """``"script"`` for synchronous code, ``"app"`` for promises, modules and calls, ``"driver"`` for what buys numbers
    of a carrier or watches over something, ``"worker"`` for what takes messages one by one; ``"quickjs"``, ``"App+"``
    and ``"debug"`` are apps."""
    uuid: UuidText | None = None
    """``process.env.SCRIPTFORGE_UUID``. Default: one made of the script's id."""
    tenant: Name = OPERATOR
    """Whose script it is: a customer's, or the operator's own."""
    app: AppId = ""
    """The app that it belongs to, whose variables it has: ``process.env.APP_ID``."""
    memory_bytes: MemoryBytes | None = None
    """JavaScript heap of the script, at least 1_000_000. Default: ``sandbox.memory_bytes``."""
    environment: dict[str, str] = {}
    """More variables of ``process.env``."""
    modules: tuple[Name, ...] | None = None
    """The host modules that an App may require or import. Default: all that the host has."""
    public: bool = False
    """Where the catalog is in a database: whether whoever knows its uuid may run it over HTTP, without a token."""
    global_routing_priority: GlobalPriority = GlobalPriority.DISABLED
    """``"first"`` or ``"last"``: the script runs on every Class 4 call, before the assigned script or after it; several
    in the order of the file."""


class RouteTable(DecisionTable, frozen=True, kw_only=True):
    """Class 4: a customer's route, or all of their routes, for calls that come with a customer."""

    customer: Name
    """The customer as the switch names it."""
    route: Name | None = None
    """The route as the switch names it. Default: every route of the customer that has no entry of its own."""
    script: Name
    """The script's id."""


class DidTable(DecisionTable, frozen=True, kw_only=True):
    """Class 4: calls to one number, for calls whose direction is origination."""

    did: Name
    """The number, without its parameters; `+44-20-7946-0000` and `442079460000` are the same one."""
    script: Name
    """The script's id."""
    customer: CustomerName = ""
    """Whose number it is: their vars come first. Default: nobody's."""


class DestinationTable(Table, frozen=True, kw_only=True):
    """Class 5: calls to one number or name, which a script answers and drives."""

    destination: Name
    """The number or name dialled; ``"*"`` for every one that has no entry of its own."""
    script: Name
    """The id of the script, which is an App."""
    customer: CustomerName = ""
    """Whose sounds and recordings are used, and whose vars come first. Default: the customer that the switch names with
    the call, without vars."""


class CustomerTable(Table, frozen=True, kw_only=True):
    """A customer's own vars. A script that runs on one of the customer's routes or numbers has them, where the
    assignment has no top-level key of the same name."""

    customer: Name
    """The customer as the switch names it."""
    tenant: Name = OPERATOR
    """Who may change them, where the catalog is in a database."""


class TenantTable(msgspec.Struct, frozen=True, kw_only=True):
    """One whose scripts these are, and who may have none yet. The others are known by their scripts."""

    tenant: Name
    """Their name."""
    limits: TenantLimits = NO_LIMITS
    """What they may use, where it is not what the configuration says: ``limits = { runs_a_second = 100 }``. See
    docs/limits.md."""
    granted: ModuleGrants = NO_GRANTS
    """npm modules that their scripts may require, and those of single apps, each in a version or, by ``*``, the newest:
    ``granted = { modules = { moment = "*" }, apps = { shop = { axios = "1.21.1" } } }``. See docs/modules.md."""
    webhook_secret: WebhookSecret | None = None
    """What their webhooks are signed with, as ``scriptforge webhooks rotate`` tells it. Default: what is stored."""


class AppTable(msgspec.Struct, frozen=True, kw_only=True):
    """An app: scripts that belong together and have the same variables. One that only scripts name is there as well."""

    id: Name
    """What scripts call it in ``app``."""
    name: Name | None = None
    """What people call it. Default: its id."""
    tenant: Name = OPERATOR
    """Whose app it is."""


class VariableTable(msgspec.Struct, frozen=True, kw_only=True):
    """A variable of an app, which its scripts find in ``process.env``."""

    app: Name
    """The app's id."""
    name: VariableName
    """At most 128 letters, digits and underscores, the first of them no digit."""
    value: VariableValue | None = None
    """Text. Without it an import leaves what is stored: that is how a secret is exported."""
    protected: bool = False
    """Where the catalog is in a database nobody reads it back."""
    private: bool = False
    """Scripts alone get it, and no page or template."""
    locked: bool = False
    """An export leaves it out, an import leaves it alone."""
    default: bool = False
    """An import sets it only where there is none."""


class ProviderTable(msgspec.Struct, frozen=True, kw_only=True):
    """A carrier that numbers are bought of. An import puts it into a database: nothing is bought where the
    catalog is in files."""

    id: Name
    """What numbers call it in ``provider``."""
    script: Name
    """The id of the Driver that it is asked by."""
    tenant: Name = OPERATOR
    """Who buys there."""
    mode: Mode = Mode.TEST
    """``"test"``: what the Driver says is not kept; ``"live"``: it is."""
    company: CustomerName = ""
    """Who it is, for people."""


class NumberTable(msgspec.Struct, frozen=True, kw_only=True):
    """A number of a carrier. An import puts it into a database; a number that is there and not here stays."""

    did: Name
    """The number as the carrier writes it."""
    provider: Name
    """The carrier's id."""
    tenant: Name = OPERATOR
    """Whose provider that is."""
    customer: Name | None = None
    """Whose number it is. Default: nobody's yet."""
    state: NumberState = NumberState.HELD
    """``"held"``; ``"allocating"`` or ``"releasing"`` for one of which it is not known what became of it."""
    fault: FaultText = ""
    """Why that is not known."""
    details: DetailsText = "{}"
    """What else the Driver has said of it: a JSON object, as text."""


class ScheduleTable(msgspec.Struct, frozen=True, kw_only=True):
    """A function that is run at named times. An import puts it into a database: nothing is run so where the catalog is
    in files."""

    id: Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^/\x00]+$")]
    """What it is called."""
    script: Name
    """The id of the script."""
    cron: Annotated[str, Meta(max_length=256)]
    """Minute, hour, day of the month, month, day of the week; or ``@daily`` and its like."""
    tenant: Name = OPERATOR
    """Whose it is, and whose its script is."""
    zone: Annotated[str, Meta(max_length=64)] = "UTC"
    """Whose clocks it goes by, as ``"Europe/Berlin"``."""
    function: Annotated[str, Meta(pattern=r"^[A-Za-z_$][A-Za-z0-9_$]{0,127}$")] = MAIN
    """Of the script. Default: ``main``."""
    data: DetailsText = "{}"
    """What the function is given beside ``schedule``: a JSON object, as text."""
    missed: Missed = Missed.ONCE
    """What becomes of missed runs: ``"once"``, ``"all"`` or ``"none"``."""
    most: Annotated[int, Meta(ge=1, le=MOST_RUNS)] = 10
    """So many missed ones are made up for, where all are."""
    attempts: Annotated[int, Meta(ge=1, le=100)] = 1
    """That each run may have."""
    paused: bool = False
    """Whether it waits to be resumed."""


class WebhookTable(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a tenant has told of events. An import puts it into a database: nobody is told where the catalog is in
    files."""

    name: Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^/\x00]+$")]
    """What it is called."""
    events: Annotated[tuple[EventName, ...], Meta(min_length=1)]
    """Of what: ``"run.finished"``, ``"recording.finished"``, ``"call.finished"``."""
    tenant: Name = OPERATOR
    """Whose it is, and whose its script is."""
    url: Annotated[str, Meta(min_length=1, max_length=2_048)] | None = None
    """Where; it is signed with the tenant's ``webhook_secret``."""
    script: Name | None = None
    """In place of it the id of a script, whose function is begun as a job."""
    function: Annotated[str, Meta(pattern=r"^[A-Za-z_$][A-Za-z0-9_$]{0,127}$")] = MAIN
    """Of that script. Default: ``main``."""
    only: Name | None = None
    """The id of the script whose events alone are told."""


AnyTable = (
    Table
    | TenantTable
    | AppTable
    | VariableTable
    | ProviderTable
    | NumberTable
    | ScheduleTable
    | WebhookTable
    | TemplateTable
)

TABLES: Mapping[str, type[AnyTable]] = {
    "script": ScriptTable,
    "route": RouteTable,
    "did": DidTable,
    "destination": DestinationTable,
    "customer": CustomerTable,
    "app": AppTable,
    "variable": VariableTable,
    "tenant": TenantTable,
    "provider": ProviderTable,
    "number": NumberTable,
    "schedule": ScheduleTable,
    "webhook": WebhookTable,
}


ASSIGNED: Final = frozenset({"route", "did", "destination"})
"""Tables that are assignments."""
_IDENTITY: Mapping[str, frozenset[str]] = {
    "script": frozenset({"file", "id"}),
    "route": frozenset({"customer", "route"}),
    "did": frozenset({"did"}),
    "destination": frozenset({"destination"}),
    "customer": frozenset({"customer"}),
    "app": frozenset({"id"}),
    "variable": frozenset({"app", "name"}),
    "tenant": frozenset({"tenant"}),
    "provider": frozenset({"tenant", "id"}),
    "number": frozenset({"did"}),
    "schedule": frozenset({"tenant", "id"}),
    "webhook": frozenset({"tenant", "name"}),
}
"""The keys that say whom a table is for."""


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


def read_table(name: str, table: Mapping[str, Any]) -> tuple[AnyTable | None, list[Complaint]]:
    """A table of `TABLES` as its type, None where something is wrong with it."""
    keys, required = _keys_of(TABLES[name])
    complaints: list[Complaint] = []
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in keys:
            complaints.append(Complaint((key,), unknown_key(key, keys)))
            continue
        try:
            # Empty text is a value of a variable, and none of what need have none.
            empty = value == "" and (name, key) == ("variable", "value")
            values[key] = "" if empty else convert_value(value, keys[key])
        except ValueError as error:
            complaints.append(Complaint((key,), f"{key}: {error}"))
    complaints += [Complaint((), f"[[{name}]] needs the key {key!r}") for key in required if key not in table]
    if "vars" in values:
        try:
            values["vars"] = _variables(values["vars"])
        except TomlSyntaxError as error:
            complaints.append(Complaint(("vars",), f"vars: {error.message}", (error.line, error.column)))
    return (None, complaints) if complaints else (TABLES[name](**values), complaints)


def salvaged(name: str, given: Mapping[str, Any]) -> AnyTable | None:
    """What of a table with something wrong in it says whom it is for and what its failure gives; None where it is not
    sure whom it is for: a key that there is not may be meant for one that says so."""
    keys, _ = _keys_of(TABLES[name])
    identity = _IDENTITY[name]
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in keys:
            if not identity <= given.keys():
                return None
        elif key != "vars":
            try:
                values[key] = convert_value(value, keys[key])
            except ValueError:
                if key in identity:
                    return None
    if name in ASSIGNED:
        values.setdefault("script", "")
    required = [declared.name for declared in msgspec.structs.fields(TABLES[name]) if declared.required]
    return TABLES[name](**values) if all(key in values for key in required) else None


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
def _keys_of(shape: type[AnyTable]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
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
