"""The folder of installed modules as who runs scripts reads it: each text is checked against the manifest's hash.

Nothing here writes, asks a network or waits. What is read is kept in memory, so that no text changes under a process
that has checked it; another installation is seen by who reads again.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sidecar.npm.errors import StoreError
from sidecar.npm.manifest import (
    FILE_NAME,
    MANIFEST_BYTES,
    BundledPackage,
    Entry,
    HashedFile,
    Manifest,
    Module,
    read_manifest,
)

TEXT_BYTES: Final = 8_000_000
"""The largest text of an entry; the largest of the known ones, soap's, has 400,000."""
STORE_BYTES: Final = 128_000_000
"""Of all texts, which each process that runs scripts holds; the sixteen have 2,700,000."""


@dataclass(frozen=True, slots=True)
class Installed:
    """One version of a module, whose texts are those that were installed."""

    name: str
    version: str
    entries: Mapping[str, Entry]
    """By what a script writes in quotes. The module's own name is among them, unless it has no main file."""
    packages: tuple[BundledPackage, ...]
    _texts: Mapping[str, str] = field(repr=False)

    def text(self, entry: str | None = None) -> str:
        """The CommonJS text of an entry, the module's own for None: the body of a function of ``require``, ``module``,
        ``exports``, ``__filename`` and ``__dirname``. Raises KeyError for an entry that is not one."""
        return self._texts[self.name if entry is None else entry]

    @property
    def requires(self) -> frozenset[str]:
        """The core modules of Node that its texts require, without ``node:``."""
        return frozenset(required for entry in self.entries.values() for required in entry.requires)


@dataclass(frozen=True, slots=True)
class Refused:
    """A module that is installed and not as it was: no script is given it."""

    name: str
    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class Store:
    """What there is for scripts."""

    modules: tuple[Installed, ...] = ()
    """By name, the versions of one name from the oldest to the newest."""
    refused: tuple[Refused, ...] = ()

    def find(self, entry: str, version: str | None = None) -> Installed | None:
        """The module of an entry, ``csv-parse/lib/sync``: that version of it, or the newest that has the entry."""
        for module in reversed(self.modules):
            if entry in module.entries and version in {None, module.version}:
                return module
        return None

    def names(self) -> Iterator[str]:
        """All that a script may write in quotes, each once, sorted."""
        yield from sorted({entry for module in self.modules for entry in module.entries})


def package_of(entry: str) -> str:
    """The name of the package that an entry is of: ``csv-parse`` of ``csv-parse/lib/sync``, ``@a/b`` of ``@a/b/c``."""
    return "/".join(entry.split("/")[: 2 if entry.startswith("@") else 1])


def read_store(directory: Path) -> Store:
    """What is installed in a directory; one that is not there has nothing.

    Raises StoreError where the manifest is there and cannot be read. A module of which a text is missing or is not the
    one that was installed is in `Store.refused` and no other is.
    """
    manifest = read_directory(directory)
    while True:
        store = _read_all(directory, manifest)
        # Somebody may have installed or removed since the manifest was read: then its files are not those any more.
        now = read_directory(directory) if store.refused else manifest
        if now == manifest:
            return store
        manifest = now


def state_of(directory: Path) -> tuple[int, ...] | None:
    """Is another one whenever something was installed or removed; None where nothing ever was, or it cannot be looked
    at."""
    try:
        status = (directory / FILE_NAME).stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def read_directory(directory: Path) -> Manifest:
    """The manifest of a directory; an empty one where there is none. Raises StoreError."""
    file = directory / FILE_NAME
    try:
        return read_manifest(_read(file, MANIFEST_BYTES))
    except FileNotFoundError:
        return Manifest()
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror}") from None
    except StoreError as error:
        raise StoreError(f"{directory}: {error}") from None


def verified(directory: Path, hashed: HashedFile, most: int) -> bytes:
    """The content of a file of the manifest, of ``most`` bytes. Raises StoreError where it is not the one that was
    installed."""
    try:
        content = _read(directory / hashed.file, most)
    except FileNotFoundError:
        raise StoreError(f"{hashed.file} is missing") from None
    except OSError as error:
        raise StoreError(f"{hashed.file}: {error.strerror}") from None
    if hashlib.sha512(content).hexdigest() != hashed.sha512:
        raise StoreError(f"{hashed.file} has been changed: its SHA-512 is not the manifest's")
    return content


def _read_all(directory: Path, manifest: Manifest) -> Store:
    modules, refused, left = [], [], STORE_BYTES
    for module in manifest.modules:
        try:
            texts = {}
            for entry in module.entries:
                texts[entry.name] = text = verified(directory, entry.text, min(TEXT_BYTES, left)).decode()
                left -= len(text)
        except (StoreError, UnicodeDecodeError) as error:
            refused.append(Refused(module.name, module.version, str(error)))
        else:
            modules.append(_installed(module, texts))
    return Store(tuple(modules), tuple(refused))


def _installed(module: Module, texts: Mapping[str, str]) -> Installed:
    return Installed(
        module.name, module.version, {entry.name: entry for entry in module.entries}, module.packages, texts
    )


def _read(file: Path, most: int) -> bytes:
    with file.open("rb") as opened:
        content = opened.read(most + 1)
    if len(content) > most:
        raise StoreError(f"{file.name} has more than {most} bytes")
    return content
