"""What a tenant may use, which is the operator's to set."""

from fastapi import APIRouter, Response
from msgspec import structs

from sidecar.catalog.database import tenants
from sidecar.catalog.limits import TenantLimits
from sidecar.http.asking import Asking
from sidecar.http.conditions import GivenCondition, etag
from sidecar.http.shapes import InPath, LimitsBody, LimitsNow

router = APIRouter(tags=["limits"])


@router.get("/limits")
async def read_limits(asked: Asking) -> LimitsNow:
    """What holds for a tenant over HTTP, whoever set it; null for no limit. With how often each has refused something
    of it since the start of this process, and the runs under way."""
    tenant = await asked.require("read")
    usage = asked.platform.services.usage
    allowance = usage.allowance(tenant)
    return LimitsNow(
        limits=LimitsBody.model_validate(structs.asdict(usage.limits_of(tenant))),
        refused=allowance.refused,
        runs=allowance.running,
    )


@router.get("/tenants/{name}/limits")
async def get_limits(asked: Asking, name: InPath, response: Response) -> LimitsBody:
    """What was set for a tenant; null where the configuration says how much. For the operator."""
    asked.caller.require_operator()
    async with asked.platform.store.reading(name) as scope:
        found = await tenants.get_limits(scope)
    response.headers.update(etag(found))
    return LimitsBody.model_validate(structs.asdict(found.limits))


@router.put("/tenants/{name}/limits")
async def put_limits(
    asked: Asking, name: InPath, body: LimitsBody, condition: GivenCondition, response: Response
) -> LimitsBody:
    """Set all limits of a tenant, which hold in every process within a second; null leaves one to the configuration.
    For the operator."""
    limits = TenantLimits(**body.model_dump())
    async with asked.changing() as change:
        work = change.of(name)
        before = await tenants.get_limits(work)
        condition.require(before)
        after = await tenants.put_limits(work, limits, expected=condition.tag)
        condition.settle(before, work)
    await asked.platform.scripts.look_again()
    response.headers.update(etag(after))
    return LimitsBody.model_validate(structs.asdict(after.limits))
