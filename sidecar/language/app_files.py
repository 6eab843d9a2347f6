"""The files of an app, and which of them a name in quotes means."""

import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from sidecar.language.module_substitutes import substitute
from sidecar.language.modules import NODE, SCHEME, plain

JAVASCRIPT: Final = (".js", ".mjs")
TYPESCRIPT: Final = ".ts"
JSON: Final = ".json"
SUFFIXES: Final = (*JAVASCRIPT, TYPESCRIPT, JSON)
"""What a file may end in: `./name`, `./name.js` and `./name.ts` are one."""
PATH_CHARACTERS: Final = 255
NAME_BYTES: Final = 200
"""Of one name of a path: a file system has 255."""
DECLARATIONS: Final = ".d.ts"
_NO_NAME_THERE: Final = "no file or folder may be called so: give it another name"


@dataclass(frozen=True, slots=True)
class AppFiles:
    """Where a script's imports may lead: one folder of one tenant, and nowhere else."""

    entry: str = "script.js"
    """The path of the script's own file."""
    texts: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """The text of each other file by its path, with ``/`` between folders; asked only for paths that are imported."""
    root: str = ""
    """The folder that no import leads out of, as the paths begin; empty for where they begin themselves."""
    nested: bool = True
    """Whether files in folders below may be imported."""
    folder: str = ""
    """What is put before a path in problems."""

    def shown(self, path: str) -> str:
        """A file as problems name it."""
        return str(PurePosixPath(self.folder, path)) if self.folder else path

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        return path == self.entry or path in self.texts


def files_from(entry: str, texts: Mapping[str, str], app: str, folder: str = "") -> AppFiles:
    """What a script may import: of the files of its app all, in whatever folder. Scripts without an app need not belong
    together: one in a folder imports what is in that folder, and one in none what stands beside it."""
    if app:
        return AppFiles(entry, texts, folder=folder)
    parts = PurePosixPath(entry).parts[:-1]
    return AppFiles(entry, texts, root=parts[0] if parts else "", nested=bool(parts), folder=folder)


class NoSuchFile(Exception):
    """A name in quotes that means no file that may be imported, and why, in words."""


def is_path(name: str) -> bool:
    """Whether a name in quotes is that of a file."""
    return name.startswith((".", "/"))


def stands_in_folder(path: str) -> bool:
    """Whether a file of this path can stand in a folder, on every system, hides nothing and is none of somebody else's.
    What imports another file or is imported is such a one: an export writes it under its own name."""
    parts = path.split("/")
    if any(part.endswith(".js") for part in parts[:-1]):
        return False  # a folder of that name would be taken for a script
    if not path.isprintable() or "\\" in path:
        return False
    # What begins with a dot is somebody's own there: an author's `.git/config` would be commands for whoever has it.
    return all(part and part[0] != "." and len(part.encode("utf-8", "replace")) <= NAME_BYTES for part in parts)


def find_file(app: AppFiles, importing: str, name: str) -> str:
    """The path of the file that a name beginning with a dot means in another. Raises NoSuchFile."""
    if name.startswith("/"):
        raise NoSuchFile(f"{name[:60]!r} is not relative: write './name' for a file of your own")
    if len(name) > PATH_CHARACTERS or not name.isprintable() or "\\" in name or any(one in name for one in "?#%"):
        raise NoSuchFile(f"{name[:60]!r} is no name of a file")
    if not name.startswith(("./", "../")):
        raise NoSuchFile(f"{name[:60]!r} is no name of a file: write './name'")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(importing), name))
    within = posixpath.relpath(path, app.root or ".")
    if within.startswith("..") or posixpath.isabs(path):
        raise NoSuchFile(f"{name[:60]!r} leads out of the folder of your files")
    if any(part.startswith(".") for part in within.split("/")):
        raise NoSuchFile(f"{name[:60]!r} is hidden or a folder")
    if not app.nested and "/" in within:
        raise NoSuchFile(
            f"{name[:60]!r} is in another folder: a script without an app imports files that stand beside it"
        )
    if not stands_in_folder(importing):
        raise NoSuchFile(
            f"{name[:60]!r} cannot be imported from {importing[:60]!r}: files that import others stand in folders,"
            f" and {_NO_NAME_THERE}"
        )
    found = _among(app, name, path)
    if not stands_in_folder(found):
        raise NoSuchFile(
            f"{name[:60]!r} is {found[:60]!r}: files that are imported stand in folders, and {_NO_NAME_THERE}"
        )
    return found


def _among(app: AppFiles, name: str, path: str) -> str:
    if path.endswith(DECLARATIONS):
        raise NoSuchFile(f"{name[:60]!r} has only types: write `import type`")
    if path.endswith(SUFFIXES) and app.has(path):
        return path
    stem = next((path.removesuffix(end) for end in (*JAVASCRIPT, TYPESCRIPT) if path.endswith(end)), path)
    found = [stem + end for end in SUFFIXES if app.has(stem + end) and (stem == path or end != JSON)]
    if len(found) > 1:
        raise NoSuchFile(f"{name[:60]!r} may be {' or '.join(map(posixpath.basename, found))}: write which")
    if not found:
        raise NoSuchFile(f"there is no file {name[:60]!r}")
    return found[0]


def unknown_module(app: AppFiles, importing: str, name: str, modules: Collection[str]) -> str:
    """What to tell of a name that is no path, where no module of the host is called so."""
    instead = substitute(name)
    if name.startswith(SCHEME):
        there = ", ".join(sorted(NODE.intersection(map(plain, modules))))
        return f"there is no module {name[:60]!r}: {instead}{'; ' * bool(instead)}of Node there are {there}"
    others = sorted(one for one in modules if not one.startswith(SCHEME) and one not in NODE)
    available = f"{instead}{'; ' * bool(instead)}available: {', '.join(others)}"
    if name.startswith(("http:", "https:", "//", "data:", "file:", "npm:", "jsr:")):
        return f"{name[:60]!r}: nothing is loaded from elsewhere; {available}"
    try:
        path = find_file(app, importing, f"./{name}")
    except NoSuchFile:
        return f"there is no module {name[:60]!r}: {available}"
    return f"there is no module {name[:60]!r}: write './{name[:60]}' for {posixpath.basename(path)}"
