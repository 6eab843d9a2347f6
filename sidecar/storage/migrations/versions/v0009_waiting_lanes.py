"""The lanes in which jobs wait are found by an index, however many others there are."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
_REST = ["priority", "due", "id"]


def upgrade() -> None:
    """Change the index. The release before finds the head of a lane by it as well."""
    columns = ["state", "lane_id", *_REST]
    op.create_index(op.f(f"ix_jobs_{'_'.join(columns)}"), "jobs", columns, unique=False)
    op.drop_index(op.f("ix_jobs_lane_id_state_priority_due_id"), "jobs")
    state = sa.table("schema_state", sa.column("number"))
    op.execute(state.update().values(number=9))
