"""What a tenant may use, which is the operator's to set."""

from typing import Final

from fastapi import APIRouter, Response
from msgspec import structs

from sidecar.catalog.database import tenants
from sidecar.catalog.limits import TenantLimits
from sidecar.http.asking import Asking
from sidecar.http.conditions import GivenCondition
from sidecar.http.shapes import InPath, LimitsBody, LimitsNow
from sidecar.http.tenant_setting import TenantSetting

router = APIRouter(tags=["limits"])
_LIMITS: Final = TenantSetting(tenants.get_limits, tenants.put_limits)


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
    found = await _LIMITS.get(asked, name, response)
    return LimitsBody.model_validate(structs.asdict(found.limits))


@router.put("/tenants/{name}/limits")
async def put_limits(
    asked: Asking, name: InPath, body: LimitsBody, condition: GivenCondition, response: Response
) -> LimitsBody:
    """Set all limits of a tenant, which hold in every process within a second; null leaves one to the configuration.
    For the operator."""
    after = await _LIMITS.replace(asked, name, TenantLimits(**body.model_dump()), condition, response)
    return LimitsBody.model_validate(structs.asdict(after.limits))
