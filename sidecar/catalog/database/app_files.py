"""The files of an app as the database has them: which there are, who imports which, and what a save makes of others."""

import posixpath
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Select, or_, select, update

from sidecar.catalog.database.errors import AlreadyThere, ChangedMeanwhile, StillUsed
from sidecar.catalog.database.prepared import encode_prepared, imported_paths
from sidecar.catalog.database.work import Scope, Work
from sidecar.kind import RULES, Kind
from sidecar.language.app_files import SUFFIXES, files_from
from sidecar.language.prepared import Prepared, prepare
from sidecar.script_name import script_called
from sidecar.storage.tables import scripts, versions

_KEYS: Final = 200
"""Asked for in one query."""
_IMPORTING: Final = [kind.value for kind, rules in RULES.items() if rules.has_modules]


class FileOfApp(NamedTuple):
    """A script as one of the files of its app."""

    path: str
    """What the others import it by."""
    id: str
    version: int
    hash: str
    kind: str
    modules: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Importer:
    """A script whose program has a file that is to be saved, and what its program becomes."""

    file: FileOfApp
    text: str
    prepared: Prepared


@dataclass(frozen=True, slots=True)
class Beside:
    """What was there beside texts that were looked at together, of one app: they are saved together too, and nothing
    of it may have become something else by then."""

    app: str
    saved: frozenset[str]
    """Paths of the files that are to be saved or removed."""
    together: frozenset[str] = frozenset()
    """Ids of all scripts that the same change saves or removes, also those of other apps."""
    read: Mapping[str, str] = field(default_factory=dict)
    """The hash of each other file whose text was looked at, by path."""
    importers: tuple[Importer, ...] = ()


def path_of(script_id: str, file: str | None) -> str:
    """What the others of its app import a script by. One whose name has no ending is JavaScript."""
    path = file or f"{script_id}.js"
    return path if path.endswith(SUFFIXES) else f"{path}.js"


async def list_files(
    scope: Scope, app: str, paths: Collection[str] | None = None, ids: Collection[str] = ()
) -> dict[str, list[FileOfApp]]:
    """The files of an app by their paths; of none, those of the tenant's scripts without one. A path that several
    scripts have is imported by nobody.

    With ``paths`` at least those of these ids and those that a name may mean which means one of these paths: an app may
    have thousands.
    """
    query = _running(scope, app)
    if paths is not None and len(paths) + len(ids) <= _KEYS:
        begins = (scripts.c.file.startswith(_without_ending(path), autoescape=True) for path in paths)
        query = query.where(or_(scripts.c.id.in_(sorted(ids)), scripts.c.file.is_(None), *begins))
    rows = (await scope.connection.execute(query)).all()
    found: dict[str, list[FileOfApp]] = {}
    for row in rows:
        modules = msgspec.json.decode(row.modules, type=tuple[str, ...]) if row.modules is not None else None
        path = path_of(row.id, row.file)
        file = FileOfApp(path, row.id, row.version, row.hash, row.kind, modules)
        found.setdefault(path, []).append(file)
    return found


def alone(files: Mapping[str, list[FileOfApp]]) -> dict[str, FileOfApp]:
    """Those that can be imported."""
    return {path: found[0] for path, found in files.items() if len(found) == 1}


async def read_texts(scope: Scope, ids: Collection[str]) -> dict[str, str]:
    """The texts that run, by their scripts' ids."""
    found: dict[str, str] = {}
    for some in _pieces(ids):
        query = _running(scope, None, versions.c.text).where(scripts.c.id.in_(some))
        found |= {row.id: row.text for row in (await scope.connection.execute(query)).all()}
    return found


async def read_beside(scope: Scope, files: Mapping[str, FileOfApp], texts: Iterable[str]) -> dict[str, str]:
    """The texts of all files that these texts may import, be it by way of others, by path, and of some more: of each
    whose name is found in them."""
    found: dict[str, str] = {}
    waiting = "\n".join(filter(may_import, texts))
    while waiting:
        named = {one.id: path for path, one in files.items() if path not in found and _stem(path) in waiting}
        read = await read_texts(scope, named)
        found |= {named[script_id]: text for script_id, text in read.items()}
        waiting = "\n".join(filter(may_import, read.values()))
    return found


def may_import(text: str) -> bool:
    """Whether a text may import another file: most do not, and are not looked through for the names of all."""
    return "./" in text or "require" in text


async def read_importers(scope: Scope, app: str, paths: Collection[str]) -> dict[str, frozenset[str]]:
    """Ids of the scripts whose programs have one of these files, and all the files that they have."""
    found: dict[str, frozenset[str]] = {}
    for some in _pieces(paths):
        # A program's files are an object of JSON, and each its key.
        keys = (f"{msgspec.json.encode(path).decode()}:" for path in some)
        query = _running(scope, app, versions.c.prepared).where(versions.c.kind.in_(_IMPORTING))
        query = query.where(or_(*(versions.c.prepared.contains(key, autoescape=True) for key in keys)))
        for row in (await scope.connection.execute(query)).all():
            imported = imported_paths(row.prepared)
            if not imported.isdisjoint(some):
                found[row.id] = imported
    return found


async def prepared_anew(scope: Scope, app: str, script_id: str, file: str | None, text: str, kind: Kind) -> str:
    """What a version of another release's form becomes, as it is kept. As long as it runs so, it is made at each
    reading: whoever reads writes nothing."""
    path = path_of(script_id, file)
    others = {other: one for other, one in alone(await list_files(scope, app)).items() if one.id != script_id}
    files = await read_beside(scope, others, [text])
    return encode_prepared(prepare(text, kind, files_from(path, files, app)), text)


def touched(files: Collection[str], changed: Collection[str]) -> frozenset[str]:
    """What a program has that the files of these paths may change: a new one may be what a name means from now on, or
    make a name mean two files."""
    stems = {_without_ending(path) for path in changed if path not in files}
    alike = {path for path in files if _without_ending(path) in stems}
    return frozenset(changed) | alike


# ---- in a change ----


async def require_as_seen(work: Work, script_id: str, beside: Beside) -> None:
    """Raise ChangedMeanwhile where what was looked at beside a script has become something else."""
    files = await list_files(work, beside.app, beside.saved)
    importers = await read_importers(work, beside.app, touched(files, beside.saved))
    if beside.read or importers:
        files = await list_files(work, beside.app)
    importable = alone(files)
    for path, known in beside.read.items():
        there = importable.get(path)
        if there is None or there.hash != known:
            raise ChangedMeanwhile(f"file {path!r} of the app", there.hash if there is not None else "")
    known_importers = {one.file.id: one.file.hash for one in beside.importers}
    by_id = {one.id: one for found in files.values() for one in found}
    for importer in importers:
        file = by_id[importer]
        if importer == script_id or importer in beside.together or file.path in beside.saved:
            continue  # new ones of the same change have ids that were not known
        if known_importers.get(importer) != file.hash:
            raise ChangedMeanwhile(f"file {file.path!r} of the app", file.hash)


async def prepare_importers(work: Work, beside: Beside) -> None:
    """Make the programs anew that have a file which was saved: they run from now on, in the versions that they are."""
    for one in beside.importers:
        await keep_prepared(work, one.file.id, one.file.version, one.prepared, one.text)


async def keep_prepared(work: Work, script_id: str, version: int, prepared: Prepared, text: str) -> None:
    """Have a version be made into this from now on."""
    kept = encode_prepared(prepared, text)
    own = versions.c.script_id == script_id, versions.c.number == version
    before = (await work.connection.execute(select(versions.c.prepared).where(*own))).scalar_one()
    if before != kept:
        await work.connection.execute(update(versions).where(*own).values(prepared=kept))
        work.changed("script", script_id)


async def require_not_imported(work: Work, script_id: str, app: str, path: str, together: Collection[str] = ()) -> None:
    """Raise StillUsed while another script, which does not go or change together with it, imports a file."""
    others = (await read_importers(work, app, [path])).keys() - {script_id} - set(together)
    if others:
        files = {one.id: path for path, found in (await list_files(work, app)).items() for one in found}
        names = ", ".join(sorted(files.get(one, one) for one in others)[:5])
        raise StillUsed(f"script {script_called(script_id, path)} is imported: by {names}")


async def require_free_path(work: Work, script_id: str, app: str, path: str) -> None:
    """Raise AlreadyThere where another file of an app has this path. Scripts that have no app need no names of their
    own; one that others have as well is imported by nobody."""
    if not app:
        return
    query = select(scripts.c.id).where(
        scripts.c.tenant_id == work.tenant_id,
        scripts.c.app_id == app,
        scripts.c.id != script_id,
        scripts.c.file.in_([path, path.removesuffix(".js")]),
    )
    other = (await work.connection.execute(query.limit(1))).scalar_one_or_none()
    if other is not None:
        raise AlreadyThere(f"app {app!r} has a file {path!r} already: script {script_called(other, path)}")


# ---- what is asked of the tables ----


def _running(scope: Scope, app: str | None, *more: Any) -> Select[Any]:
    """A tenant's scripts in the versions that run, or those of an app alone."""
    joined = scripts.join(versions, (versions.c.script_id == scripts.c.id) & (versions.c.number == scripts.c.version))
    columns = scripts.c.id, scripts.c.file, scripts.c.version, scripts.c.modules, versions.c.hash, versions.c.kind
    query = select(*columns, *more).select_from(joined).where(scripts.c.tenant_id == scope.tenant_id)
    return query if app is None else query.where(scripts.c.app_id == (app or None))


def _without_ending(path: str) -> str:
    return posixpath.splitext(path)[0]


def _stem(path: str) -> str:
    """What of a file's name stands wherever it is imported."""
    return _without_ending(posixpath.basename(path))


def _pieces(keys: Collection[str]) -> Iterable[list[str]]:
    ordered = sorted(keys)
    for begin in range(0, len(ordered), _KEYS):
        yield ordered[begin : begin + _KEYS]
