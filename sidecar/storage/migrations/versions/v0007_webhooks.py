"""Addresses of jobs that are asked for over HTTP."""

from typing import Any

import sqlalchemy as sa
from alembic import op

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
    state = sa.table("schema_state", sa.column("number"))
    op.execute(state.update().values(number=7))
