"""Numbers of carriers: had, given to scripts, given back."""

from http import HTTPStatus
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Response

from sidecar.catalog.carriers import NumberState
from sidecar.catalog.database import assignments, numbers
from sidecar.catalog.database.errors import WrongValues
from sidecar.catalog.database.numbers import NumberUnsettled
from sidecar.catalog.database.values import table_of
from sidecar.catalog.directory.entries import DidTable
from sidecar.http.asking import Asked, Asking
from sidecar.http.conditions import GivenCondition, etag
from sidecar.http.number_service import WantedNumber
from sidecar.http.number_shapes import Number, NumberBody, Released, SettleBody, Settled
from sidecar.http.pages import page
from sidecar.http.shapes import NO_NUL, AfterText, Filter, InPath, Limit, Page

router = APIRouter(tags=["numbers"])


@router.get("/dids")
async def list_numbers(
    asked: Asking,
    number: Annotated[
        str | None, Query(min_length=1, max_length=256, pattern=NO_NUL, description="A part of the number.")
    ] = None,
    provider: Filter = None,
    customer: Filter = None,
    inventory: Annotated[bool, Query(description="Those alone that nobody has yet.")] = False,
    state: NumberState | None = None,
    after: AfterText = "",
    limit: Limit = 100,
) -> Page[Number]:
    """A tenant's numbers."""
    async with asked.reading() as scope:
        found = await numbers.list_numbers(
            scope,
            part=number,
            provider=provider,
            customer=customer,
            inventory=inventory,
            state=state,
            after=after,
            limit=limit + 1,
        )
    shown = page(found, limit, lambda one: one.did)
    shown.items = [Number.model_validate(one) for one in shown.items]
    return shown


@router.get("/dids/{did}")
async def get_number(asked: Asking, did: InPath, response: Response) -> Number:
    """One number."""
    async with asked.reading() as scope:
        found = await numbers.get_number(scope, did)
    response.headers.update(etag(found))
    return Number.model_validate(found)


@router.put("/dids/{did}", responses={201: {"model": Number}})
async def put_number(
    asked: Asking, did: InPath, body: NumberBody, condition: GivenCondition, response: Response
) -> Number:
    """Have a number: one that is not held yet is bought of the carrier, `allocate` of its Driver, and a script may be
    given its calls in the same request. Of one that is held it is said whose it is, and what its calls run."""
    asked.caller.require("write")
    says_customer = "customer" in body.model_fields_set
    async with asked.writing() as work:
        before = await numbers.find_number(work, did)
        condition.require(before)
        if before is not None:
            if before.state is not NumberState.HELD:
                raise NumberUnsettled(f"the number {did!r} is {before.state}, and not settled yet")
            if body.provider != before.provider:
                raise WrongValues([f"provider: the number is one of {before.provider!r}"])
            customer = body.customer if says_customer else before.customer
            await numbers.change_number(work, did, customer, expected=condition.tag)
            if body.assignment is not None:
                await assignments.assign(work, _table(asked, before.did, body, customer), asked.platform.rules.defaults)
            condition.settle(before, work)
            after = await numbers.get_number(work, did)
    if before is None:
        wanted = WantedNumber(
            did=did,
            provider=body.provider,
            customer=body.customer,
            says_customer=says_customer,
            assignment=_table(asked, did, body, body.customer) if body.assignment is not None else None,
            adopt=body.adopt,
        )
        after, is_kept = await asked.platform.numbers.allocate(asked.caller, wanted)
        if not is_kept:
            return Number.model_validate(after).model_copy(update={"state": "test"})
        response.status_code = HTTPStatus.CREATED
    response.headers.update(etag(after))
    return Number.model_validate(after)


@router.delete("/dids/{did}")
async def release_number(
    asked: Asking,
    did: InPath,
    condition: GivenCondition,
    unassign: Annotated[bool, Query(description="Whether its calls are to run no script any more.")] = False,
) -> Released:
    """Give a number back to the carrier: `release` of its Driver."""
    asked.caller.require("write")
    is_kept = await asked.platform.numbers.release(asked.caller, did, condition, unassign=unassign)
    await asked.platform.scripts.look_again()
    return Released(did=did, test=not is_kept)


@router.post("/dids/{did}/settle")
async def settle_number(asked: Asking, did: InPath, body: SettleBody) -> Settled:
    """Settle what became of a number that is `allocating` or `releasing`: the carrier is asked whether it has it for
    us, `list` of its Driver, or the operator says so."""
    asked.caller.require("write")
    return Settled(did=did, held=await asked.platform.numbers.settle(asked.caller, did, body.held))


def _table(asked: Asked, did: str, body: NumberBody, customer: str | None) -> DidTable:
    assert body.assignment is not None  # noqa: S101 - asked for by whoever has one
    # Whose vars come first is for the operator to say, of others than the tenant.
    if not (asked.caller.is_operator or customer == asked.caller.tenant):
        customer = None
    given: dict[str, Any] = body.assignment.model_dump(exclude_none=True)
    return cast(DidTable, table_of("did", {"did": did, "customer": customer or "", **given}))
