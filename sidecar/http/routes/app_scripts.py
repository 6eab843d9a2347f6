"""Several scripts of an app saved at once: all of them, or none. So may files that import each other be."""

from typing import Any, Final, cast

from fastapi import APIRouter
from pydantic import Field

from sidecar.catalog.database import apps, scripts
from sidecar.catalog.database.checks import CheckedText, TextToSave
from sidecar.catalog.database.errors import WrongValues
from sidecar.catalog.database.scripts import ScriptRecord
from sidecar.catalog.database.values import table_of
from sidecar.catalog.database.work import Scope, Work
from sidecar.catalog.directory.entries import ScriptTable
from sidecar.http.asking import Asked, Asking
from sidecar.http.problems import PreconditionRequired
from sidecar.http.shapes import PERHAPS_NO_NUL, Body, InPath, Name, Page, Script, SourceText
from sidecar.kind import Kind

router = APIRouter(tags=["apps"])

MOST: Final = 100
"""Scripts that are saved at once."""
_PAGE: Final = 500


class AppFile(Body):
    """One script of an app, by its name. What is not said of it stays as it is."""

    name: Name
    text: SourceText
    kind: Kind | None = Field(None, description="Null for the kind that it has, or for an App.")
    public: bool | None = Field(None, description="Null for what it is, or not.")
    seen: str | None = Field(
        None, max_length=64, description='The ETag that was seen, or "*". Needed to change a script that is there.'
    )


class AppFiles(Body):
    """Scripts of an app. Those that are not named stay."""

    scripts: list[AppFile] = Field(min_length=1, max_length=MOST)
    note: str = Field("", max_length=2_000, pattern=PERHAPS_NO_NUL, description="Kept with each version.")


@router.post("/apps/{app}/scripts")
async def save_scripts(asked: Asking, app: InPath, body: AppFiles) -> Page[Script]:
    """Save scripts of an app, known by their names: all of them in one step, or where one is refused none."""
    asked.caller.require("write")
    names = [one.name for one in body.scripts]
    if len(set(names)) < len(names):
        raise WrongValues(["scripts: two have the same name"])
    async with asked.reading("write") as scope:
        known = await scripts_by_name(scope, app)
    checked = await _checked(asked, app, body, known)
    async with asked.writing() as work:
        known = await scripts_by_name(work, app)
        saved = [
            await _save(asked, work, app, one, checked[one.name], known.get(one.name), body.note)
            for one in body.scripts
        ]
    return Page[Script](items=[Script.model_validate(one) for one in saved], next=None)


async def scripts_by_name(scope: Scope, app: str) -> dict[str, ScriptRecord]:
    """An app's scripts. Raises NotThere, WrongValues where two have one name, as they may that were saved alone."""
    await apps.get_app(scope, app)
    found: dict[str, ScriptRecord] = {}
    after = ""
    while True:
        page = await scripts.list_scripts(scope, app=app, after=after, limit=_PAGE)
        for one in page:
            if one.name in found:
                raise WrongValues([f"two scripts of the app are called {one.name!r}: {found[one.name].id}, {one.id}"])
            found[one.name] = one
        if len(page) < _PAGE:
            return found
        after = page[-1].id


async def _checked(asked: Asked, app: str, body: AppFiles, known: dict[str, ScriptRecord]) -> dict[str, CheckedText]:
    """Every text looked through, with the others. Raises ScriptRefused with what is wrong with any of them."""
    wanted = []
    for one in body.scripts:
        wanted.append(text_to_save(one.name, one.text, one.kind, known.get(one.name)))
    checked = await asked.platform.checks.check_files(asked.reading("write"), app, wanted)
    return {one.name: found for one, found in zip(body.scripts, checked, strict=True)}


async def _save(
    asked: Asked,
    work: Work,
    app: str,
    one: AppFile,
    checked: CheckedText,
    before: ScriptRecord | None,
    note: str,
) -> ScriptRecord:
    given: dict[str, Any] = {"file": one.name, "name": one.name, "app": app, "kind": checked.kind.value}
    if before is not None:
        kept = ("id", "uuid", "environment", "memory_bytes", "timeout_ms", "timeout_action", "error_action", "vars")
        given |= {key: value for key in kept if (value := getattr(before, key)) is not None}
        given |= {"file": before.file or one.name, "public": before.public}
        given["global_routing_priority"] = before.global_routing_priority.value
        if before.modules is not None:
            given["modules"] = list(before.modules)
    if one.public is not None:
        given["public"] = one.public
    table = cast(ScriptTable, table_of("script", given))
    expected = one.seen.strip('"') if before is not None and one.seen not in (None, "*") and one.seen else None
    after = await scripts.put_script(work, table, checked, asked.platform.rules, expected=expected, note=note)
    if before is not None and one.seen is None and after.tag != before.tag:
        raise PreconditionRequired(before.tag)
    return after


def text_to_save(name: str, text: str, kind: Kind | None, before: ScriptRecord | None) -> TextToSave:
    """A text of an app in the place of the script of that name, where there is one, whose kind is kept."""
    if before is None:
        return TextToSave(name, text, kind or Kind.APP, None, None)
    return TextToSave(before.file or name, text, kind or before.kind, before.id, before.modules)
