"""Tenants, which are the operator's to make; and who a token is of."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from sidecar.catalog.database import tenants
from sidecar.http.asking import Asking
from sidecar.http.pages import page
from sidecar.http.shapes import AfterText, InPath, Limit, Me, Page, Tenant

router = APIRouter(tags=["tenants"])


@router.get("/me")
async def who_asks(asked: Asking) -> Me:
    """Whose the token is, and what it may."""
    caller = asked.caller
    return Me(
        token=caller.bearer.token,
        name=caller.bearer.name,
        tenant=caller.tenant,
        scopes=sorted(caller.bearer.scopes),
        operator=caller.is_operator,
    )


@router.get("/tenants")
async def list_tenants(asked: Asking, after: AfterText = "", limit: Limit = 100) -> Page[Tenant]:
    """All tenants, by their names. For the operator."""
    asked.caller.require_operator()
    async with asked.platform.store.storage.reading() as connection:
        found = await tenants.list_tenants(connection, after=after, limit=limit + 1)
    return page(found, limit, lambda one: one.name)


@router.get("/tenants/{name}")
async def get_tenant(asked: Asking, name: InPath) -> Tenant:
    """One tenant. For the operator."""
    asked.caller.require_operator()
    return await _tenant(asked, name)


@router.put("/tenants/{name}", responses={201: {"model": Tenant}})
async def put_tenant(asked: Asking, name: InPath, response: Response) -> Tenant:
    """Make a tenant, who may be there already. For the operator."""
    async with asked.changing() as change:
        await tenants.make_tenant(change, name)
        if change.has_steps:
            response.status_code = HTTPStatus.CREATED
    return await _tenant(asked, name)


async def _tenant(asked: Asking, name: str) -> Tenant:
    async with asked.platform.store.storage.reading() as connection:
        return Tenant.model_validate(await tenants.get_tenant(connection, name))
