"""A folder of an app's files, and what of them somebody has seen at a server.

``.scriptforge/seen.json`` in the folder has the version of each script as it was pulled or pushed last. A push is of
what comes after that version: so nobody overwrites what they have not seen.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec

from sidecar.catalog.directory.script_files import TEST_SUFFIXES, UnusableFileError, read_text_file
from sidecar.cli.remote.errors import Conflict, ServerError
from sidecar.cli.remote.servers import write_private
from sidecar.language.app_files import JSON, PATH_CHARACTERS, SUFFIXES
from sidecar.text import escaped

FOLDER: Final = ".scriptforge"
FILE: Final = "seen.json"
FILE_BYTES: Final = 1_000_000
"""As of a script that a catalog takes."""
SEEN_BYTES: Final = 10_000_000
FILES: Final = 1_000
_OF_EDITORS: Final = ("jsconfig.json", "tsconfig.json", "package.json", "package-lock.json")
_LEFT_OUT: Final = "node_modules"


class Seen(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A script as it was seen at the server last."""

    id: str
    version: int
    hash: str

    @classmethod
    def of(cls, script: dict[str, Any]) -> "Seen":
        """Of a script as the API has it."""
        return cls(id=script["id"], version=script["version"], hash=script["hash"])


class Checkout(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What was seen of one app of one tenant at one server."""

    server: str
    tenant: str
    app: str
    files: dict[str, Seen] = {}
    """By the file's path in the folder."""


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    checkouts: list[Checkout] = []
    """The one that was used last is the first."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of the folder."""

    path: str
    """In the folder, with ``/`` between its parts: what the script is called."""
    text: str

    @property
    def hash(self) -> str:
        """As the server has it for this text."""
        return text_hash(self.text)


def text_hash(text: str) -> str:
    """The hash of a text once it is saved."""
    return hashlib.sha256(text.removeprefix("\ufeff").replace("\r\n", "\n").encode()).hexdigest()


def read_checkout(folder: Path, server: str, tenant: str, app: str | None) -> Checkout | None:
    """What was seen of an app there, or without ``app`` of the one that was used last. Raises ServerError."""
    for one in _read(folder).checkouts:
        if (one.server, one.tenant) == (server, tenant) and app in (None, one.app):
            return one
    return None


def write_checkout(folder: Path, checkout: Checkout) -> None:
    """Keep what was seen. Raises ServerError."""
    kept = _read(folder)
    key = (checkout.server, checkout.tenant, checkout.app)
    kept.checkouts = [checkout, *(one for one in kept.checkouts if (one.server, one.tenant, one.app) != key)]
    try:
        write_private(private_folder(folder) / FILE, msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n")
    except OSError as error:
        raise ServerError(f"{error.filename or folder}: {error.strerror}") from error


def private_folder(folder: Path) -> Path:
    """The folder for what is this machine's alone, made if need be; git leaves it out. Raises OSError."""
    private = folder / FOLDER
    if not private.is_dir():
        private.mkdir(mode=0o700)
        (private / ".gitignore").write_text("*\n", encoding="utf-8")
    return private


def local_files(folder: Path) -> dict[str, LocalFile]:
    """The files of the folder that an app may have, by their paths: JavaScript, TypeScript and JSON, but for tests,
    declarations, editors' settings and what is hidden. Raises ServerError."""
    found: dict[str, LocalFile] = {}
    for path in app_paths(folder):
        if len(found) >= FILES:
            raise ServerError(f"{folder}: more than {FILES} files")
        try:
            text = read_text_file(folder / path, folder, FILE_BYTES)
        except UnusableFileError as error:
            raise ServerError(str(error.problem)) from error
        if not _is_sound(path):
            raise ServerError(f"{escaped(str(folder / path))}: no script may be called so: give the file another name")
        before, zero, _ = text.partition("\0")
        if zero:
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            raise ServerError(f"{folder / path}:{line}:{column}: error: has a zero byte, which no text has")
        found[path] = LocalFile(path, text)
    return found


def app_paths(folder: Path) -> list[str]:
    """The paths of these files."""
    paths = []
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if one != _LEFT_OUT and not one.startswith("."))
        paths += [Path(where, name).relative_to(folder).as_posix() for name in names if is_app_file(name)]
    return sorted(paths)


def is_app_file(name: str) -> bool:
    """Whether a file of this name is one that an app may have."""
    left_out = name.startswith(".") or name in _OF_EDITORS or name.endswith((".d.ts", *TEST_SUFFIXES))
    return name.endswith(SUFFIXES) and not left_out


def path_for(name: str) -> str:
    """The path in the folder for a script of this name; JavaScript where the name has no ending. Raises Conflict for
    one that would lie elsewhere, or be taken for something else."""
    path = name if name.endswith(SUFFIXES) else f"{name}.js"
    parts = PurePosixPath(path).parts
    if (
        not _is_sound(path)
        or path.startswith("/")
        or any(part.startswith(".") for part in parts)
        or not is_app_file(parts[-1])
    ):
        raise Conflict(f"script {name[:60]!r}: no file of a folder may be called so; it is left out")
    return path


def _is_sound(path: str) -> bool:
    """Whether it can be told, and is a path of a folder on every system. Bytes of a name that are no UTF-8 are not
    printable (PEP 383)."""
    return path.isprintable() and "\\" not in path and len(path) <= PATH_CHARACTERS and str(PurePosixPath(path)) == path


def is_data(path: str) -> bool:
    """Whether a file is data, and no script."""
    return path.endswith(JSON)


def write_file(folder: Path, path: str, text: str) -> None:
    """Write a file of the folder. Raises Conflict where a link leads out of it, ServerError."""
    file = folder / path
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.resolve().is_relative_to(folder.resolve()):
            raise Conflict(f"{file}: a link leads out of {folder}")
        file.write_bytes(text.encode())
    except OSError as error:
        raise ServerError(f"{error.filename or file}: {error.strerror}") from error


def _read(folder: Path) -> _Kept:
    file = folder / FOLDER / FILE
    try:
        with file.open("rb") as opened:
            content = opened.read(SEEN_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return _Kept()
    except OSError as error:
        raise ServerError(f"{file}: {error.strerror}") from error
    try:
        return msgspec.json.decode(content, type=_Kept)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ServerError(f"{file}: {error}; without it all is seen as new: `scripts pull` makes it") from error
