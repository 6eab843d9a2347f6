"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sidecar.storage.types import Exact, LongText, Number

revision = "0001"
down_revision = None
_OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def upgrade() -> None:
    """Make all tables, and the rows that are there from the beginning."""
    op.create_table(
        "audit",
        sa.Column("number", Number, autoincrement=False, nullable=False),
        sa.Column("at", Number, nullable=False),
        sa.Column("who", Exact(256), nullable=False),
        sa.Column("source", Exact(256), nullable=False),
        sa.Column("tenant", Exact(256), nullable=False),
        sa.Column("action", Exact(256), nullable=False),
        sa.Column("object", Exact(1024), nullable=False),
        sa.Column("before", LongText, nullable=True),
        sa.Column("after", LongText, nullable=True),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_audit_tenant"), "audit", ["tenant"], unique=False)
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", Number, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **_OPTIONS,
    )
    op.create_table(
        "changes",
        sa.Column("number", Number, autoincrement=True, nullable=False),
        sa.Column("revision", Number, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", Exact(256), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_changes_revision"), "changes", ["revision"], unique=False)
    op.create_table(
        "revision",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", Number, nullable=False),
        sa.Column("complete_from", Number, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **_OPTIONS,
    )
    op.create_table(
        "schema_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("serves_from", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **_OPTIONS,
    )
    op.create_table(
        "tenants",
        sa.Column("id", Number, autoincrement=True, nullable=False),
        sa.Column("name", Exact(256), nullable=False),
        sa.Column("created", Number, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", name=op.f("uq_tenants_name")),
        **_OPTIONS,
    )
    op.create_table(
        "apps",
        sa.Column("id", Exact(256), nullable=False),
        sa.Column("tenant_id", Number, nullable=False),
        sa.Column("name", Exact(256), nullable=False),
        sa.Column("created", Number, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_apps_tenant_id")),
        sa.PrimaryKeyConstraint("id"),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_apps_tenant_id"), "apps", ["tenant_id"], unique=False)
    op.create_table(
        "customers",
        sa.Column("name", Exact(256), nullable=False),
        sa.Column("tenant_id", Number, nullable=False),
        sa.Column("vars", LongText, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_customers_tenant_id")),
        sa.PrimaryKeyConstraint("name"),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_customers_tenant_id"), "customers", ["tenant_id"], unique=False)
    op.create_table(
        "row_databases",
        sa.Column("id", Number, autoincrement=True, nullable=False),
        sa.Column("tenant_id", Number, nullable=False),
        sa.Column("name", Exact(256), nullable=False),
        sa.Column("customer", Exact(256), nullable=False),
        sa.Column("columns", LongText, nullable=False),
        sa.Column("created", Number, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_row_databases_tenant_id")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_row_databases_tenant_id_name")),
        **_OPTIONS,
    )
    op.create_table(
        "tokens",
        sa.Column("id", Number, autoincrement=True, nullable=False),
        sa.Column("tenant_id", Number, nullable=False),
        sa.Column("name", Exact(256), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.String(length=64), nullable=False),
        sa.Column("made_by", Exact(256), nullable=False),
        sa.Column("created", Number, nullable=False),
        sa.Column("expires", Number, nullable=True),
        sa.Column("last_used", Number, nullable=True),
        sa.Column("revoked", Number, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_tokens_tenant_id")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest", name=op.f("uq_tokens_digest")),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_tokens_tenant_id"), "tokens", ["tenant_id"], unique=False)
    op.create_table(
        "usage_by_minute",
        sa.Column("tenant_id", Number, nullable=False),
        sa.Column("app_id", Exact(256), nullable=False),
        sa.Column("minute", Number, autoincrement=False, nullable=False),
        sa.Column("runs", Number, nullable=False),
        sa.Column("cpu_us", Number, nullable=False),
        sa.Column("host_calls", Number, nullable=False),
        sa.Column("bytes", Number, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_usage_by_minute_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "app_id", "minute"),
        **_OPTIONS,
    )
    op.create_table(
        "scripts",
        sa.Column("id", Exact(256), nullable=False),
        sa.Column("tenant_id", Number, nullable=False),
        sa.Column("app_id", Exact(256), nullable=True),
        sa.Column("name", Exact(256), nullable=False),
        sa.Column("file", Exact(256), nullable=True),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("environment", LongText, nullable=False),
        sa.Column("memory_bytes", Number, nullable=True),
        sa.Column("modules", LongText, nullable=True),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("global_routing_priority", sa.String(length=16), nullable=False),
        sa.Column("timeout_ms", sa.Integer(), nullable=True),
        sa.Column("timeout_action", Exact(256), nullable=True),
        sa.Column("error_action", Exact(256), nullable=True),
        sa.Column("vars", LongText, nullable=False),
        sa.Column("position", Number, nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_scripts_app_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_scripts_tenant_id")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("uuid", name=op.f("uq_scripts_uuid")),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_scripts_app_id"), "scripts", ["app_id"], unique=False)
    op.create_index(op.f("ix_scripts_tenant_id"), "scripts", ["tenant_id"], unique=False)
    op.create_table(
        "variables",
        sa.Column("app_id", Exact(256), nullable=False),
        sa.Column("name", Exact(128), nullable=False),
        sa.Column("value", LongText, nullable=False),
        sa.Column("protected", sa.Boolean(), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("by_default", sa.Boolean(), nullable=False),
        sa.Column("changed", Number, nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_variables_app_id")),
        sa.PrimaryKeyConstraint("app_id", "name"),
        **_OPTIONS,
    )
    op.create_table(
        "assignments",
        sa.Column("id", Number, autoincrement=True, nullable=False),
        sa.Column("tenant_id", Number, nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("subject", Exact(256), nullable=False),
        sa.Column("route", Exact(256), nullable=False),
        sa.Column("written", Exact(256), nullable=False),
        sa.Column("customer", Exact(256), nullable=False),
        sa.Column("script_id", Exact(256), nullable=False),
        sa.Column("timeout_ms", sa.Integer(), nullable=True),
        sa.Column("timeout_action", Exact(256), nullable=True),
        sa.Column("error_action", Exact(256), nullable=True),
        sa.Column("vars", LongText, nullable=False),
        sa.ForeignKeyConstraint(["script_id"], ["scripts.id"], name=op.f("fk_assignments_script_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_assignments_tenant_id")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("type", "subject", "route", name=op.f("uq_assignments_type_subject_route")),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_assignments_customer"), "assignments", ["customer"], unique=False)
    op.create_index(op.f("ix_assignments_script_id"), "assignments", ["script_id"], unique=False)
    op.create_index(op.f("ix_assignments_tenant_id"), "assignments", ["tenant_id"], unique=False)
    op.create_table(
        "versions",
        sa.Column("script_id", Exact(256), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("who", Exact(256), nullable=False),
        sa.Column("at", Number, nullable=False),
        sa.Column("note", LongText, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("text", LongText, nullable=False),
        sa.Column("prepared", LongText, nullable=False),
        sa.ForeignKeyConstraint(["script_id"], ["scripts.id"], name=op.f("fk_versions_script_id")),
        sa.PrimaryKeyConstraint("script_id", "number"),
        **_OPTIONS,
    )

    state = sa.table("schema_state", sa.column("id"), sa.column("number"), sa.column("serves_from"))
    op.bulk_insert(state, [{"id": 1, "number": 1, "serves_from": 1}])
    catalog = sa.table("revision", sa.column("id"), sa.column("number"), sa.column("complete_from"))
    op.bulk_insert(catalog, [{"id": 1, "number": 1, "complete_from": 1}])
    head = sa.table("audit_head", sa.column("id"), sa.column("number"), sa.column("hash"))
    op.bulk_insert(head, [{"id": 1, "number": 0, "hash": ""}])
