"""A catalog directory as a whole: read into a content, and written from one."""

import contextlib
import itertools
import os
import shutil
import tempfile
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from sidecar.catalog.compile import SCRIPT_NAMESPACE, Rules
from sidecar.catalog.database.app_files import may_import, path_of
from sidecar.catalog.database.errors import ScriptRefused, WrongValues
from sidecar.catalog.database.rows import json_text
from sidecar.catalog.database.values import require_storable
from sidecar.catalog.directory.document import Document
from sidecar.catalog.directory.entries import (
    AppTable,
    CustomerTable,
    DestinationTable,
    DidTable,
    RouteTable,
    ScriptTable,
)
from sidecar.catalog.directory.loader import ASSIGNMENTS, ASSIGNMENTS_BYTES, DirectoryLoader
from sidecar.catalog.directory.mail_templates import UnusableTemplate, read_templates, said_by
from sidecar.catalog.directory.script_files import UnusableFileError, is_script_name, read_file, read_text_file
from sidecar.catalog.directory.scripts import SCRIPTS
from sidecar.catalog.entries import AssignmentEntry, DestinationEntry, DidEntry, RouteEntry
from sidecar.catalog.exchange.content import AssignmentTable, Calls, Content, TextOf, calls_of
from sidecar.catalog.exchange.toml import table_text, toml_text
from sidecar.catalog.limits import NO_LIMITS, given_limits
from sidecar.catalog.model import OPERATOR, Snapshot
from sidecar.catalog.module_grants import NO_GRANTS
from sidecar.configuration.tree import CatalogSection
from sidecar.errors import SidecarError
from sidecar.kind import Kind
from sidecar.language.app_files import NAME_BYTES, stands_in_folder
from sidecar.language.check import Confirm
from sidecar.problem import Severity
from sipio.number import did_of


class DirectoryNotWritten(SidecarError):
    """A directory could not be written. What was there is there still, or can be told from what was to be written."""


def read_directory(
    catalog: CatalogSection,
    rules: Rules,
    engine: Callable[[], AbstractContextManager[Confirm | None]] = contextlib.nullcontext,
) -> Content:
    """What is in a catalog directory. Raises ScriptRefused with all problems where something in it is wrong,
    WrongValues for what no database can hold."""
    loaded = DirectoryLoader(catalog, rules.defaults, modules=rules.modules, engine=engine).load()
    if loaded.snapshot is None:
        raise ScriptRefused([one for one in loaded.problems if one.severity is Severity.ERROR])
    try:
        return _content(catalog, loaded.snapshot)
    except UnusableFileError as error:  # it has changed since it was loaded
        raise ScriptRefused([error.problem]) from None


def _content(catalog: CatalogSection, snapshot: Snapshot) -> Content:
    directory = catalog.directory
    file = directory / ASSIGNMENTS
    document = Document(str(file), read_file(file, directory, ASSIGNMENTS_BYTES))
    described = [one.table for one in document.scripts]
    files = {one.file for one in described}
    imported = {path for script in snapshot.scripts.values() for path in script.prepared.files}
    folder = directory / SCRIPTS
    names = sorted(one.name for one in os.scandir(folder) if is_script_name(one.name))
    tables = [*described, *(ScriptTable(file=name) for name in names if name not in files | imported)]
    tables += _parts(tables, snapshot)
    scripts = {}
    for table in map(written_out, tables):
        assert table.id is not None  # noqa: S101 - written out
        require_storable(table)
        scripts[table.id] = TextOf(table, read_text_file(folder / table.file, directory, catalog.script_bytes))
    apps = {table.id: msgspec.structs.replace(table, name=table.name or table.id) for _, table in document.apps.tables}
    for app, tenant in document.apps.owners(tables).items():
        apps.setdefault(app, AppTable(id=app, name=app, tenant=tenant))
    customers = {
        name: CustomerTable(customer=name, tenant=document.owners[name], vars=dict(one.vars))
        for name, one in document.customers.items()
    }
    assignments: dict[Calls, AssignmentTable] = {}
    for entry in document.assignments.entries:
        assigned = _table(entry)
        require_storable(assigned)
        assignments[calls_of(assigned)] = assigned
    tenants = {table.tenant for _, table in document.apps.tenants}
    for _, provider in document.carriers.providers:
        require_storable(provider)
    for _, number in document.carriers.numbers:
        require_storable(number)
    for _, schedule in document.schedules.tables:
        require_storable(schedule)
    for _, webhook in document.webhooks.tables:
        require_storable(webhook)
    try:
        templates = read_templates(directory)
    except UnusableTemplate as error:
        raise WrongValues([str(error)]) from None
    for template in templates.values():
        require_storable(template)
    tenants |= {table.tenant for table in templates.values()}
    tenants |= {table.tenant for _, table in document.carriers.providers}
    tenants |= {table.tenant for _, table in document.webhooks.tables}
    tenants |= {table.tenant for _, table in document.schedules.tables}
    tenants |= {OPERATOR, *(one.tenant for one in apps.values()), *(one.tenant for one in customers.values())}
    return Content(
        tenants=frozenset(tenants | {one.table.tenant for one in scripts.values()}),
        apps=apps,
        variables={(table.app, table.name): table for _, table in document.apps.variables},
        customers=customers,
        scripts=scripts,
        assignments=assignments,
        limits=document.apps.limits,
        grants=document.apps.grants,
        providers={(table.tenant, table.id): table for _, table in document.carriers.providers},
        numbers={did_of(table.did): table for _, table in document.carriers.numbers},
        schedules={
            (table.tenant, table.id): msgspec.structs.replace(table, data=json_text(msgspec.json.decode(table.data)))
            for _, table in document.schedules.tables
        },
        webhooks={
            (table.tenant, table.name): msgspec.structs.replace(table, events=tuple(sorted(set(table.events))))
            for _, table in document.webhooks.tables
        },
        webhook_secrets=document.apps.webhook_secrets,
        templates=templates,
    )


def _parts(tables: Sequence[ScriptTable], snapshot: Snapshot) -> Iterator[ScriptTable]:
    """Files that scripts import and that have no entry, as scripts of the apps that import them: what a directory has
    once is there once for each of them."""
    described = {PurePosixPath(one.file).as_posix() for one in tables}
    ids = {written_out(one).id for one in tables}
    seen: set[tuple[str, str, str]] = set()
    for script in snapshot.scripts.values():
        for path in script.prepared.files:
            if path in described or (script.tenant, script.app, path) in seen:
                continue
            seen.add((script.tenant, script.app, path))
            # Without a slash, which no path of the HTTP API could name.
            candidates = (path, f"{script.app}/{path}", f"{script.tenant}/{script.app}/{path}")
            plain = (one.replace("/", "-") for one in candidates)
            numbered = (f"{path} {number}".replace("/", "-") for number in itertools.count(2))
            made = next(one for one in itertools.chain(plain, numbered) if one not in ids)
            ids.add(made)
            yield ScriptTable(file=path, id=made, kind=Kind.APP, tenant=script.tenant, app=script.app)


def written_out(table: ScriptTable) -> ScriptTable:
    """A script's table with what it says by default."""
    script_id = table.id or PurePosixPath(table.file).stem
    made = str(uuid.UUID(table.uuid)) if table.uuid else str(uuid.uuid5(SCRIPT_NAMESPACE, script_id))
    return msgspec.structs.replace(table, id=script_id, name=table.name or table.file, uuid=made)


def _table(entry: AssignmentEntry) -> AssignmentTable:
    common: dict[str, Any] = {"script": entry.script, "vars": dict(entry.vars)}
    if isinstance(entry, DestinationEntry):
        return DestinationTable(destination=entry.destination, customer=entry.customer, **common)
    decision: dict[str, Any] = {name: getattr(entry, name) for name in ("timeout_ms", "timeout_action", "error_action")}
    if isinstance(entry, DidEntry):
        return DidTable(did=entry.did, customer=entry.customer, **common, **decision)
    assert isinstance(entry, RouteEntry)  # noqa: S101 - there is no other
    return RouteTable(customer=entry.customer, route=entry.route, **common, **decision)


# ---- writing ----


def directory_files(content: Content) -> Mapping[str, str]:
    """The files of a catalog directory, by their paths within it. Raises WrongValues for what no file could hold."""
    files = file_names(content.scripts)
    texts = {f"{SCRIPTS}/{files[key]}": one.text for key, one in content.scripts.items()}
    for template in content.templates.values():
        lines = [f"{field} = {toml_text(value)}\n" for field, value in said_by(template).items()]
        texts[template.path] = "".join(lines)
    try:
        document = "\n".join(_tables(content, files))
        for text in (document, *texts.values(), *texts):
            text.encode()
    except (TypeError, UnicodeEncodeError) as error:
        raise WrongValues([f"cannot be written: {error}"]) from None
    return {ASSIGNMENTS: document, **texts}


def file_names(scripts: Mapping[str, TextOf]) -> Mapping[str, str]:
    """A path below ``scripts/`` for each script: its own where that is one, hides nothing and nobody else has it, also
    on file systems that take small letters and capitals for the same. Where it is another app's, all files of an app
    that imports go into a folder of their own: they import each other as they did."""
    taken: set[str] = set()
    folders: set[str] = set()
    names: dict[str, str] = {}

    def take(key: str, path: str) -> None:
        names[key] = path
        taken.add(_folded(path))
        folders.update(str(parent) for parent in PurePosixPath(_folded(path)).parents)

    def is_free(path: str) -> bool:
        folded = _folded(path)
        return folded not in taken and not _within(folded, taken, folders)

    groups: dict[tuple[str, str], dict[str, TextOf]] = {}
    for key, one in scripts.items():
        groups.setdefault((one.table.tenant, one.table.app), {})[key] = one
    for (tenant, app), group in groups.items():
        kept = {}
        if any(may_import(one.text) for one in group.values()):
            paths = {key: path_of(key, one.table.file) for key, one in group.items()}
            kept = {key: path for key, path in paths.items() if stands_in_folder(path)}
            if len(set(kept.values())) < len(kept):
                kept = {}  # no app has such
            if not all(map(is_free, kept.values())):
                begins = _plain(app or tenant)
                folder = next(
                    name
                    for name in itertools.chain((begins,), (f"{begins}-{number}" for number in itertools.count(2)))
                    if _folded(name) not in folders and _folded(name) not in taken
                )
                kept = {key: f"{folder}/{path}" for key, path in kept.items()}
        for key, path in kept.items():
            take(key, path)
        for key, one in group.items():
            if key not in kept:
                take(key, next(filter(is_free, _candidates(key, one.table))))
    return {key: names[key] for key in scripts}


def placed(content: Content) -> Content:
    """A content whose scripts have the files that an export gives them."""
    files = file_names(content.scripts)
    scripts = {
        key: one._replace(table=msgspec.structs.replace(one.table, file=files[key]))
        for key, one in content.scripts.items()
    }
    return msgspec.structs.replace(content, scripts=scripts)


def write_directory(directory: Path, content: Content, replaced: Iterable[str] = ()) -> None:
    """Make a directory what the content says. ``replaced``: files of before, by their paths within the directory, of
    which those go that are not among the new ones. Raises DirectoryNotWritten, WrongValues.

    ``assignments.toml`` comes last: until then a daemon that watches goes on with the one of before.
    """
    files = directory_files(content)
    try:
        written: dict[str, Path] = {}
        for name, text in sorted(files.items(), key=lambda one: one[0] == ASSIGNMENTS):
            file = directory / name
            former = written.setdefault(_folded(name), file)
            if former != file and file.exists() and file.samefile(former):
                raise DirectoryNotWritten(f"{file}: is one file with {former.name} on this file system")
            _write(file, text)
        for name in replaced:
            if name not in files:
                (directory / name).unlink(missing_ok=True)
        (directory / SCRIPTS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DirectoryNotWritten(f"{error.filename or directory}: {error.strerror or error}") from error


def _tables(content: Content, files: Mapping[str, str]) -> Iterator[str]:
    yield "# Written by scriptforge export.\n"
    owned = {one.tenant for one in content.apps.values()} | {one.tenant for one in content.customers.values()}
    owned |= {one.table.tenant for one in content.scripts.values()}
    owned |= {one.tenant for one in content.providers.values()}
    said = content.limits.keys() | content.grants.keys() | content.webhook_secrets.keys()
    for name in sorted((content.tenants - owned - {OPERATOR}) | said):
        limits, secret = given_limits(content.limits.get(name, NO_LIMITS)), content.webhook_secrets.get(name)
        granted = msgspec.to_builtins(content.grants.get(name, NO_GRANTS))
        lines = ["[[tenant]]", f"tenant = {toml_text(name)}"]
        lines += [f"limits = {toml_text(limits)}"] if limits else []
        lines += [f"granted = {toml_text(granted)}"] if granted else []
        lines += [f"webhook_secret = {toml_text(secret)}"] if secret is not None else []
        yield "\n".join(lines) + "\n"
    for app in content.apps.values():
        yield table_text("app", app, ["name"] if app.name == app.id else [])
    for variable in content.variables.values():
        yield table_text("variable", variable)
    for customer in content.customers.values():
        yield table_text("customer", customer)
    for key, one in content.scripts.items():
        table = msgspec.structs.replace(one.table, file=files[key])
        defaults = written_out(ScriptTable(file=files[key]))
        left_out = [name for name in ("id", "name") if getattr(table, name) == getattr(defaults, name)]
        if table.uuid == str(uuid.uuid5(SCRIPT_NAMESPACE, key)):
            left_out.append("uuid")
        yield table_text("script", table, left_out)
    for provider in content.providers.values():
        yield table_text("provider", provider)
    for number in content.numbers.values():
        yield table_text("number", number)
    for schedule in content.schedules.values():
        yield table_text("schedule", schedule)
    for webhook in content.webhooks.values():
        yield table_text("webhook", webhook)
    for calls, assigned in content.assignments.items():
        yield table_text(calls.kind, assigned)


def _candidates(key: str, table: ScriptTable) -> Iterator[str]:
    if stands_in_folder(table.file):
        yield table.file
    plain = _plain(key)
    yield f"{plain}.js"
    yield f"{plain}-{uuid.uuid5(SCRIPT_NAMESPACE, key)}.js"


def _plain(name: str) -> str:
    """A name as one of a file, or of a folder."""
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name).lstrip(".") or "script"
    return plain.encode()[: NAME_BYTES - 40].decode(errors="ignore")


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _within(path: str, taken: set[str], folders: set[str]) -> bool:
    """Whether it would be a folder where a file is, or the other way round."""
    return path in folders or any(str(parent) in taken for parent in PurePosixPath(path).parents)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if file.read_bytes() == text.encode():
            return
    descriptor, draft = tempfile.mkstemp(prefix=".", suffix=".new", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(descriptor)
        if file.exists():
            shutil.copymode(file, draft)
        Path(draft).replace(file)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise
