"""One file with installed modules, for a machine that reaches no registry."""

import gzip
import hashlib
import os
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Final

from sidecar.npm.bundling import Built
from sidecar.npm.errors import StoreError
from sidecar.npm.licence import NOTICE_BYTES
from sidecar.npm.manifest import FILE_NAME, MANIFEST_BYTES, Manifest, Module, manifest_bytes, read_manifest
from sidecar.npm.store import STORE_BYTES, TEXT_BYTES, read_directory, verified
from sidecar.npm.writing import FILE_MODE, add_modules

NOTICES_BYTES: Final = 100 * NOTICE_BYTES
"""Of the notices of one module."""
FILE_BYTES: Final = 2 * STORE_BYTES


def write_file(directory: Path, file: Path) -> tuple[Manifest, str]:
    """Write all that is installed in a directory to a file; what it has, and its SHA-512 in hexadecimal.

    Raises StoreError: for a text that is not the one that was installed, for a file that is there already or cannot
    be written.
    """
    manifest = read_directory(directory)
    if not manifest.modules:
        raise StoreError(f"{directory}: nothing is installed")
    drafted = None
    try:
        if file.exists():
            raise StoreError(f"{file}: is there already")
        descriptor, drafted = tempfile.mkstemp(prefix=f".{file.name[:100]}.", dir=file.parent)
        with open(descriptor, "w+b") as written:  # noqa: PTH123 - a descriptor
            with tarfile.open(fileobj=written, mode="w:gz") as archive:
                _add(archive, FILE_NAME, manifest_bytes(manifest))
                for module in manifest.modules:
                    for name, content in _files(directory, module).items():
                        _add(archive, name, content)
            written.flush()
            os.fchmod(descriptor, FILE_MODE)
            written.seek(0)
            digest = hashlib.file_digest(written, "sha512").hexdigest()
        Path(drafted).replace(file)
    except OSError as error:
        raise StoreError(f"{file}: cannot be written: {error.strerror}") from None
    finally:
        if drafted is not None:
            Path(drafted).unlink(missing_ok=True)
    return manifest, digest


def load_file(directory: Path, file: Path, sha512: str | None, told: Callable[[str], None]) -> Manifest:
    """Install what a file of `write_file` has, beside what is there; what that is.

    Each text has the hash of the file's manifest; the whole file has ``sha512``, where that is given. Raises
    StoreError, and then nothing is installed.
    """
    content = _content(file)
    if sha512 is not None and hashlib.sha512(content).hexdigest() != sha512.lower():
        raise StoreError(f"{file}: its SHA-512 is not the one that was given: nothing is installed")
    files = _unpacked(file, content)
    if FILE_NAME not in files:
        raise StoreError(f"{file}: is no file of `scriptforge modules bundle`: it has no {FILE_NAME}")
    try:
        manifest = read_manifest(files[FILE_NAME])
    except StoreError as error:
        raise StoreError(f"{file}: {error}") from None
    with tempfile.TemporaryDirectory(prefix="scriptforge-modules-") as name:
        folder = Path(name)
        for file_name, one in files.items():
            (folder / file_name).write_bytes(one)
        try:
            built = [Built(module, _files(folder, module)) for module in manifest.modules]
        except StoreError as error:
            raise StoreError(f"{file}: {error}; nothing is installed") from None
    add_modules(directory, built, told)
    return manifest


def _files(directory: Path, module: Module) -> dict[str, bytes]:
    files = {entry.text.file: verified(directory, entry.text, TEXT_BYTES) for entry in module.entries}
    files[module.notices.file] = verified(directory, module.notices, NOTICES_BYTES)
    return files


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = FILE_MODE
    archive.addfile(member, BytesIO(content))


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(FILE_BYTES + 1)
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror}") from None
    if len(content) > FILE_BYTES:
        raise StoreError(f"{file}: has more than {FILE_BYTES} bytes")
    return content


def _unpacked(file: Path, content: bytes) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    left = FILE_BYTES
    try:
        with tarfile.open(fileobj=BytesIO(content), mode="r|gz") as archive:
            for member in archive:
                if not member.isreg() or "/" in member.name or member.name in {"", ".", ".."} or len(member.name) > 255:
                    raise StoreError(f"{file}: has {member.name[:255]!r}, which is no file of an installation")
                if member.name == FILE_NAME and member.size > MANIFEST_BYTES:
                    raise StoreError(f"{file}: its {FILE_NAME} has more than {MANIFEST_BYTES} bytes")
                left -= member.size
                if left < 0:
                    raise StoreError(f"{file}: has more than {FILE_BYTES} bytes unpacked")
                source = archive.extractfile(member)
                assert source is not None  # noqa: S101 - of a plain file there is one
                files[member.name] = source.read()
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise StoreError(f"{file}: is no file of `scriptforge modules bundle`, or not all of one: {error}") from None
    return files
