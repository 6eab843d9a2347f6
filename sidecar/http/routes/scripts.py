"""Scripts, their texts and versions."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Response

from sidecar.catalog.database import scripts
from sidecar.catalog.database.checks import CheckedText, TextToSave
from sidecar.catalog.database.errors import ScriptRefused, WrongValues
from sidecar.catalog.database.scripts import ScriptRecord
from sidecar.catalog.database.values import table_of
from sidecar.catalog.directory.entries import ScriptTable
from sidecar.http.asking import Asked, Asking
from sidecar.http.conditions import GivenCondition, etag, if_there
from sidecar.http.pages import page
from sidecar.http.routes.app_scripts import scripts_by_name, text_to_save
from sidecar.http.shapes import (
    AfterText,
    BeforeNumber,
    CheckBody,
    Checked,
    Difference,
    Filter,
    InPath,
    Limit,
    Page,
    Restore,
    Script,
    ScriptBody,
    ScriptProblem,
    TextBody,
    Version,
    VersionInPath,
    VersionText,
)
from sidecar.kind import Kind
from sidecar.language.check import without_those_for_others
from sidecar.problem import Problem

router = APIRouter(tags=["scripts"])


@router.get("/scripts")
async def list_scripts(asked: Asking, app: Filter = None, after: AfterText = "", limit: Limit = 100) -> Page[Script]:
    """A tenant's scripts by their ids, or those of one app (of none: an empty text)."""
    async with asked.reading() as scope:
        found = await scripts.list_scripts(scope, app=app, after=after, limit=limit + 1)
    return page(found, limit, lambda one: one.id)


@router.post("/scripts", status_code=HTTPStatus.CREATED)
async def make_script(asked: Asking, body: ScriptBody, response: Response) -> Script:
    """Save a script whose id is a new number."""
    asked.caller.require("write")
    table = _table(body, None)
    checked = await _checked(asked, body.text, body.kind, table)
    async with asked.writing() as work:
        made = await scripts.put_script(work, table, checked, asked.platform.rules, note=body.note)
    response.headers.update({**etag(made), "Location": f"/api/v1/scripts/{made.id}"})
    return Script.model_validate(made)


@router.post("/check")
async def check_script(asked: Asking, body: CheckBody) -> Checked:
    """Look through a text as a save does, with others of its app and beside those that the app has; save nothing."""
    asked.caller.require("read")
    if body.name in body.files:
        raise WrongValues([f"files: {body.name!r} is the name of the text itself"])
    try:
        checked = await _looked_through(asked, body)
    except ScriptRefused as refused:
        return Checked(problems=[_problem(one) for one in refused.problems])
    imported = {path for one in checked for path in one.prepared.files}
    told = without_those_for_others((found for one in checked for found in one.warnings), imported)
    return Checked(problems=[_problem(one) for one in told])


async def _looked_through(asked: Asked, body: CheckBody) -> list[CheckedText]:
    if body.app is not None:
        async with asked.reading() as scope:
            known = await scripts_by_name(scope, body.app)
        wanted = [text_to_save(body.name, body.text, body.kind, known.get(body.name))]
        wanted += [text_to_save(name, text, None, known.get(name)) for name, text in body.files.items()]
        return await asked.platform.checks.check_files(asked.reading(), body.app, wanted)
    if not body.files:
        return [await asked.platform.checks.check(body.text, body.kind, body.name)]
    wanted = [TextToSave(body.name, body.text, body.kind)]
    wanted += [TextToSave(name, text, Kind.APP) for name, text in body.files.items()]
    return await asked.platform.checks.check_together(wanted)


@router.get("/scripts/{script}")
async def get_script(asked: Asking, script: InPath, response: Response) -> Script:
    """One script, without its text."""
    async with asked.reading() as scope:
        found = await scripts.get_script(scope, script)
    response.headers.update(etag(found))
    return Script.model_validate(found)


@router.put("/scripts/{script}", responses={201: {"model": Script}})
async def put_script(
    asked: Asking, script: InPath, body: ScriptBody, condition: GivenCondition, response: Response
) -> Script:
    """Save a script with this id. A text with an error is refused, with line and column, and so is one with which a
    script that imports it would not go on; what runs then stays."""
    asked.caller.require("write")
    table = _table(body, script)
    checked = await _checked(asked, body.text, body.kind, table)
    async with asked.writing() as work:
        before = await if_there(scripts.get_script(work, script))
        condition.require(before)
        made = await scripts.put_script(
            work, table, checked, asked.platform.rules, expected=condition.tag, note=body.note
        )
        condition.settle(before, work)
    if before is None:
        response.status_code = HTTPStatus.CREATED
    response.headers.update(etag(made))
    return Script.model_validate(made)


@router.delete("/scripts/{script}", status_code=HTTPStatus.NO_CONTENT)
async def remove_script(asked: Asking, script: InPath, condition: GivenCondition) -> None:
    """Take a script out that is assigned nowhere and that no other imports, with its versions."""
    async with asked.writing() as work:
        before = await scripts.get_script(work, script)
        await scripts.remove_script(work, script, expected=condition.tag)
        condition.settle(before, work)


@router.get("/scripts/{script}/text")
async def get_text(asked: Asking, script: InPath, response: Response) -> VersionText:
    """The text that runs. Its ETag is the script's."""
    async with asked.reading() as scope:
        found = await scripts.get_script(scope, script)
        version, text = await scripts.get_text(scope, script, found.version)
    response.headers.update(etag(found))
    return VersionText(**_version(version), text=text)


@router.put("/scripts/{script}/text")
async def save_text(
    asked: Asking, script: InPath, body: TextBody, condition: GivenCondition, response: Response
) -> Script:
    """Save a text as the script's next version, which runs from then on."""
    asked.caller.require("write")
    return await _save(asked, script, body.text, body.kind, body.note, condition, response)


@router.get("/scripts/{script}/versions")
async def list_versions(
    asked: Asking, script: InPath, before: BeforeNumber = None, limit: Limit = 100
) -> Page[Version]:
    """Every text that was saved, the newest first."""
    async with asked.reading() as scope:
        found = await scripts.list_versions(scope, script, before=before, limit=limit + 1)
    return page(found, limit, lambda one: one.number)


@router.get("/scripts/{script}/versions/{number}")
async def get_version(asked: Asking, script: InPath, number: VersionInPath) -> VersionText:
    """One version with its text."""
    async with asked.reading() as scope:
        version, text = await scripts.get_text(scope, script, number)
    return VersionText(**_version(version), text=text)


@router.get("/scripts/{script}/versions/{number}/diff")
async def difference(
    asked: Asking,
    script: InPath,
    number: VersionInPath,
    to: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="By default the version that runs.")] = None,
) -> Difference:
    """What another version has that this one has not."""
    async with asked.reading() as scope:
        name = (await scripts.get_script(scope, script)).name
        _, one = await scripts.get_text(scope, script, number)
        other_version, other = await scripts.get_text(scope, script, to)
    names = f"{name}@{number}", f"{name}@{other_version.number}"
    diff = await asyncio.to_thread(scripts.difference, one, other, names)
    return Difference(before=number, after=other_version.number, diff=diff)


@router.post("/scripts/{script}/versions/{number}/restore")
async def restore(
    asked: Asking,
    script: InPath,
    number: VersionInPath,
    condition: GivenCondition,
    response: Response,
    body: Restore | None = None,
) -> Script:
    """Roll back: the text of a version becomes the next version, which runs from then on."""
    asked.caller.require("write")
    async with asked.reading("write") as scope:
        version, text = await scripts.get_text(scope, script, number)
    note = (body.note if body is not None else "") or f"version {number} again"
    return await _save(asked, script, text, version.kind, note, condition, response)


async def _save(
    asked: Asking,
    script: str,
    text: str,
    kind: Kind | None,
    note: str,
    condition: GivenCondition,
    response: Response,
) -> Script:
    async with asked.reading("write") as scope:
        seen = await scripts.get_script(scope, script)
    wanted = TextToSave(_file_name(seen), text, kind or seen.kind, seen.id, seen.modules)
    (checked,) = await asked.platform.checks.check_files(asked.reading("write"), seen.app, [wanted])
    async with asked.writing() as work:
        before = await scripts.get_script(work, script)
        condition.require(before)
        made = await scripts.save_text(work, script, checked, expected=condition.tag, note=note)
        condition.settle(before, work)
    response.headers.update(etag(made))
    return Script.model_validate(made)


async def _checked(asked: Asking, text: str, kind: Kind, table: ScriptTable) -> CheckedText:
    """Looked through in a thread, before any transaction begins."""
    wanted = TextToSave(table.file, text, kind, table.id, table.modules)
    (checked,) = await asked.platform.checks.check_files(asked.reading("write"), table.app, [wanted])
    return checked


def _table(body: ScriptBody, script: str | None) -> ScriptTable:
    given: dict[str, Any] = body.model_dump(exclude={"text", "note"}, exclude_none=True, mode="json")
    given["file"] = body.name
    if script is not None:
        given["id"] = script
    return cast(ScriptTable, table_of("script", given))


def _file_name(record: ScriptRecord) -> str:
    return record.file or record.name


def _version(version: object) -> dict[str, Any]:
    return Version.model_validate(version).model_dump()


def _problem(one: Problem) -> ScriptProblem:
    return ScriptProblem(
        file=one.file, line=one.line, column=one.column, severity=one.severity.value, message=one.message
    )
