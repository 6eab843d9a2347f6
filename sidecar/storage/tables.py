"""The tables as this release works with them. What changes here needs a migration: `scriptforge db check` compares.

Times are microseconds since 1970 in UTC; ``vars`` and whatever else has parts is JSON text, kept as it was given.
"""

from typing import Any

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, MetaData, String, Table, UniqueConstraint

from sidecar.storage.types import Exact, LongText, Number

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)
NAME = 256
"""Characters of a name or an id."""


def _table(name: str, *columns: Column[Any] | UniqueConstraint | Index) -> Table:
    return Table(name, metadata, *columns, mysql_engine="InnoDB", mysql_charset="utf8mb4")


schema_state = _table(
    "schema_state",
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    # The oldest release's schema that still works on it.
    Column("serves_from", Integer, nullable=False),
)

# One row. Who changes the catalog locks it first, so that revisions are committed in their order.
revision = _table(
    "revision",
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", Number, nullable=False),
    # Changes after this revision are all in the table of changes; who knows an older one reads everything.
    Column("complete_from", Number, nullable=False),
)

# What each revision changed, for processes that follow.
changes = _table(
    "changes",
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("revision", Number, nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("key", Exact(NAME), nullable=False),
)

tenants = _table(
    "tenants",
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("name", Exact(NAME), nullable=False, unique=True),
    Column("created", Number, nullable=False),
)

# What the operator has set for one, as JSON text; of whatever is not in it the configuration says how much.
tenant_limits = _table(
    "tenant_limits",
    Column("tenant_id", Number, ForeignKey("tenants.id"), primary_key=True),
    Column("limits", LongText, nullable=False),
)

# npm modules that the operator has granted to one, as JSON text.
module_grants = _table(
    "module_grants",
    Column("tenant_id", Number, ForeignKey("tenants.id"), primary_key=True),
    Column("grants", LongText, nullable=False),
)

# Customers as the switch names them, and the vars that come before those of their routes and numbers.
customers = _table(
    "customers",
    Column("name", Exact(NAME), primary_key=True),
    Column("tenant_id", Number, ForeignKey("tenants.id"), nullable=False, index=True),
    Column("vars", LongText, nullable=False),
)

apps = _table(
    "apps",
    Column("id", Exact(NAME), primary_key=True),
    Column("tenant_id", Number, ForeignKey("tenants.id"), nullable=False, index=True),
    Column("name", Exact(NAME), nullable=False),
    Column("created", Number, nullable=False),
)

variables = _table(
    "variables",
    Column("app_id", Exact(NAME), ForeignKey("apps.id"), primary_key=True),
    Column("name", Exact(128), primary_key=True),
    Column("value", LongText, nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("private", Boolean, nullable=False),
    Column("locked", Boolean, nullable=False),
    Column("by_default", Boolean, nullable=False),
    Column("changed", Number, nullable=False),
)

scripts = _table(
    "scripts",
    Column("id", Exact(NAME), primary_key=True),
    Column("tenant_id", Number, ForeignKey("tenants.id"), nullable=False, index=True),
    Column("app_id", Exact(NAME), ForeignKey("apps.id"), nullable=True, index=True),
    Column("name", Exact(NAME), nullable=False),
    # Its path in the directory form; null for one made of its id.
    Column("file", Exact(NAME), nullable=True),
    Column("uuid", String(36), nullable=False, unique=True),
    # The one of its versions that runs.
    Column("version", Integer, nullable=False),
    Column("environment", LongText, nullable=False),
    Column("memory_bytes", Number, nullable=True),
    Column("modules", LongText, nullable=True),
    # Whether whoever knows its uuid may run it over HTTP.
    Column("public", Boolean, nullable=False),
    Column("global_routing_priority", String(16), nullable=False),
    Column("timeout_ms", Integer, nullable=True),
    Column("timeout_action", Exact(NAME), nullable=True),
    Column("error_action", Exact(NAME), nullable=True),
    Column("vars", LongText, nullable=False),
    # Scripts that run on every call do so in this order.
    Column("position", Number, nullable=False),
)

versions = _table(
    "versions",
    Column("script_id", Exact(NAME), ForeignKey("scripts.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    # SHA-256 of the text as UTF-8.
    Column("hash", String(64), nullable=False),
    Column("who", Exact(NAME), nullable=False),
    Column("at", Number, nullable=False),
    Column("note", LongText, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("text", LongText, nullable=False),
    # What the text was made into when it was saved, with the form that this has.
    Column("prepared", LongText, nullable=False),
)

assignments = _table(
    "assignments",
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("tenant_id", Number, ForeignKey("tenants.id"), nullable=False, index=True),
    # route, did or destination.
    Column("type", String(16), nullable=False),
    # The customer of a route; the number of the others, without what does not tell numbers apart.
    Column("subject", Exact(NAME), nullable=False),
    # Empty for every route of the customer, and for what is no route.
    Column("route", Exact(NAME), nullable=False),
    # The number as it was written.
    Column("written", Exact(NAME), nullable=False),
    # Whose vars come first, and for a destination whose sounds it has. Empty for nobody.
    Column("customer", Exact(NAME), nullable=False, index=True),
    Column("script_id", Exact(NAME), ForeignKey("scripts.id"), nullable=False, index=True),
    Column("timeout_ms", Integer, nullable=True),
    Column("timeout_action", Exact(NAME), nullable=True),
    Column("error_action", Exact(NAME), nullable=True),
    Column("vars", LongText, nullable=False),
    UniqueConstraint("type", "subject", "route"),
)

# A tenant's databases of rows, as scripts have them; the rows of each are in a table of its own, rows_ID.
row_databases = _table(
    "row_databases",
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("tenant_id", Number, ForeignKey("tenants.id"), nullable=False),
    Column("name", Exact(NAME), nullable=False),
    Column("customer", Exact(NAME), nullable=False),
    Column("columns", LongText, nullable=False),
    Column("created", Number, nullable=False),
    UniqueConstraint("tenant_id", "name"),
)

tokens = _table(
    "tokens",
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("tenant_id", Number, ForeignKey("tenants.id"), nullable=False, index=True),
    Column("name", Exact(NAME), nullable=False),
    # SHA-256 of the token, which itself is nowhere.
    Column("digest", String(64), nullable=False, unique=True),
    Column("scopes", String(64), nullable=False),
    Column("made_by", Exact(NAME), nullable=False),
    Column("created", Number, nullable=False),
    Column("expires", Number, nullable=True),
    Column("last_used", Number, nullable=True),
    Column("revoked", Number, nullable=True),
)

# Who changed what. Each entry's hash is over the entry and the hash before it.
audit = _table(
    "audit",
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("at", Number, nullable=False),
    Column("who", Exact(NAME), nullable=False),
    Column("source", Exact(NAME), nullable=False),
    Column("tenant", Exact(NAME), nullable=False, index=True),
    Column("action", Exact(NAME), nullable=False),
    Column("object", Exact(1024), nullable=False),
    Column("before", LongText, nullable=True),
    Column("after", LongText, nullable=True),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

audit_head = _table(
    "audit_head",
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", Number, nullable=False),
    Column("hash", String(64), nullable=False),
)

usage = _table(
    "usage_by_minute",
    Column("tenant_id", Number, ForeignKey("tenants.id"), primary_key=True),
    # Empty for scripts without an app.
    Column("app_id", Exact(NAME), primary_key=True),
    # Since 1970.
    Column("minute", Number, primary_key=True, autoincrement=False),
    Column("runs", Number, nullable=False),
    Column("cpu_us", Number, nullable=False),
    Column("host_calls", Number, nullable=False),
    Column("bytes", Number, nullable=False),
)

# What scripts keep by key, one space of keys a tenant. By the tenant's name: a catalog in a directory has no tenants
# here.
key_values = _table(
    "key_values",
    Column("tenant", Exact(NAME), primary_key=True),
    Column("key", Exact(512), primary_key=True),
    Column("value", LongText, nullable=False),
    # Null for ever.
    Column("expires", Number, nullable=True, index=True),
    Column("created", Number, nullable=False),
    Column("updated", Number, nullable=False),
)

# How much that is. Who changes a tenant's keys locks its row first.
key_spaces = _table(
    "key_spaces",
    Column("tenant", Exact(NAME), primary_key=True),
    Column("keys", Number, nullable=False),
    Column("bytes", Number, nullable=False),
)

# Carriers that numbers are bought of: each is asked by a Driver.
providers = _table(
    "providers",
    Column("tenant_id", Number, ForeignKey("tenants.id"), primary_key=True),
    Column("id", Exact(NAME), primary_key=True),
    Column("script_id", Exact(NAME), ForeignKey("scripts.id"), nullable=False, index=True),
    # test or live.
    Column("mode", String(16), nullable=False),
    # Who it is, for people.
    Column("company", Exact(NAME), nullable=False),
)

# Numbers of carriers that are a tenant's, and those of which it is not sure.
numbers = _table(
    "numbers",
    # Without what does not tell numbers apart.
    Column("subject", Exact(NAME), primary_key=True),
    Column("tenant_id", Number, ForeignKey("tenants.id"), nullable=False, index=True),
    # As the carrier writes it.
    Column("did", Exact(NAME), nullable=False),
    Column("provider_id", Exact(NAME), nullable=False, index=True),
    # Null for one that nobody has yet.
    Column("customer", Exact(NAME), nullable=True, index=True),
    # held, or while its Driver is asked, and where it has not said what became of it: allocating, releasing.
    Column("state", String(16), nullable=False),
    # Why it is not known what became of it; empty while the Driver is asked.
    Column("fault", LongText, nullable=False),
    # What else the Driver said of it.
    Column("details", LongText, nullable=False),
    Column("changed", Number, nullable=False),
)

# What mail of scripts is made from.
mail_templates = _table(
    "mail_templates",
    Column("tenant_id", Number, ForeignKey("tenants.id"), primary_key=True),
    Column("name", Exact(NAME), primary_key=True),
    Column("subject", LongText, nullable=False),
    Column("text", LongText, nullable=False),
    Column("html", LongText, nullable=False),
)

# ---- jobs: see sidecar.queue. By the tenant's name, as key-values ----

# Whoever takes jobs of a tenant locks its row first.
job_tenants = _table(
    "job_tenants",
    Column("tenant", Exact(NAME), primary_key=True),
    # When some of them were taken last.
    Column("served", Number, nullable=False),
)

# How much is kept. Whoever adds jobs of a tenant locks its row first.
job_spaces = _table(
    "job_spaces",
    Column("tenant", Exact(NAME), primary_key=True),
    Column("jobs", Number, nullable=False),
    Column("bytes", Number, nullable=False),
)

# What was set for a queue; one for which nothing was has no row.
job_queues = _table(
    "job_queues",
    Column("tenant", Exact(NAME), primary_key=True),
    # Empty for scripts without an app.
    Column("app", Exact(NAME), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("paused", Boolean, nullable=False),
    # Null for as many as there is room for.
    Column("at_once", Integer, nullable=True),
)

# The jobs of one script in one queue. A lane stays when its last job goes.
job_lanes = _table(
    "job_lanes",
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("tenant", Exact(NAME), nullable=False, index=True),
    Column("app", Exact(NAME), nullable=False),
    Column("queue", String(64), nullable=False),
    Column("script", Exact(NAME), nullable=False),
    UniqueConstraint("script", "app", "queue"),
)

jobs = _table(
    "jobs",
    # Of hexadecimal digits; a later one is higher.
    Column("id", String(32), primary_key=True),
    Column("lane_id", Number, nullable=False),
    Column("tenant", Exact(NAME), nullable=False),
    Column("app", Exact(NAME), nullable=False),
    Column("queue", String(64), nullable=False),
    Column("script", Exact(NAME), nullable=False),
    Column("function", String(128), nullable=False),
    Column("state", String(16), nullable=False),
    # 0 is first.
    Column("priority", Integer, nullable=False),
    # When something is next to be done about it: delayed until, lease until, kept until.
    Column("due", Number, nullable=False),
    Column("created", Number, nullable=False),
    Column("started", Number, nullable=True),
    Column("finished", Number, nullable=True),
    Column("attempts", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("lease", Integer, nullable=False),
    Column("owner", Exact(NAME), nullable=False),
    Column("backoff", String(16), nullable=False),
    Column("backoff_ms", Number, nullable=False),
    Column("keep_seconds", Number, nullable=True),
    Column("key", Exact(NAME), nullable=True),
    Column("source", Exact(NAME), nullable=False),
    Column("progress", LongText, nullable=False),
    Column("error", LongText, nullable=True),
    Column("data", LongText, nullable=False),
    Column("result", LongText, nullable=True),
    Column("data_bytes", Number, nullable=False),
    Column("result_bytes", Number, nullable=False),
    # The ids of those that are told of its end, with spaces between them.
    Column("webhooks", String(400), nullable=False, server_default=""),
    # The lanes in which jobs wait, and the head of each, however long it is.
    Index(None, "state", "lane_id", "priority", "due", "id"),
    # What is due.
    Index(None, "state", "due"),
    # What a tenant looks at.
    Index(None, "tenant", "state", "id"),
    Index(None, "tenant", "key"),
)

# The processes that have this database in common and no Valkey or Redis, as each tells of itself.
nodes = _table(
    "nodes",
    Column("id", String(16), primary_key=True),
    Column("seen", Number, nullable=False),
    Column("told", LongText, nullable=False),
)

# What is run at named times: see sidecar.schedules. Whoever adds its job locks the row.
schedules = _table(
    "schedules",
    Column("tenant_id", Number, ForeignKey("tenants.id"), primary_key=True),
    Column("id", Exact(128), primary_key=True),
    Column("script_id", Exact(NAME), ForeignKey("scripts.id"), nullable=False, index=True),
    Column("function", String(128), nullable=False),
    Column("data", LongText, nullable=False),
    Column("cron", Exact(NAME), nullable=False),
    Column("zone", String(64), nullable=False),
    # once, all or none.
    Column("missed", String(16), nullable=False),
    Column("most", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("paused", Boolean, nullable=False),
    # What is due next; null while it is paused, and where nothing is.
    Column("due", Number, nullable=True, index=True),
    # The due time of its last job.
    Column("last", Number, nullable=True),
    Column("job", String(32), nullable=True),
    Column("runs", Number, nullable=False),
    Column("left_out", Number, nullable=False),
    # Why the last due time has no job; empty where it has.
    Column("fault", LongText, nullable=False),
)

# ---- mailboxes of Workers: see sidecar.queue.mailboxes ----

mailboxes = _table(
    "mailboxes",
    # The Worker's id.
    Column("script", Exact(NAME), primary_key=True),
    Column("tenant", Exact(NAME), nullable=False, index=True),
    # So often it was taken.
    Column("lease", Number, nullable=False),
    Column("owner", Exact(NAME), nullable=False),
    # When the lease ends; null where nobody has it.
    Column("until", Number, nullable=True),
    # When its head is to be given; null for an empty one.
    Column("due", Number, nullable=True, index=True),
    # Messages that were done.
    Column("done", Number, nullable=False),
    # Messages that there are.
    Column("kept", Number, nullable=False),
)

messages = _table(
    "messages",
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("script", Exact(NAME), nullable=False),
    Column("tenant", Exact(NAME), nullable=False, index=True),
    # waiting, active or dead.
    Column("state", String(16), nullable=False),
    Column("due", Number, nullable=False),
    Column("sent", Number, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("error", LongText, nullable=True),
    Column("source", Exact(NAME), nullable=False),
    Column("data", LongText, nullable=False),
    # The head of a mailbox, however many are dead before it.
    Index(None, "script", "state", "number"),
)

# Runs over HTTP that are to be ended. Who has one takes the row away; who asked for it does, where nobody has.
cancellations = _table(
    "cancellations",
    Column("id", String(16), primary_key=True),
    Column("tenant", Exact(NAME), nullable=False),
    Column("run", String(32), nullable=False),
    Column("asked", Number, nullable=False),
)

# What the codes in addresses of jobs are made with: one row.
job_address_keys = _table(
    "job_address_keys",
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("key", String(64), nullable=False),
)

# What is told of events: an address, or a function of a script, which is begun as a job.
webhooks = _table(
    "webhooks",
    # Of hexadecimal digits: it stands for a script's in what is queued.
    Column("id", String(32), primary_key=True),
    Column("tenant_id", Number, ForeignKey("tenants.id"), nullable=False),
    Column("name", Exact(NAME), nullable=False),
    Column("url", LongText, nullable=True),
    Column("script", Exact(NAME), nullable=True),
    Column("function", String(128), nullable=False),
    # Null for events of all scripts.
    Column("only", Exact(NAME), nullable=True),
    # With spaces between them.
    Column("events", String(256), nullable=False),
    Column("created", Number, nullable=False),
    UniqueConstraint("tenant_id", "name"),
)

# What it is signed with, as base64.
webhook_secrets = _table(
    "webhook_secrets",
    Column("tenant_id", Number, ForeignKey("tenants.id"), primary_key=True),
    Column("secret", String(64), nullable=False),
    Column("created", Number, nullable=False),
    # The one before, with which it is signed as well until then.
    Column("previous", String(64), nullable=True),
    Column("previous_until", Number, nullable=True),
)

# How far a machine's files of call records have been read, by the machine's name and the file.
call_records_read = _table(
    "call_records_read",
    Column("node", Exact(NAME), primary_key=True),
    Column("file", String(64), primary_key=True),
    Column("bytes", Number, nullable=False),
)
