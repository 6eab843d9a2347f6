"""What the registry knows against the packages that are installed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sidecar.npm.manifest import Module
from sidecar.npm.ranges import satisfies
from sidecar.npm.registry import Registry

SEVERITIES: Final = ("critical", "high", "moderate", "low", "info")
TITLE_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Advisory:
    """One thing that is known against a package in a module."""

    module: str
    module_version: str
    package: str
    version: str
    severity: str
    title: str
    url: str
    vulnerable: str
    """The range of the versions that have it."""


def find_advisories(registry: Registry, modules: Iterable[Module]) -> list[Advisory]:
    """The worst first. Code of our own that stands for a package is not asked about. Raises RegistryError."""
    installed = tuple(modules)
    versions: dict[str, set[str]] = {}
    for module in installed:
        for package in module.packages:
            if package.integrity:
                versions.setdefault(package.name, set()).add(package.version)
    if not versions:
        return []
    known = registry.advisories(versions)
    found = [advisory for module in installed for advisory in _of(module, known)]
    return sorted(found, key=lambda one: (_rank(one.severity), one.module, one.package, one.title))


def _of(module: Module, known: Any) -> Iterator[Advisory]:
    for package in module.packages:
        for one in known.get(package.name, ()) if package.integrity else ():
            vulnerable = str(one.get("vulnerable_versions", "*"))
            if satisfies(package.version, vulnerable):
                yield Advisory(
                    module=module.name,
                    module_version=module.version,
                    package=package.name,
                    version=package.version,
                    severity=str(one.get("severity", "info"))[:20],
                    title=str(one.get("title", ""))[:TITLE_CHARACTERS],
                    url=str(one.get("url", ""))[:TITLE_CHARACTERS],
                    vulnerable=vulnerable,
                )


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
