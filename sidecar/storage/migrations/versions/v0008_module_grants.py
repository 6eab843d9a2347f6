"""npm modules that tenants are granted."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sidecar.storage.types import LongText, Number

revision = "0008"
down_revision = "0007"
_OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def upgrade() -> None:
    """Change the tables. The release before does without."""
    op.create_table(
        "module_grants",
        sa.Column("tenant_id", Number, nullable=False),
        sa.Column("grants", LongText, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_module_grants_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id"),
        **_OPTIONS,
    )
    state = sa.table("schema_state", sa.column("number"))
    op.execute(state.update().values(number=8))
