"""Schedules, what is run at named times; and mailboxes of Workers."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sidecar.storage.types import Exact, LongText, Number

revision = "0005"
down_revision = "0004"
_OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def upgrade() -> None:
    """Change the tables. The release before does without."""
    op.create_table(
        "schedules",
        sa.Column("tenant_id", Number, nullable=False),
        sa.Column("id", Exact(128), nullable=False),
        sa.Column("script_id", Exact(256), nullable=False),
        sa.Column("function", sa.String(length=128), nullable=False),
        sa.Column("data", LongText, nullable=False),
        sa.Column("cron", Exact(256), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("missed", sa.String(length=16), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("due", Number, nullable=True),
        sa.Column("last", Number, nullable=True),
        sa.Column("job", sa.String(length=32), nullable=True),
        sa.Column("runs", Number, nullable=False),
        sa.Column("left_out", Number, nullable=False),
        sa.Column("fault", LongText, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_schedules_tenant_id")),
        sa.ForeignKeyConstraint(["script_id"], ["scripts.id"], name=op.f("fk_schedules_script_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_schedules_script_id"), "schedules", ["script_id"], unique=False)
    op.create_index(op.f("ix_schedules_due"), "schedules", ["due"], unique=False)
    op.create_table(
        "mailboxes",
        sa.Column("script", Exact(256), nullable=False),
        sa.Column("tenant", Exact(256), nullable=False),
        sa.Column("lease", Number, nullable=False),
        sa.Column("owner", Exact(256), nullable=False),
        sa.Column("until", Number, nullable=True),
        sa.Column("due", Number, nullable=True),
        sa.Column("done", Number, nullable=False),
        sa.Column("kept", Number, nullable=False),
        sa.PrimaryKeyConstraint("script"),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_mailboxes_tenant"), "mailboxes", ["tenant"], unique=False)
    op.create_index(op.f("ix_mailboxes_due"), "mailboxes", ["due"], unique=False)
    op.create_table(
        "messages",
        sa.Column("number", Number, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("script", Exact(256), nullable=False),
        sa.Column("tenant", Exact(256), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due", Number, nullable=False),
        sa.Column("sent", Number, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), nullable=False),
        sa.Column("error", LongText, nullable=True),
        sa.Column("source", Exact(256), nullable=False),
        sa.Column("data", LongText, nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id", name=op.f("uq_messages_id")),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_messages_tenant"), "messages", ["tenant"], unique=False)
    op.create_index(op.f("ix_messages_script_state_number"), "messages", ["script", "state", "number"], unique=False)
    state = sa.table("schema_state", sa.column("number"))
    op.execute(state.update().values(number=5))
