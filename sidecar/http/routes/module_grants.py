"""npm modules that a tenant's scripts may require, which is the operator's to grant."""

import msgspec
from fastapi import APIRouter, Response

from sidecar.catalog.database import module_grants
from sidecar.catalog.module_grants import ModuleGrants
from sidecar.http.asking import Asking
from sidecar.http.conditions import GivenCondition, etag
from sidecar.http.shapes import InPath, ModuleGrantsBody

router = APIRouter(tags=["modules"])


@router.get("/tenants/{name}/modules")
async def get_modules(asked: Asking, name: InPath, response: Response) -> ModuleGrantsBody:
    """What was granted to a tenant. For the operator."""
    asked.caller.require_operator()
    async with asked.platform.store.reading(name) as scope:
        found = await module_grants.get_grants(scope)
    response.headers.update(etag(found))
    return ModuleGrantsBody.model_validate(msgspec.structs.asdict(found.grants))


@router.put("/tenants/{name}/modules")
async def put_modules(
    asked: Asking, name: InPath, body: ModuleGrantsBody, condition: GivenCondition, response: Response
) -> ModuleGrantsBody:
    """Grant modules to a tenant, these and no others: in every process within a second. For the operator."""
    grants = msgspec.convert(body.model_dump(), ModuleGrants)
    async with asked.changing() as change:
        work = change.of(name)
        before = await module_grants.get_grants(work)
        condition.require(before)
        after = await module_grants.put_grants(work, grants, expected=condition.tag)
        condition.settle(before, work)
    await asked.platform.scripts.look_again()
    response.headers.update(etag(after))
    return ModuleGrantsBody.model_validate(msgspec.structs.asdict(after.grants))
