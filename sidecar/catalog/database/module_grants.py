"""npm modules that tenants are granted, which is the operator's to do."""

import msgspec
from sqlalchemy import delete, insert

from sidecar.catalog.database.errors import NotAllowed, WrongValues
from sidecar.catalog.database.work import Scope, Tagged, Work, require_tag
from sidecar.catalog.module_grants import MODULES, NO_GRANTS, ModuleGrants, decode_grants, encode_grants
from sidecar.storage.tables import module_grants


class GrantsRecord(Tagged, frozen=True, kw_only=True):
    """What the operator has granted to a tenant."""

    tenant: str
    grants: ModuleGrants


async def get_grants(scope: Scope) -> GrantsRecord:
    """What was granted to a tenant."""
    row = (await scope.connection.execute(scope.own(module_grants))).one_or_none()
    return GrantsRecord(tenant=scope.tenant, grants=decode_grants(row.grants) if row is not None else NO_GRANTS)


async def put_grants(work: Work, grants: ModuleGrants, *, expected: str | None = None) -> GrantsRecord:
    """Grant modules to a tenant, these and no others. Raises NotAllowed, WrongValues, ChangedMeanwhile."""
    if not work.actor.operator:
        raise NotAllowed("only the operator grants modules")
    if grants.count() > MODULES:
        raise WrongValues([f"a tenant is granted {MODULES} modules at most"])
    before = await get_grants(work)
    require_tag(f"modules of {work.tenant!r}", before, expected)
    if before.grants == grants:
        return before
    await work.connection.execute(delete(module_grants).where(module_grants.c.tenant_id == work.tenant_id))
    if grants != NO_GRANTS:
        values = {"tenant_id": work.tenant_id, "grants": encode_grants(grants)}
        await work.connection.execute(insert(module_grants).values(**values))
    work.audit("tenant.modules", work.tenant, msgspec.to_builtins(before.grants), msgspec.to_builtins(grants))
    work.changed("tenant", work.tenant)
    return GrantsRecord(tenant=work.tenant, grants=grants)
