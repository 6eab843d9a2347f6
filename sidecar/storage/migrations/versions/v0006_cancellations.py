"""Cancellations: runs that whichever platform has them is to end."""

import sqlalchemy as sa
from alembic import op

from sidecar.storage.types import Exact, Number

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Change the tables. The release before does without."""
    op.create_table(
        "cancellations",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("tenant", Exact(256), nullable=False),
        sa.Column("run", sa.String(length=32), nullable=False),
        sa.Column("asked", Number, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    state = sa.table("schema_state", sa.column("number"))
    op.execute(state.update().values(number=6))
