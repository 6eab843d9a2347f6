"""What a program has of packages: what its texts name, and what that requires in turn."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, Self

from sandbox.program import Package, PackageGlobal
from sidecar.hosts.node.core import core_modules
from sidecar.language.modules import NODE, SCHEME, plain
from sidecar.npm.store import Store, package_of

_GLOBALS: Final = {
    "Buffer": PackageGlobal(package="buffer", property="Buffer"),
    "process": PackageGlobal(package="process"),
}
_OWN_PROCESS: Final = re.compile(r"\bprocess\b(?!\s*\??\.\s*env\b)")
"""More of it than every script has. Of who puts such a name together nothing is known."""


class ProgramPackages(NamedTuple):
    """As a `sandbox.program.Program` has them."""

    packages: Mapping[str, Package]
    begun: tuple[str, ...]
    globals: Mapping[str, PackageGlobal]


NONE: Final = ProgramPackages({}, (), {})


class _Named(NamedTuple):
    package: Package
    requires: frozenset[str]
    uses: frozenset[str]
    """The names of globals that its text has."""


class Packages:
    """All that there is: Node's core modules, and what is installed."""

    __slots__ = ("_named", "_versions")

    def __init__(
        self,
        installed: Mapping[str, tuple[Package, frozenset[str]]] | None = None,
        versions: Mapping[tuple[str, str], tuple[Package, frozenset[str]]] | None = None,
    ) -> None:
        """``installed`` are packages by the names that scripts require them by, and the core modules that each
        requires; ``versions`` the same by name and version, for those that are granted a certain one."""
        self._named = {name: _named(*found) for name, found in (installed or {}).items()}
        self._versions = {key: _named(*found) for key, found in (versions or {}).items()}

    @classmethod
    def of_store(cls, store: Store) -> Self:
        """What is in a folder of installed modules, of each the newest version and every one."""
        newest: dict[str, tuple[Package, frozenset[str]]] = {}
        versions: dict[tuple[str, str], tuple[Package, frozenset[str]]] = {}
        for module in store.modules:
            for name, entry in module.entries.items():
                package = Package(
                    key=f"npm:{name}@{module.version} {entry.text.sha512}",
                    text=module.text(name),
                    es_module=entry.es_module,
                )
                found = package, frozenset(entry.requires)
                newest[name] = versions[name, module.version] = found
        return cls(newest, versions)

    def installed(self) -> Mapping[str, Mapping[str, str]]:
        """What is installed: by the name that scripts require it by, and by version, the newest last, the key of each
        package."""
        found: dict[str, dict[str, str]] = {}
        for (name, version), one in self._versions.items():
            found.setdefault(name, {})[version] = one.package.key
        return found

    def names(self) -> frozenset[str]:
        """All that a script may require or import."""
        return frozenset((*self._named, *NODE, *(SCHEME + name for name in NODE)))

    def of(
        self,
        texts: Iterable[str],
        modules: Iterable[str],
        at_top: Iterable[str],
        versions: Mapping[str, str] = MappingProxyType({}),
    ) -> ProgramPackages:
        """What a program of these texts has, which name these modules, some of them at their top. ``versions``: as of
        `sidecar.catalog.model.Script.module_versions`."""
        written = list(texts)
        uses = {"Buffer"} if any("Buffer" in text for text in written) else set()
        if any(map(_OWN_PROCESS.search, written)):
            uses.add("process")
        of_text = {_GLOBALS[name].package for name in uses}
        needed = {plain(name) for name in modules}
        found: dict[str, Package] = {}
        waiting = [*needed, *of_text]
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            one = self._find(name, versions)
            if one is None:
                continue
            found[name] = one.package
            uses |= one.uses
            waiting += one.requires
            waiting += (_GLOBALS[used].package for used in one.uses)
        if not found:
            return NONE
        begun = {plain(name) for name in at_top} | of_text
        if "process" in uses:
            # Each run begins with a look at its environment.
            begun.add("process")
        return ProgramPackages(
            packages=dict(sorted(found.items())),
            begun=tuple(sorted(begun & found.keys())),
            globals={name: _GLOBALS[name] for name in sorted(uses)},
        )

    def _find(self, name: str, versions: Mapping[str, str]) -> _Named | None:
        """Node's own goes before what is installed under its name, as in Node."""
        core = core_modules().get(name)
        if core is not None:
            return _Named(core.package, frozenset(core.requires), frozenset())
        version = versions.get(package_of(name))
        return self._named.get(name) if version is None else self._versions.get((name, version))


def _named(package: Package, requires: frozenset[str]) -> _Named:
    return _Named(package, requires, frozenset(one for one in _GLOBALS if one in package.text))
