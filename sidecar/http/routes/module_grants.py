"""npm modules that a tenant's scripts may require, which is the operator's to grant."""

from typing import Final

import msgspec
from fastapi import APIRouter, Response

from sidecar.catalog.database import module_grants
from sidecar.catalog.module_grants import ModuleGrants
from sidecar.http.asking import Asking
from sidecar.http.conditions import GivenCondition
from sidecar.http.shapes import InPath, ModuleGrantsBody
from sidecar.http.tenant_setting import TenantSetting

router = APIRouter(tags=["modules"])
_GRANTS: Final = TenantSetting(module_grants.get_grants, module_grants.put_grants)


@router.get("/tenants/{name}/modules")
async def get_modules(asked: Asking, name: InPath, response: Response) -> ModuleGrantsBody:
    """What was granted to a tenant. For the operator."""
    found = await _GRANTS.get(asked, name, response)
    return ModuleGrantsBody.model_validate(msgspec.structs.asdict(found.grants))


@router.put("/tenants/{name}/modules")
async def put_modules(
    asked: Asking, name: InPath, body: ModuleGrantsBody, condition: GivenCondition, response: Response
) -> ModuleGrantsBody:
    """Grant modules to a tenant, these and no others: in every process within a second. For the operator."""
    grants = msgspec.convert(body.model_dump(), ModuleGrants)
    after = await _GRANTS.replace(asked, name, grants, condition, response)
    return ModuleGrantsBody.model_validate(msgspec.structs.asdict(after.grants))
