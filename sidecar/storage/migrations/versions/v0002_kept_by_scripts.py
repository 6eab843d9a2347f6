"""What scripts keep by key, templates of their mail, limits of tenants, and numbers of carriers."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sidecar.storage.types import Exact, LongText, Number

revision = "0002"
down_revision = "0001"
_OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def upgrade() -> None:
    """Change the tables. The release before does without."""
    op.create_table(
        "key_values",
        sa.Column("tenant", Exact(256), nullable=False),
        sa.Column("key", Exact(512), nullable=False),
        sa.Column("value", LongText, nullable=False),
        sa.Column("expires", Number, nullable=True),
        sa.Column("created", Number, nullable=False),
        sa.Column("updated", Number, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key"),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_key_values_expires"), "key_values", ["expires"], unique=False)
    op.create_table(
        "key_spaces",
        sa.Column("tenant", Exact(256), nullable=False),
        sa.Column("keys", Number, nullable=False),
        sa.Column("bytes", Number, nullable=False),
        sa.PrimaryKeyConstraint("tenant"),
        **_OPTIONS,
    )
    op.create_table(
        "mail_templates",
        sa.Column("tenant_id", Number, nullable=False),
        sa.Column("name", Exact(256), nullable=False),
        sa.Column("subject", LongText, nullable=False),
        sa.Column("text", LongText, nullable=False),
        sa.Column("html", LongText, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_mail_templates_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "name"),
        **_OPTIONS,
    )
    op.create_table(
        "tenant_limits",
        sa.Column("tenant_id", Number, nullable=False),
        sa.Column("limits", LongText, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_tenant_limits_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id"),
        **_OPTIONS,
    )
    op.create_table(
        "providers",
        sa.Column("tenant_id", Number, nullable=False),
        sa.Column("id", Exact(256), nullable=False),
        sa.Column("script_id", Exact(256), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("company", Exact(256), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_providers_tenant_id")),
        sa.ForeignKeyConstraint(["script_id"], ["scripts.id"], name=op.f("fk_providers_script_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_providers_script_id"), "providers", ["script_id"], unique=False)
    op.create_table(
        "numbers",
        sa.Column("subject", Exact(256), nullable=False),
        sa.Column("tenant_id", Number, nullable=False),
        sa.Column("did", Exact(256), nullable=False),
        sa.Column("provider_id", Exact(256), nullable=False),
        sa.Column("customer", Exact(256), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("fault", LongText, nullable=False),
        sa.Column("details", LongText, nullable=False),
        sa.Column("changed", Number, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_numbers_tenant_id")),
        sa.PrimaryKeyConstraint("subject"),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_numbers_tenant_id"), "numbers", ["tenant_id"], unique=False)
    op.create_index(op.f("ix_numbers_provider_id"), "numbers", ["provider_id"], unique=False)
    op.create_index(op.f("ix_numbers_customer"), "numbers", ["customer"], unique=False)
    state = sa.table("schema_state", sa.column("number"))
    op.execute(state.update().values(number=2))
