"""Which script runs on which calls, and customers' vars."""

from http import HTTPStatus
from typing import Any, cast

from fastapi import APIRouter, Response

from sidecar.catalog.database import assignments
from sidecar.catalog.database.assignments import AssignmentTable
from sidecar.catalog.database.errors import WrongValues
from sidecar.catalog.database.values import table_of
from sidecar.catalog.directory.entries import CustomerTable
from sidecar.http.asking import Asking
from sidecar.http.conditions import GivenCondition, etag, if_there
from sidecar.http.pages import page
from sidecar.http.shapes import (
    AfterNumber,
    AfterText,
    Assignment,
    AssignmentBody,
    Customer,
    CustomerBody,
    Filter,
    InPath,
    Limit,
    NumberInPath,
    Page,
)

router = APIRouter(tags=["assignments"])


@router.get("/assignments")
async def list_assignments(
    asked: Asking,
    type: Filter = None,  # noqa: A002 - the field's name
    script: Filter = None,
    after: AfterNumber = 0,
    limit: Limit = 100,
) -> Page[Assignment]:
    """A tenant's assignments: all, those of one type, those of one script."""
    async with asked.reading() as scope:
        found = await assignments.list_assignments(scope, kind=type, script=script, after=after, limit=limit + 1)
    return page(found, limit, lambda one: one.id)


@router.put("/assignments", responses={201: {"model": Assignment}})
async def assign(asked: Asking, body: AssignmentBody, condition: GivenCondition, response: Response) -> Assignment:
    """Have a script run on these calls, in place of another. Live within a second, for calls that come from then on."""
    table = _table(body)
    assignments.require_calls(table)
    defaults = asked.platform.rules.defaults
    async with asked.writing() as work:
        before = await assignments.find_assignment(work, table)
        condition.require(before)
        made = await assignments.assign(work, table, defaults, expected=condition.tag)
        condition.settle(before, work)
    if before is None:
        response.status_code = HTTPStatus.CREATED
    response.headers.update({**etag(made), "Location": f"/api/v1/assignments/{made.id}"})
    return Assignment.model_validate(made)


@router.get("/assignments/{number}")
async def get_assignment(asked: Asking, number: NumberInPath, response: Response) -> Assignment:
    """One assignment."""
    async with asked.reading() as scope:
        found = await assignments.get_assignment(scope, number)
    response.headers.update(etag(found))
    return Assignment.model_validate(found)


@router.delete("/assignments/{number}", status_code=HTTPStatus.NO_CONTENT)
async def unassign(asked: Asking, number: NumberInPath, condition: GivenCondition) -> None:
    """Have no script run on these calls any more."""
    async with asked.writing() as work:
        before = await assignments.get_assignment(work, number)
        await assignments.unassign(work, number, expected=condition.tag)
        condition.settle(before, work)


@router.get("/customers")
async def list_customers(asked: Asking, after: AfterText = "", limit: Limit = 100) -> Page[Customer]:
    """Customers with vars of their own."""
    async with asked.reading() as scope:
        found = await assignments.list_customers(scope, after=after, limit=limit + 1)
    return page(found, limit, lambda one: one.customer)


@router.get("/customers/{customer}")
async def get_customer(asked: Asking, customer: InPath, response: Response) -> Customer:
    """A customer's vars."""
    async with asked.reading() as scope:
        found = await assignments.get_customer(scope, customer)
    response.headers.update(etag(found))
    return Customer.model_validate(found)


@router.put("/customers/{customer}", responses={201: {"model": Customer}})
async def put_customer(
    asked: Asking, customer: InPath, body: CustomerBody, condition: GivenCondition, response: Response
) -> Customer:
    """Set a customer's vars."""
    table = cast(CustomerTable, table_of("customer", {"customer": customer, "vars": body.vars}))
    async with asked.writing() as work:
        before = await if_there(assignments.get_customer(work, customer))
        condition.require(before)
        made = await assignments.put_customer(work, table, asked.platform.rules.defaults, expected=condition.tag)
        condition.settle(before, work)
    if before is None:
        response.status_code = HTTPStatus.CREATED
    response.headers.update(etag(made))
    return Customer.model_validate(made)


@router.delete("/customers/{customer}", status_code=HTTPStatus.NO_CONTENT)
async def remove_customer(asked: Asking, customer: InPath, condition: GivenCondition) -> None:
    """Take a customer's vars out."""
    async with asked.writing() as work:
        before = await assignments.get_customer(work, customer)
        await assignments.remove_customer(work, customer, expected=condition.tag)
        condition.settle(before, work)


def _table(body: AssignmentBody) -> AssignmentTable:
    given: dict[str, Any] = body.model_dump(exclude_none=True)
    if body.did is not None and body.destination is not None:
        raise WrongValues(["did, destination: one of them alone"])
    kind = "did" if body.did is not None else "destination" if body.destination is not None else "route"
    if kind == "destination":
        wrong = [name for name in ("route", "timeout_ms", "timeout_action", "error_action") if name in given]
        if wrong:
            raise WrongValues([f"{name}: not of a destination, whose calls the script itself drives" for name in wrong])
    if kind == "did" and body.route is not None:
        raise WrongValues(["route: goes with a customer, and not with a did"])
    if kind == "route" and body.customer is None:
        raise WrongValues(["customer: needed for a route; or give a did or a destination"])
    return cast(AssignmentTable, table_of(kind, given))
