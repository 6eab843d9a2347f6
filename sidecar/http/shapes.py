"""What the API takes and gives, as OpenAPI tells it. Names are those of the records; times are RFC 3339 in UTC."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sidecar.catalog.database.tokens import SCOPES
from sidecar.catalog.limits import HIGHEST as HIGHEST_LIMIT
from sidecar.catalog.model import GlobalPriority
from sidecar.catalog.module_grants import MODULES
from sidecar.hosts.key_values.batch import KEY_BYTES
from sidecar.hosts.rows.model import KEY_CHARACTERS
from sidecar.http.json_values import JsonTable
from sidecar.kind import Kind
from sidecar.language.file_graph import FILES
from sidecar.npm.package_name import NAME_CHARACTERS, NAME_PATTERN

MOST = 500
"""Of one page."""

NO_NUL: Final = r"^[^\x00]+$"
PERHAPS_NO_NUL: Final = r"^[^\x00]*$"
"""The same of a text that may be empty."""
IN_PATH: Final = r"^[^\x00/]+$"
VARIABLE_NAME: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"
UUID: Final = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
DATABASE_NAME: Final = r"^[a-z_][a-z0-9_]{0,62}$"


def _time(value: object) -> object:
    """Microseconds since 1970, as records have them."""
    return datetime.fromtimestamp(value / 1e6, UTC) if isinstance(value, int) else value


def _minute(value: object) -> object:
    return datetime.fromtimestamp(value * 60, UTC) if isinstance(value, int) else value


Time = Annotated[datetime, BeforeValidator(_time)]
Minute = Annotated[datetime, BeforeValidator(_minute)]
Name = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_NUL)]
SourceText = Annotated[str, Field(pattern=PERHAPS_NO_NUL)]
VariableName = Annotated[str, Field(min_length=1, max_length=128, pattern=VARIABLE_NAME)]
InPath = Annotated[str, Path(min_length=1, max_length=256, pattern=IN_PATH)]
VariableInPath = Annotated[str, Path(min_length=1, max_length=128, pattern=VARIABLE_NAME)]
DatabaseInPath = Annotated[str, Path(pattern=DATABASE_NAME)]
RowKey = Annotated[str, Field(min_length=1, max_length=KEY_CHARACTERS, pattern=NO_NUL)]
RowKeyInPath = Annotated[str, Path(min_length=1, max_length=KEY_CHARACTERS, pattern=NO_NUL)]
KeyInPath = Annotated[str, Path(min_length=1, max_length=KEY_BYTES, pattern=NO_NUL)]
AfterKey = Annotated[str, Query(max_length=512, pattern=PERHAPS_NO_NUL, description="``next`` of the page before.")]
NumberInPath = Annotated[int, Path(ge=1, le=2**62)]
VersionInPath = Annotated[int, Path(ge=1, le=2**31 - 1)]
Limit = Annotated[int, Query(ge=1, le=MOST, description="Items of one page.")]
AfterText = Annotated[str, Query(max_length=256, pattern=PERHAPS_NO_NUL, description="``next`` of the page before.")]
AfterNumber = Annotated[int, Query(ge=0, le=2**62, description="``next`` of the page before.")]
BeforeNumber = Annotated[int | None, Query(ge=1, le=2**62, description="``next`` of the page before.")]
Filter = Annotated[str | None, Query(max_length=256, pattern=PERHAPS_NO_NUL)]

TokenScope = Literal["read", "write", "run", "admin"]

_Item = TypeVar("_Item")


class Shape(BaseModel):
    """Made of a record."""

    model_config = ConfigDict(from_attributes=True)


class Body(BaseModel):
    """A request's body: a key that it does not have is a mistake."""

    model_config = ConfigDict(extra="forbid")


class Page(BaseModel, Generic[_Item]):
    """A part of a list."""

    items: list[_Item]
    next: str | int | None = Field(None, description="For the page after; null for the last one.")


class ScriptProblem(BaseModel):
    """One thing wrong with a script's text."""

    file: str
    line: int
    column: int
    severity: str
    message: str


class Problem(BaseModel):
    """RFC 9457."""

    type: str = Field(description="Which error it is: ``urn:scriptforge:not-there`` ...")
    title: str
    status: int
    detail: str
    problems: list[ScriptProblem] | None = Field(None, description="Of a script that is refused, with their places.")
    messages: list[str] | None = Field(None, description="Of values that are not what they must be.")


class Me(BaseModel):
    """Whose a token is."""

    token: int
    name: str
    tenant: str = Field(description="The tenant that is asked for, by default the token's own.")
    scopes: list[str]
    operator: bool = Field(description="Whether everything of every tenant is allowed.")


class Tenant(Shape):
    """A tenant."""

    name: str
    created: Time


_Most = Annotated[int | None, Field(ge=0, le=HIGHEST_LIMIT)]


_Granted = Annotated[
    dict[
        Annotated[str, Field(max_length=NAME_CHARACTERS, pattern=NAME_PATTERN)],
        Annotated[str, Field(min_length=1, max_length=256)],
    ],
    Field(max_length=MODULES, description="By name the version; `*` for the newest that is installed."),
]


class LimitsBody(Body):
    """What a tenant may use, in each process; 0 for nothing at all."""

    runs_at_once: _Most = None
    runs_a_second: _Most = None
    cpu_ms_a_minute: _Most = None
    host_calls_a_minute: _Most = None
    host_bytes_a_minute: _Most = None
    keys: _Most = None
    key_bytes: _Most = None
    rows: _Most = None
    scripts: _Most = None
    log_bytes: _Most = None
    jobs: _Most = None
    job_bytes: _Most = None
    jobs_at_once: _Most = None
    schedules: _Most = None
    schedule_seconds: _Most = None
    messages: _Most = None


class ModuleGrantsBody(Body):
    """npm modules that a tenant's scripts may require."""

    modules: _Granted = Field(default_factory=dict)
    apps: Annotated[dict[Annotated[str, Field(min_length=1, max_length=256)], _Granted], Field(max_length=1_000)] = (
        Field(
            default_factory=dict,
            description="For those of single apps, by the app's id: besides, or in another version.",
        )
    )


class LimitsNow(Shape):
    """What holds for a tenant."""

    limits: LimitsBody
    refused: dict[str, int] = Field(description="By the limit's name, since the start of this process.")
    runs: int = Field(description="Under way in this process.")


class Node(Shape):
    """A process that belongs together with this one."""

    name: str = Field(description="Its machine's.")
    role: str = Field(description="``daemon`` or ``platform``.")
    pid: int
    version: str = Field(description="Of the program.")
    catalog: str = Field(description="The version of scripts and assignments that it runs by.")
    revision: int | None = Field(
        description="The last change of the database that it runs by: the same in all once they have taken it over."
    )
    since: Time = Field(description="When it started.")
    seen_seconds: float = Field(description="How long ago it told this.")
    runs: int = Field(description="Runs of scripts under way.")
    calls: int = Field(description="Calls up that scripts drive.")
    runs_a_second: float = Field(description="Runs ended a second, lately.")


class App(Shape):
    """An app."""

    id: str
    name: str


class AppBody(Body):
    """An app's name."""

    name: Name


class Variable(Shape):
    """A variable of an app. Of a protected one the value is ``****``."""

    name: str
    value: str
    protected: bool
    private: bool
    locked: bool
    default: bool


class VariableBody(Body):
    """A variable's value and flags."""

    value: str = Field(max_length=65_536)
    protected: bool = Field(False, description="Nobody reads it back; scripts have it.")
    private: bool = Field(False, description="Scripts alone get it, and no page or template.")
    locked: bool = Field(False, description="An export leaves it out, an import leaves it alone.")
    default: bool = Field(False, description="An import sets it only where there is none.")


class Script(Shape):
    """A script, without its text."""

    id: str
    name: str
    file: str | None
    kind: Kind
    uuid: str
    app: str
    version: int
    hash: str = Field(description="SHA-256 of the text.")
    environment: dict[str, str]
    memory_bytes: int | None
    modules: list[str] | None
    public: bool
    global_routing_priority: GlobalPriority
    timeout_ms: int | None
    timeout_action: str | None
    error_action: str | None
    vars: dict[str, Any]


class ScriptBody(Body):
    """A script with its text."""

    name: Name = Field(description="The file's name, as errors show it and as scripts of the same app import it.")
    text: SourceText
    kind: Kind = Kind.APP
    app: str = Field("", max_length=256, pattern=PERHAPS_NO_NUL)
    uuid: str | None = Field(None, pattern=UUID, description="Made at random without it.")
    public: bool = Field(False, description="Whether whoever knows its uuid may run it over HTTP, without a token.")
    environment: dict[str, str] = Field(default_factory=dict, description="More variables of ``process.env``.")
    memory_bytes: int | None = Field(None, ge=1_000_000, le=2**63 - 1)
    modules: list[Name] | None = Field(None, max_length=100, description="That it may name; null for all.")
    global_routing_priority: GlobalPriority = GlobalPriority.DISABLED
    timeout_ms: int | None = Field(None, ge=1, le=3_600_000)
    timeout_action: str | None = Field(None, max_length=256)
    error_action: str | None = Field(None, max_length=256)
    vars: JsonTable = Field(default_factory=dict)
    note: str = Field("", max_length=2_000, pattern=PERHAPS_NO_NUL, description="Kept with the version.")


class TextBody(Body):
    """A script's text."""

    text: SourceText
    kind: Kind | None = Field(None, description="Null for the kind that it has.")
    note: str = Field("", max_length=2_000, pattern=PERHAPS_NO_NUL)


class CheckBody(Body):
    """A text to be looked through."""

    text: SourceText
    kind: Kind = Kind.APP
    name: Name = "script.js"
    app: Name | None = Field(None, description="An app whose files stand beside it, as for a save.")
    files: dict[Name, SourceText] = Field(
        default_factory=dict,
        max_length=FILES - 1,
        description="Texts by their names that would be saved together with it: each is looked through too.",
    )


class Checked(BaseModel):
    """What is wrong with the texts, and with what would not go on with them; without an error they may be saved."""

    problems: list[ScriptProblem]


class Version(Shape):
    """One saved text of a script."""

    number: int
    hash: str
    who: str
    at: Time
    note: str
    kind: Kind


class VersionText(Version):
    """The same with its text."""

    text: str


class Difference(BaseModel):
    """What two versions have that the other has not, as a unified diff."""

    before: int
    after: int
    diff: str


class Restore(Body):
    """Why."""

    note: str = Field("", max_length=2_000, pattern=PERHAPS_NO_NUL)


class Assignment(Shape):
    """Which script runs on which calls."""

    id: int
    type: str = Field(description="``route``, ``did`` or ``destination``.")
    customer: str
    route: str | None
    number: str
    script: str
    timeout_ms: int | None
    timeout_action: str | None
    error_action: str | None
    vars: dict[str, Any]


class AssignmentBody(Body):
    """Calls, and the script that runs on them: the calls of one customer's route (or without ``route`` all), of one
    ``did`` or of one Class 5 ``destination``."""

    customer: str | None = Field(None, min_length=1, max_length=256)
    route: str | None = Field(None, min_length=1, max_length=256)
    did: str | None = Field(None, min_length=1, max_length=256)
    destination: str | None = Field(None, min_length=1, max_length=256)
    script: Name
    timeout_ms: int | None = Field(None, ge=1, le=3_600_000)
    timeout_action: str | None = Field(None, max_length=256)
    error_action: str | None = Field(None, max_length=256)
    vars: JsonTable = Field(default_factory=dict)


class Customer(Shape):
    """A customer's vars."""

    customer: str
    vars: dict[str, Any]


class CustomerBody(Body):
    """A customer's vars."""

    vars: JsonTable


class Token(Shape):
    """A token, without its text."""

    id: int
    name: str
    scopes: list[str]
    made_by: str
    created: Time
    expires: Time | None
    last_used: Time | None
    revoked: Time | None


class NewToken(Token):
    """A token with its text, which is told this once."""

    token: str


class TokenBody(Body):
    """A token to be made."""

    name: str = Field(min_length=1, max_length=200, pattern=NO_NUL)
    scopes: list[TokenScope] = Field(min_length=1, max_length=len(SCOPES))
    expires: datetime | None = Field(None, description="With its time zone; null for never.")


class AuditEntry(Shape):
    """One change."""

    number: int
    at: Time
    who: str
    source: str
    tenant: str
    action: str
    object: str
    before: Any
    after: Any
    previous: str
    hash: str


class AuditState(BaseModel):
    """What a look through the whole chain has found."""

    entries: int
    head: str = Field(description="Kept elsewhere, it says later that nothing before it was changed.")
    intact: bool
    broken_at: int | None = None
    why: str | None = None


class Used(Shape):
    """What scripts have used in one minute."""

    app: str = Field(description="Empty for scripts without one.")
    minute: Minute
    runs: int
    cpu_us: int
    host_calls: int
    bytes: int


class RunReport(BaseModel):
    """What came of a run, for the script's author."""

    id: str
    script: str
    version: str
    function: str
    outcome: str = Field(description="``returned``, ``script_error``, ``timed_out``, ``wrong_result`` of a Driver ...")
    status: int = Field(description="Of the answer over ``/run``.")
    result: Any = None
    error: str | None = None
    name: str | None = None
    location: str | None = None
    stack: list[str] = []
    console: list["ConsoleLine"]
    took_ms: float
    run_ms: float = Field(description="Of that in the worker.")


class ConsoleLine(BaseModel):
    """One line that a script wrote."""

    level: str
    text: str


class RunUnderWay(BaseModel):
    """A run that is not over."""

    id: str
    script: str
    function: str
    began: datetime
    source: str


class LogEntry(Shape):
    """One line that a script wrote, kept."""

    at: datetime
    script: str
    run: str
    function: str
    level: str
    text: str


RunReport.model_rebuild()
