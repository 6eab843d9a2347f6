"""An app's files prepared and run in one context of this process."""

from typing import Any

from sandbox.stack import threw
from sandbox.status import Tag
from sidecar.kind import Kind
from sidecar.language.app_files import AppFiles
from sidecar.language.check import check_script
from sidecar.language.modules import AVAILABLE
from sidecar.language.prepared import Prepared, prepare
from tests.sandbox.support import Driven, packed, unpacked

ADAPTER = """(({ host }) => ({
  prepare: (input) => input,
  collect: (data, returned) => (returned === undefined ? data : returned),
  caught: () => undefined,
  modules: { m: { a: 1, b: 2, name: "m" } },
}))"""
MODULES = AVAILABLE | {"m"}


def files_of(files: dict[str, str]) -> tuple[str, AppFiles]:
    """The first file is the script's own."""
    entry, *others = files
    return files[entry], AppFiles(entry=entry, texts={path: files[path] for path in others})


def prepared(files: dict[str, str] | str, kind: Kind = Kind.APP) -> Prepared:
    """Of a text alone, or of files."""
    text, app = files_of(files if isinstance(files, dict) else {"main.js": files})
    return prepare(text, kind, app, MODULES)


def problems(files: dict[str, str] | str, kind: Kind = Kind.APP) -> list[str]:
    """What the check says: ``file:line:column message``, but for the names that nobody declared."""
    text, app = files_of(files if isinstance(files, dict) else {"main.js": files})
    found = check_script(text, kind, app.entry, modules=MODULES, app=app)
    return [f"{one.file}:{one.line}:{one.column} {one.message}" for one in found if "is not defined" not in one.message]


def driven(files: dict[str, str] | str, **more: Any) -> Driven:
    """A context with the app in it."""
    found = prepared(files)
    return Driven(
        found.text,
        True,
        adapter=ADAPTER,
        form=found.form,
        links=found.links,
        exports=found.exports,
        files=found.files,
        entries=found.entries,
        **more,
    )


def called(files: dict[str, str] | str, data: Any = None, entry: str = "main") -> Any:
    """What a run of one function gives: its result, or the Threw."""
    one = driven(files)
    if one.loaded:
        return threw("author.js", one.loaded[2:].encode(), one.program.files)
    one.context.limit_time(2.0)
    status = one.context.start(packed(data), "", 0.0, entry)
    while status.tag is Tag.WAITING and one.context.run_jobs(64):
        status = one.context.poll(one.context.idle)
    if status.tag is Tag.RETURNED:
        return unpacked(status.payload)
    return threw("author.js", status.payload, one.program.files)
