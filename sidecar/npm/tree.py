"""The packages of a lock file, fetched, checked and unpacked below a ``node_modules``; nothing of them is run."""

import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sidecar.npm.archive import install_scripts, read_package_json, refuse_native, unpack
from sidecar.npm.errors import PackageRefused
from sidecar.npm.lock import Lock, Locked
from sidecar.npm.recipes import RECIPES, SUBSTITUTES
from sidecar.npm.registry import Registry
from sidecar.npm.resolution import resolution

TREE_BYTES: Final = 2_000_000_000
"""Of all packages, unpacked."""

_MACHINES: Final = {"x86_64": "x64", "AMD64": "x64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A package as it stands in a tree."""

    name: str
    version: str
    integrity: str
    folder: Path
    package_json: dict[str, Any]

    @property
    def label(self) -> str:
        """As it is called in messages."""
        return f"{self.name}@{self.version}"


def resolve(registry: Registry, wanted: dict[str, str]) -> Lock:
    """The tree of what is wanted, as the registry has it now. Raises what `resolution` and `Registry` raise."""
    resolving = resolution(wanted, RECIPES)
    names = next(resolving)
    try:
        while True:
            names = resolving.send(registry.packuments(names))
    except StopIteration as ended:
        lock: Lock = ended.value
        return lock


def fetch_tree(registry: Registry, lock: Lock, folder: Path, told: Callable[[str], None]) -> list[Unpacked]:
    """Fetch the packages of a lock file into ``folder/node_modules``; those for other machines are left out.

    ``told`` is given a line for each package with scripts that npm would run. Raises NpmError for what cannot be
    fetched or is refused, and OSError where the disk is full.
    """
    wanted = [(place, name, package) for place, name, package in lock.named() if is_for_this_machine(package)]
    found = []
    left = TREE_BYTES
    for (place, name, package), content in zip(
        wanted, registry.archives(package for _, _, package in wanted), strict=True
    ):
        target = folder / place
        label = f"{name}@{package.version}"
        target.mkdir(parents=True, exist_ok=True)
        unpack(content, target, label)
        left -= sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
        if left < 0:
            raise PackageRefused(f"{label}: with it all packages have more than {TREE_BYTES} bytes")
        package_json = read_package_json(target, label)
        refuse_native(target, package_json, label)
        scripts = install_scripts(package_json)
        if scripts:
            told(f"{label}: its {', '.join(scripts)} is not run: no package's own script is")
        found.append(Unpacked(name, package.version, package.integrity, target, package_json))
    return [*found, *_substitutes(found)]


def is_for_this_machine(package: Locked) -> bool:
    """Whether a package names this kind of machine, or none."""
    machine = _MACHINES.get(platform.machine(), platform.machine())
    return (not package.cpu or machine in package.cpu) and (not package.os or platform.system().lower() in package.os)


def _substitutes(found: list[Unpacked]) -> list[Unpacked]:
    placed = []
    for one in found:
        recipe = RECIPES.get(one.name)
        for name in sorted(recipe.substitutes if recipe else ()):
            target = one.folder / "node_modules" / name
            shutil.copytree(SUBSTITUTES / name, target)
            package_json = read_package_json(target, name)
            placed.append(Unpacked(name, package_json["version"], "", target, package_json))
    return placed
