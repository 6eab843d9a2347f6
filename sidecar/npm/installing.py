"""What an operator asks for, from names to modules in the store."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from sidecar.npm.bundling import Built, build
from sidecar.npm.errors import BundleError, NpmError
from sidecar.npm.esbuild import PACKAGE_PREFIX, executable_of
from sidecar.npm.lock import Lock, name_of, read_lock
from sidecar.npm.recipes import LOCK_FILE
from sidecar.npm.registry import Registry
from sidecar.npm.tree import Unpacked, fetch_tree, resolve

Told = Callable[[str], None]
"""Is given a line about what is under way."""

_FOLDER: Final = "node_modules"


def shipped_lock() -> Lock:
    """That of the modules that this release was tried with, and of esbuild. Raises LockError."""
    return read_lock(LOCK_FILE.read_bytes())


def scripts_modules() -> list[str]:
    """The names of the modules that `build_shipped` builds."""
    return sorted(name for name in shipped_lock().wanted if not name.startswith(PACKAGE_PREFIX))


def build_shipped(registry: Registry, told: Told) -> list[Built]:
    """The modules of the shipped lock file, each archive with the SHA-512 that it has. Raises NpmError."""
    with _folder() as folder:
        packages = fetch_tree(registry, shipped_lock(), folder, told)
        program = _program(packages)
        return [build(program, folder, _at_top(folder, name, packages), packages) for name in scripts_modules()]


def build_wanted(
    registry: Registry,
    wanted: Mapping[str, str],
    told: Told,
    *,
    entries: Iterable[str] = (),
    licences: Mapping[str, str] = MappingProxyType({}),
) -> list[Built]:
    """Packages as the registry has them now, each with a tree of its own; ``wanted`` has a range by name. Entries and
    licences are those of `build`. Raises NpmError."""
    shipped = shipped_lock()
    programs = {place: one for place, one in shipped.packages.items() if name_of(place).startswith(PACKAGE_PREFIX)}
    # What there is not is known before anything is fetched.
    locks = {name: resolve(registry, {name: version_range}) for name, version_range in wanted.items()}
    built = []
    with _folder() as folder:
        program = _program(fetch_tree(registry, Lock({}, programs), folder / "esbuild", told))
        for number, (name, lock) in enumerate(locks.items()):
            tree = folder / str(number)
            packages = fetch_tree(registry, lock, tree, told)
            package = _at_top(tree, name, packages)
            built.append(build(program, tree, package, packages, entries=entries, licences=licences))
    return built


@contextmanager
def _folder() -> Iterator[Path]:
    try:
        with tempfile.TemporaryDirectory(prefix="scriptforge-modules-") as name:
            yield Path(name).resolve()
    except OSError as error:
        where = error.filename or tempfile.gettempdir()
        raise NpmError(f"{where}: {error.strerror}; nothing is installed") from None


def _at_top(folder: Path, name: str, packages: Iterable[Unpacked]) -> Unpacked:
    for one in packages:
        if one.folder == folder / _FOLDER / name:
            return one
    raise BundleError(f"{name}: is not for this kind of machine")


def _program(packages: Iterable[Unpacked]) -> Path:
    for one in packages:
        if one.name.startswith(PACKAGE_PREFIX):
            return executable_of(one)
    raise BundleError("there is no esbuild for this kind of machine: linux-x64 and linux-arm64 have one")
