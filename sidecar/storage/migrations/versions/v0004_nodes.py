"""Nodes: the processes that have a database in common."""

import sqlalchemy as sa
from alembic import op

from sidecar.storage.types import LongText, Number

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Change the tables. The release before does without."""
    op.create_table(
        "nodes",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("seen", Number, nullable=False),
        sa.Column("told", LongText, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    state = sa.table("schema_state", sa.column("number"))
    op.execute(state.update().values(number=4))
