"""The folder of installed modules as the installer writes it: whole or not at all, by one command at a time.

Texts have names that no other text has, and the manifest is replaced in one step when all that it names is on the disk:
whoever reads, and whatever is killed, has the modules of before or those of after.
"""

import errno
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from sidecar.npm.bundling import Built
from sidecar.npm.errors import StoreError
from sidecar.npm.manifest import FILE_NAME, Manifest, Module, manifest_bytes
from sidecar.npm.ranges import sorted_versions
from sidecar.npm.store import read_directory

LOCK_NAME: Final = ".lock"
DIRECTORY_MODE: Final = 0o755
FILE_MODE: Final = 0o644
"""Whoever runs scripts reads them, and is often another user than whoever installs."""
ENDINGS: Final = (".js", ".txt", ".draft")


def add_modules(directory: Path, built: Iterable[Built], told: Callable[[str], None]) -> None:
    """Install modules beside those that are there; the same version of one is replaced. Raises StoreError, and then
    nothing has changed."""
    with _locked(directory, told):
        before = manifest = read_directory(directory)
        try:
            for one in built:
                for name, content in one.files.items():
                    _write(directory, name, content)
                left = manifest.without(one.module.name, one.module.version)
                manifest = Manifest(modules=(*left.modules, one.module))
            _write(directory, FILE_NAME, manifest_bytes(_ordered(manifest)))
        except StoreError:
            _clean(directory, before)
            raise
        _clean(directory, manifest)


def remove_module(directory: Path, name: str, version: str | None, told: Callable[[str], None]) -> list[Module]:
    """Remove a module, all its versions or one; those that were removed. Raises StoreError."""
    if not directory.is_dir():
        return []
    with _locked(directory, told):
        manifest = read_directory(directory)
        left = manifest.without(name, version)
        removed = [one for one in manifest.modules if one not in left.modules]
        if removed:
            _write(directory, FILE_NAME, manifest_bytes(left))
            _clean(directory, left)
    return removed


def _clean(directory: Path, manifest: Manifest) -> None:
    """Remove what no module of the manifest has, and what was left of a command that was killed."""
    kept = {FILE_NAME}
    for module in manifest.modules:
        kept.update([module.notices.file, *(entry.text.file for entry in module.entries)])
    with suppress(OSError):  # of no consequence: nothing names it, and the next command tries again
        for file in directory.iterdir():
            if file.name not in kept and file.suffix in ENDINGS:
                file.unlink()


def _ordered(manifest: Manifest) -> Manifest:
    by_name: dict[str, dict[str, Module]] = {}
    for module in manifest.modules:
        by_name.setdefault(module.name, {})[module.version] = module
    return Manifest(
        modules=tuple(
            versions[version] for _, versions in sorted(by_name.items()) for version in sorted_versions(versions)
        )
    )


@contextmanager
def _locked(directory: Path, told: Callable[[str], None]) -> Iterator[None]:
    """Nobody else writes meanwhile; the lock ends with its process."""
    try:
        if not directory.exists():
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(DIRECTORY_MODE)  # whatever the umask of whoever installs
        lock = (directory / LOCK_NAME).open("a")
    except OSError as error:
        raise _unwritable(directory, error) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told(f"{directory}: another command installs there, this one waits for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(directory: Path, name: str, content: bytes) -> None:
    draft: Path | None = None
    try:
        descriptor, drafted = tempfile.mkstemp(prefix=".", suffix=".draft", dir=directory)
        draft = Path(drafted)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            os.fchmod(descriptor, FILE_MODE)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        draft.replace(directory / name)
        _sync(directory)
    except OSError as error:
        if draft is not None:
            draft.unlink(missing_ok=True)
        raise _unwritable(directory, error) from None


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(directory: Path, error: OSError) -> StoreError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreError(f"{directory}: there is no room left on the disk; nothing is installed or removed")
    return StoreError(f"{directory}: cannot be written: {error.strerror}")
