"""Carriers that numbers are bought of, and what they offer."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from sidecar.catalog.carriers import NumberState
from sidecar.catalog.database import providers
from sidecar.catalog.database.providers import ProviderRecord
from sidecar.drivers.did import CarrierNumber
from sidecar.http.asking import Asking
from sidecar.http.conditions import GivenCondition, etag, if_there
from sidecar.http.number_shapes import CarrierNumbers, FoundNumbers, Provider, ProviderBody, SearchBody
from sidecar.http.pages import page
from sidecar.http.shapes import AfterText, InPath, Limit, Page

router = APIRouter(tags=["numbers"])


@router.get("/providers")
async def list_providers(asked: Asking, after: AfterText = "", limit: Limit = 100) -> Page[Provider]:
    """A tenant's carriers, by their ids."""
    async with asked.reading() as scope:
        found = await providers.list_providers(scope, after=after, limit=limit + 1)
    shown = page(found, limit, lambda one: one.id)
    shown.items = [Provider.model_validate(one) for one in shown.items]
    return shown


@router.get("/providers/{provider}")
async def get_provider(asked: Asking, provider: InPath, response: Response) -> Provider:
    """One carrier."""
    async with asked.reading() as scope:
        found = await providers.get_provider(scope, provider)
    response.headers.update(etag(found))
    return Provider.model_validate(found)


@router.put("/providers/{provider}", responses={201: {"model": Provider}})
async def put_provider(
    asked: Asking, provider: InPath, body: ProviderBody, condition: GivenCondition, response: Response
) -> Provider:
    """Make or change a carrier. Live is for the operator to say: its Driver says which numbers are the tenant's."""
    wanted = ProviderRecord(id=provider, script=body.script, mode=body.mode, company=body.company)
    async with asked.writing() as work:
        before = await if_there(providers.get_provider(work, provider))
        condition.require(before)
        made = await providers.put_provider(work, wanted, expected=condition.tag)
        condition.settle(before, work)
    if before is None:
        response.status_code = HTTPStatus.CREATED
    response.headers.update(etag(made))
    return Provider.model_validate(made)


@router.delete("/providers/{provider}", status_code=HTTPStatus.NO_CONTENT)
async def remove_provider(asked: Asking, provider: InPath, condition: GivenCondition) -> None:
    """Remove a carrier of which there is no number."""
    async with asked.writing() as work:
        before = await providers.get_provider(work, provider)
        await providers.remove_provider(work, provider, expected=condition.tag)
        condition.settle(before, work)


@router.post("/providers/{provider}/search")
async def search(asked: Asking, provider: InPath, body: SearchBody) -> FoundNumbers:
    """Ask a carrier for numbers that can be had: `search` of its Driver."""
    asked.caller.require("run")
    found = await asked.platform.numbers.search(asked.caller, provider, body.number)
    return FoundNumbers(items=[_row(one) for one in found])


@router.post("/providers/{provider}/list")
async def list_at_carrier(asked: Asking, provider: InPath) -> CarrierNumbers:
    """Ask a carrier for all that it has for us, `list` of its Driver, and compare that with what is known here."""
    asked.caller.require("run")
    found, known = await asked.platform.numbers.at_carrier(asked.caller, provider)
    there = {one.subject for one in found}
    return CarrierNumbers(
        items=[_row(one) for one in found],
        unknown=[one.did for one in found if one.subject not in known],
        missing=[one.did for key, one in known.items() if key not in there and one.state is NumberState.HELD],
    )


def _row(one: CarrierNumber) -> dict[str, object]:
    return {"did": one.did, **one.details}
