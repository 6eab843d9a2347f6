"""Databases of rows, as scripts have them in cxUserspace."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import StreamingResponse

from sidecar.catalog.database.errors import AlreadyThere, NotThere, WrongValues
from sidecar.hosts.rows import model
from sidecar.hosts.rows.bounded import ROWS
from sidecar.hosts.rows.csv_text import CsvRefused, column_names, csv_line, csv_lines, parse_rows
from sidecar.hosts.rows.store import RowDatabases
from sidecar.http.asking import Asked, Asking
from sidecar.http.json_values import JsonTable
from sidecar.http.kept_shapes import Column, Imported, NewRow, RowDatabase, RowDatabaseBody
from sidecar.http.pages import page
from sidecar.http.shapes import AfterKey, AfterText, DatabaseInPath, Limit, Page, RowKeyInPath

router = APIRouter(tags=["rows"])

MEDIA_TYPE: Final = "text/csv"
WRITTEN_AT_ONCE: Final = 500
"""Rows of an import in one transaction, some 10 ms, for which others that write wait."""
_TEXT: Final = {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}
Columns = Annotated[JsonTable, Body(description="The columns by their names; those that are not given are null.")]
Row = dict[str, Any]


@router.get("/databases")
async def list_databases(asked: Asking, after: AfterText = "", limit: Limit = 100) -> Page[RowDatabase]:
    """A tenant's databases, by their names."""
    tenant = await asked.require("read")
    found = await (await _rows(asked)).inventory.databases(tenant)
    names = [name for name in sorted(found) if name > after]
    shown = page(names, limit, str)
    shown.items = [_shape(found[name]) for name in shown.items]
    return shown


@router.get("/databases/{database}")
async def get_database(asked: Asking, database: DatabaseInPath) -> RowDatabase:
    """One database, with its columns."""
    tenant = await asked.require("read")
    return _shape(await (await _rows(asked)).inventory.database(tenant, database))


@router.put("/databases/{database}", responses={201: {"model": RowDatabase}})
async def put_database(
    asked: Asking, database: DatabaseInPath, body: RowDatabaseBody, response: Response
) -> RowDatabase:
    """Make a database. One that is there keeps its columns: another list of them is refused."""
    tenant = await asked.require("write")
    rows = await _rows(asked)
    columns = tuple(model.RowColumn(name=one.name, type=one.type, indexed=one.indexed) for one in body.columns)
    there = (await rows.inventory.databases(tenant)).get(database)
    if there is not None:
        if _own(there) != columns:
            raise AlreadyThere(f"there is a database {database!r} already, with other columns")
        return _shape(there)
    try:
        made = await rows.inventory.make(tenant, database, columns)
    except ValueError as error:
        raise WrongValues([str(error)]) from None
    await _audit(asked, "database.make", database, None, {"columns": [one.model_dump() for one in body.columns]})
    response.status_code = HTTPStatus.CREATED
    return _shape(made)


@router.delete("/databases/{database}", status_code=HTTPStatus.NO_CONTENT)
async def remove_database(asked: Asking, database: DatabaseInPath) -> None:
    """Remove a database with all its rows."""
    tenant = await asked.require("write")
    await (await _rows(asked)).inventory.remove(tenant, database)
    await _audit(asked, "database.remove", database, {"database": database}, None)


@router.get("/databases/{database}/rows")
async def list_rows(asked: Asking, database: DatabaseInPath, after: AfterKey = "", limit: Limit = 100) -> Page[Row]:
    """Rows by their keys. Of rows that have long texts a page has fewer than ``limit``: it has the last of them where
    ``next`` is null."""
    tenant = await asked.require("read")
    found, more = await (await _rows(asked)).page(tenant, database, after, limit)
    return Page[Row](items=list(found), next=found[-1]["key"] if more else None)


@router.post("/databases/{database}/rows", status_code=HTTPStatus.CREATED)
async def make_row(asked: Asking, database: DatabaseInPath, body: NewRow) -> Row:
    """Make a row, of whose key there is none yet."""
    tenant = await asked.require("write")
    rows = await _rows(asked)
    await rows.create(tenant, database, body.key, body.columns)
    return await _row(rows, tenant, database, body.key)


@router.get("/databases/{database}/rows/{key:path}")
async def get_row(asked: Asking, database: DatabaseInPath, key: RowKeyInPath) -> Row:
    """One row."""
    tenant = await asked.require("read")
    return await _row(await _rows(asked), tenant, database, key)


@router.put("/databases/{database}/rows/{key:path}", responses={201: {"description": "There was none before."}})
async def put_row(asked: Asking, database: DatabaseInPath, key: RowKeyInPath, body: Columns, response: Response) -> Row:
    """Make a row, or put it in the place of the one that is there. Scripts write rows at any time: there is no ETag."""
    tenant = await asked.require("write")
    if body.get("key", key) != key:
        raise WrongValues(["key: it is another one than in the path"])
    rows = await _rows(asked)
    given = {name: value for name, value in body.items() if name != "key"}
    if await rows.put(tenant, database, [(key, given)]):
        response.status_code = HTTPStatus.CREATED
    return await _row(rows, tenant, database, key)


@router.delete("/databases/{database}/rows/{key:path}", status_code=HTTPStatus.NO_CONTENT)
async def remove_row(asked: Asking, database: DatabaseInPath, key: RowKeyInPath) -> None:
    """Remove a row."""
    tenant = await asked.require("write")
    rows = await _rows(asked)
    await _row(rows, tenant, database, key)
    await rows.delete(tenant, database, key)


@router.post(
    "/databases/{database}/import", openapi_extra={"requestBody": {"required": True, **_TEXT}}, response_model=Imported
)
async def import_rows(asked: Asking, request: Request, database: DatabaseInPath) -> Imported:
    """Rows in CSV, with the columns' names in the first line: each is made, or put in the place of the one of its key.
    Where something is wrong with a line nothing is changed; otherwise 500 rows at a time are written, and what was not
    answered may be sent again."""
    tenant = await asked.require("write")
    rows = await _rows(asked)
    known = await rows.inventory.database(tenant, database)
    try:
        text = (await request.body()).decode("utf-8-sig")
        # In a thread: 8 MB of it take a second.
        found = await asyncio.to_thread(parse_rows, text, known)
    except UnicodeDecodeError as error:
        raise WrongValues([f"it is not UTF-8 text from byte {error.start} on"]) from None
    except CsvRefused as error:
        raise WrongValues(error.messages) from None
    made = 0
    for begin in range(0, len(found), WRITTEN_AT_ONCE):
        made += await rows.put(tenant, database, found[begin : begin + WRITTEN_AT_ONCE])
    await _audit(asked, "database.import", database, None, {"rows": len(found), "made": made})
    return Imported(rows=len(found), made=made)


@router.get("/databases/{database}/export", response_class=StreamingResponse, responses={200: _TEXT})
async def export_rows(asked: Asking, database: DatabaseInPath) -> StreamingResponse:
    """All rows as CSV, as an import takes them. What is null is a field without text."""
    tenant = await asked.require("read")
    rows = await _rows(asked)
    known = await rows.inventory.database(tenant, database)
    first = await rows.page(tenant, database, "", ROWS)

    async def text() -> AsyncIterator[str]:
        yield csv_line(column_names(known))
        found, more = first
        yield "".join(csv_lines(found, known))
        while more:
            found, more = await rows.page(tenant, database, found[-1]["key"], ROWS)
            yield "".join(csv_lines(found, known))

    return StreamingResponse(text(), media_type=MEDIA_TYPE)


async def _rows(asked: Asked) -> RowDatabases:
    return await asked.platform.services.rows()


async def _row(rows: RowDatabases, tenant: str, database: str, key: str) -> Row:
    found = await rows.read(tenant, database, key)
    if found is None:
        raise NotThere(f"{database} has no row {key[:60]!r}")
    return found


async def _audit(asked: Asked, action: str, database: str, before: object, after: object) -> None:
    async with asked.writing() as work:
        work.audit(action, database, before, after)


def _own(database: model.RowDatabase) -> tuple[model.RowColumn, ...]:
    return tuple(column for column in database.columns if column != model.VALUE)


def _shape(database: model.RowDatabase) -> RowDatabase:
    return RowDatabase(name=database.name, columns=[Column.model_validate(one) for one in _own(database)])
