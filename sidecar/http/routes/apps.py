"""Apps and their variables."""

from http import HTTPStatus
from typing import cast

from fastapi import APIRouter, Response

from sidecar.catalog.app_variables import Variable as StoredVariable
from sidecar.catalog.database import apps
from sidecar.catalog.database.values import table_of
from sidecar.catalog.directory.entries import AppTable
from sidecar.http.asking import Asking
from sidecar.http.conditions import GivenCondition, etag, if_there
from sidecar.http.pages import page
from sidecar.http.shapes import (
    AfterText,
    App,
    AppBody,
    InPath,
    Limit,
    Page,
    Variable,
    VariableBody,
    VariableInPath,
)

router = APIRouter(tags=["apps"])


@router.get("/apps")
async def list_apps(asked: Asking, after: AfterText = "", limit: Limit = 100) -> Page[App]:
    """A tenant's apps, by their ids."""
    async with asked.reading() as scope:
        found = await apps.list_apps(scope, after=after, limit=limit + 1)
    return page(found, limit, lambda one: one.id)


@router.post("/apps", status_code=HTTPStatus.CREATED)
async def make_app(asked: Asking, body: AppBody, response: Response) -> App:
    """An app whose id is a new number."""
    async with asked.writing() as work:
        made = await apps.make_app(work, body.name)
    response.headers.update({**etag(made), "Location": f"/api/v1/apps/{made.id}"})
    return App.model_validate(made)


@router.get("/apps/{app}")
async def get_app(asked: Asking, app: InPath, response: Response) -> App:
    """One app."""
    async with asked.reading() as scope:
        found = await apps.get_app(scope, app)
    response.headers.update(etag(found))
    return App.model_validate(found)


@router.put("/apps/{app}", responses={201: {"model": App}})
async def put_app(asked: Asking, app: InPath, body: AppBody, condition: GivenCondition, response: Response) -> App:
    """Make an app with this id, or name it anew."""
    table = cast(AppTable, table_of("app", {"id": app, "name": body.name}))
    async with asked.writing() as work:
        before = await if_there(apps.get_app(work, app))
        condition.require(before)
        made = await apps.put_app(work, table, expected=condition.tag)
        condition.settle(before, work)
    if before is None:
        response.status_code = HTTPStatus.CREATED
    response.headers.update(etag(made))
    return App.model_validate(made)


@router.delete("/apps/{app}", status_code=HTTPStatus.NO_CONTENT)
async def remove_app(asked: Asking, app: InPath, condition: GivenCondition) -> None:
    """Take an app out that has no scripts and no variables."""
    async with asked.writing() as work:
        before = await apps.get_app(work, app)
        await apps.remove_app(work, app, expected=condition.tag)
        condition.settle(before, work)


@router.get("/apps/{app}/variables")
async def list_variables(asked: Asking, app: InPath) -> Page[Variable]:
    """An app's variables by their names: at most 1,000. Of protected ones no value is told."""
    async with asked.reading() as scope:
        found = await apps.list_variables(scope, app)
    return page(found, len(found), lambda one: one.name)


@router.get("/apps/{app}/variables/{name}")
async def get_variable(asked: Asking, app: InPath, name: VariableInPath, response: Response) -> Variable:
    """One variable."""
    async with asked.reading() as scope:
        found = await apps.get_variable(scope, app, name)
    response.headers.update(etag(found))
    return Variable.model_validate(found)


@router.put("/apps/{app}/variables/{name}", responses={201: {"model": Variable}})
async def put_variable(
    asked: Asking,
    app: InPath,
    name: VariableInPath,
    body: VariableBody,
    condition: GivenCondition,
    response: Response,
) -> Variable:
    """Set a variable with its flags. Runs that begin from now on have it."""
    async with asked.writing() as work:
        await apps.get_app(work, app)
        before = await if_there(apps.get_variable(work, app, name))
        condition.require(before)
        variable = StoredVariable(name=name, **body.model_dump())
        made = await apps.put_variable(work, app, variable, expected=condition.tag)
        condition.settle(before, work)
    if before is None:
        response.status_code = HTTPStatus.CREATED
    response.headers.update(etag(made))
    return Variable.model_validate(made)


@router.delete("/apps/{app}/variables/{name}", status_code=HTTPStatus.NO_CONTENT)
async def remove_variable(asked: Asking, app: InPath, name: VariableInPath, condition: GivenCondition) -> None:
    """Take a variable out."""
    async with asked.writing() as work:
        before = await apps.get_variable(work, app, name)
        await apps.remove_variable(work, app, name, expected=condition.tag)
        condition.settle(before, work)
