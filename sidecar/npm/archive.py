"""A package's archive, a stranger's: unpacked below one folder, or refused by the name of what is wrong in it."""

import gzip
import tarfile
import zlib
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec

from sidecar.npm.errors import PackageRefused

UNPACKED_BYTES: Final = 256_000_000
"""Of one package; TypeScript has 24,000,000."""
FILES: Final = 30_000
"""Of one package; date-fns has 5,500."""
NAME_BYTES: Final = 512
"""Of a file's path within it."""
PACKAGE_JSON_BYTES: Final = 2_000_000
INSTALL_SCRIPTS: Final = ("preinstall", "install", "postinstall")


class _Bounded:
    """Reads on until there is too much: a bomb is small only as long as it is packed."""

    def __init__(self, packed: bytes, label: str) -> None:
        self._file = gzip.GzipFile(fileobj=BytesIO(packed))
        self._left = UNPACKED_BYTES
        self._label = label

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise PackageRefused(f"{self._label}: its archive has more than {UNPACKED_BYTES} bytes unpacked")
        return content


def unpack(packed: bytes, folder: Path, label: str) -> None:
    """Write the files of an archive into a folder, without the archive's own first folder.

    Links, devices, and paths that are absolute or lead out raise PackageRefused with their name, and so does what is no
    archive or too large a one; ``label`` is what the package is called there. No file is executable.
    """
    root = folder.resolve()
    number = 0
    try:
        with tarfile.open(fileobj=_Bounded(packed, label), mode="r|") as archive:  # type: ignore[call-overload]
            for member in archive:
                number += 1
                if number > FILES:
                    raise PackageRefused(f"{label}: its archive has more than {FILES} files")
                if member.isdir():
                    continue
                if not member.isreg():
                    raise PackageRefused(f"{label}: its archive has {member.name!r}, which is no plain file")
                target = root.joinpath(*_parts(member.name, label))
                source = archive.extractfile(member)
                assert source is not None  # noqa: S101 - of a plain file there is one
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read())
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise PackageRefused(f"{label}: its archive cannot be unpacked: {error}") from None
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise PackageRefused(f"{label}: its archive has {error.filename!r} as a file and as a folder") from None
    if number == 0:
        raise PackageRefused(f"{label}: its archive is empty")


def read_package_json(folder: Path, label: str) -> dict[str, Any]:
    """What a package says of itself. Raises PackageRefused."""
    try:
        content = (folder / "package.json").read_bytes()
        if len(content) > PACKAGE_JSON_BYTES:
            raise PackageRefused(f"{label}: its package.json has more than {PACKAGE_JSON_BYTES} bytes")
        # Some begin with the mark of UTF-8, which npm passes over.
        return msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"), type=dict[str, Any])
    except FileNotFoundError:
        raise PackageRefused(f"{label}: has no package.json") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PackageRefused(f"{label}: its package.json cannot be read: {error}") from None


def refuse_native(folder: Path, package_json: dict[str, Any], label: str) -> None:
    """Raise PackageRefused for a package with code for the machine: it is nothing that a sandbox runs."""
    if package_json.get("gypfile") or (folder / "binding.gyp").exists():
        raise PackageRefused(f"{label}: is a native add-on (binding.gyp), which scripts cannot load")
    for file in folder.rglob("*.node"):
        raise PackageRefused(f"{label}: has native code, {file.relative_to(folder)}, which scripts cannot load")


def install_scripts(package_json: dict[str, Any]) -> list[str]:
    """The names of the scripts that npm would run at installation."""
    scripts = package_json.get("scripts")
    return [name for name in INSTALL_SCRIPTS if isinstance(scripts, dict) and scripts.get(name)]


def _parts(name: str, label: str) -> tuple[str, ...]:
    path = PurePosixPath(name)
    parts = path.parts[1:]
    plain = all(part != ".." and part.isprintable() and "\\" not in part for part in path.parts)
    if path.is_absolute() or not parts or not plain or len(name.encode(errors="replace")) > NAME_BYTES:
        raise PackageRefused(f"{label}: its archive has {name[:NAME_BYTES]!r}, which is no path within it")
    return parts
