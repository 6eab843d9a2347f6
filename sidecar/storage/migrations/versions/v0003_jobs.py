"""Jobs: what scripts are told to do later."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sidecar.storage.types import Exact, LongText, Number

revision = "0003"
down_revision = "0002"
_OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def upgrade() -> None:
    """Change the tables. The release before does without."""
    op.create_table(
        "job_tenants",
        sa.Column("tenant", Exact(256), nullable=False),
        sa.Column("served", Number, nullable=False),
        sa.PrimaryKeyConstraint("tenant"),
        **_OPTIONS,
    )
    op.create_table(
        "job_spaces",
        sa.Column("tenant", Exact(256), nullable=False),
        sa.Column("jobs", Number, nullable=False),
        sa.Column("bytes", Number, nullable=False),
        sa.PrimaryKeyConstraint("tenant"),
        **_OPTIONS,
    )
    op.create_table(
        "job_queues",
        sa.Column("tenant", Exact(256), nullable=False),
        sa.Column("app", Exact(256), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("at_once", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "app", "name"),
        **_OPTIONS,
    )
    op.create_table(
        "job_lanes",
        sa.Column("id", Number, autoincrement=True, nullable=False),
        sa.Column("tenant", Exact(256), nullable=False),
        sa.Column("app", Exact(256), nullable=False),
        sa.Column("queue", sa.String(length=64), nullable=False),
        sa.Column("script", Exact(256), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("script", "app", "queue", name=op.f("uq_job_lanes_script_app_queue")),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_job_lanes_tenant"), "job_lanes", ["tenant"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("lane_id", Number, nullable=False),
        sa.Column("tenant", Exact(256), nullable=False),
        sa.Column("app", Exact(256), nullable=False),
        sa.Column("queue", sa.String(length=64), nullable=False),
        sa.Column("script", Exact(256), nullable=False),
        sa.Column("function", sa.String(length=128), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("due", Number, nullable=False),
        sa.Column("created", Number, nullable=False),
        sa.Column("started", Number, nullable=True),
        sa.Column("finished", Number, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), nullable=False),
        sa.Column("lease", sa.Integer(), nullable=False),
        sa.Column("owner", Exact(256), nullable=False),
        sa.Column("backoff", sa.String(length=16), nullable=False),
        sa.Column("backoff_ms", Number, nullable=False),
        sa.Column("keep_seconds", Number, nullable=True),
        sa.Column("key", Exact(256), nullable=True),
        sa.Column("source", Exact(256), nullable=False),
        sa.Column("progress", LongText, nullable=False),
        sa.Column("error", LongText, nullable=True),
        sa.Column("data", LongText, nullable=False),
        sa.Column("result", LongText, nullable=True),
        sa.Column("data_bytes", Number, nullable=False),
        sa.Column("result_bytes", Number, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **_OPTIONS,
    )
    for columns in (["lane_id", "state", "priority", "due", "id"], ["state", "due"], ["tenant", "state", "id"]):
        op.create_index(op.f(f"ix_jobs_{'_'.join(columns)}"), "jobs", columns, unique=False)
    op.create_index(op.f("ix_jobs_tenant_key"), "jobs", ["tenant", "key"], unique=False)
    state = sa.table("schema_state", sa.column("number"))
    op.execute(state.update().values(number=3))
