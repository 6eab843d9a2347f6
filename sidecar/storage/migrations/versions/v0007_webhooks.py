"""Addresses of jobs that are asked for over HTTP, webhooks, and how far call records have been read."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sidecar.storage.types import Exact, LongText, Number

revision = "0007"
down_revision = "0006"
_OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def upgrade() -> None:
    """Change the tables. The release before does without."""
    op.create_table(
        "job_address_keys",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **_OPTIONS,
    )
    op.add_column("jobs", sa.Column("webhooks", sa.String(length=400), server_default="", nullable=False))
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", Number, nullable=False),
        sa.Column("name", Exact(256), nullable=False),
        sa.Column("url", LongText, nullable=True),
        sa.Column("script", Exact(256), nullable=True),
        sa.Column("function", sa.String(length=128), nullable=False),
        sa.Column("only", Exact(256), nullable=True),
        sa.Column("events", sa.String(length=256), nullable=False),
        sa.Column("created", Number, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_webhooks_tenant_id")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_webhooks_tenant_id_name")),
        **_OPTIONS,
    )
    op.create_table(
        "webhook_secrets",
        sa.Column("tenant_id", Number, nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("created", Number, nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=True),
        sa.Column("previous_until", Number, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_webhook_secrets_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id"),
        **_OPTIONS,
    )
    op.create_table(
        "call_records_read",
        sa.Column("node", Exact(256), nullable=False),
        sa.Column("file", sa.String(length=64), nullable=False),
        sa.Column("bytes", Number, nullable=False),
        sa.PrimaryKeyConstraint("node", "file"),
        **_OPTIONS,
    )
    state = sa.table("schema_state", sa.column("number"))
    op.execute(state.update().values(number=7))
