"""Which packages a tree has, and where each stands: found out without Node and without I/O.

`resolution` asks for what the registry says of packages by yielding their names and is sent that. Each package finds
what it needs as Node's ``require`` does: beside itself, or in a ``node_modules`` further up.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Final

from sidecar.npm.errors import RegistryError, UnknownPackage
from sidecar.npm.lock import DEPTH, PACKAGES, Lock, Locked, sha512_of
from sidecar.npm.package_name import is_package_name
from sidecar.npm.packument import Packument, Release
from sidecar.npm.ranges import is_range, satisfies
from sidecar.npm.recipes import Recipe

Resolution = Generator[frozenset[str], Mapping[str, Packument], Lock]

_ALIAS: Final = "npm:"


@dataclass(slots=True, eq=False)
class _Place:
    """A package that stands in its parent's ``node_modules``."""

    parent: "_Place | None"
    path: str
    name: str = ""
    release: Release | None = None
    children: dict[str, "_Place"] = field(default_factory=dict)

    def find(self, name: str) -> "_Place | None":
        place: _Place | None = self
        while place is not None:
            if name in place.children:
                return place.children[name]
            place = place.parent
        return None

    @property
    def depth(self) -> int:
        return self.path.count("node_modules/")


def resolution(wanted: Mapping[str, str], recipes: Mapping[str, Recipe]) -> Resolution:
    """The tree of what is wanted, names and ranges.

    A package stands at the top where there is none of its name yet, else in the ``node_modules`` of whoever needs it.
    Packages that are optional are left out, those that are to be beside another are brought where nobody else does.
    ``recipes`` say which of a package's needs are met otherwise. Raises UnknownPackage, and RegistryError where the
    registry has no SHA-512 of one.
    """
    top = _Place(None, "")
    known: dict[str, Packument] = {}
    generation = [top]
    placed = 0
    while generation:
        needed = {place.path: _needs(place, wanted, recipes) for place in generation}
        missing = {_aliased(*need)[0] for needs in needed.values() for need in needs.items()} - known.keys()
        if missing:
            known.update((yield frozenset(missing)))
        following = []
        for place in generation:
            for name, version_range in needed[place.path].items():
                new = _place(top, place, name, version_range, known)
                if new is not None:
                    following.append(new)
                    placed += 1
                    if placed > PACKAGES:
                        raise UnknownPackage(f"it needs more than {PACKAGES} packages")
        generation = following
    return Lock(dict(wanted), dict(_walk(top)))


def _needs(place: _Place, wanted: Mapping[str, str], recipes: Mapping[str, Recipe]) -> dict[str, str]:
    if place.release is None:
        return dict(wanted)
    recipe = recipes.get(place.name, Recipe())
    needs = {**place.release.needs_beside_it(), **place.release.needs()}
    return {
        name: recipe.overrides.get(name, version_range)
        for name, version_range in needs.items()
        if name not in recipe.substitutes
    }


def _place(top: _Place, place: _Place, name: str, version_range: str, known: Mapping[str, Packument]) -> _Place | None:
    """The new package for a need; None where there is one already that meets it."""
    package, wanted = _aliased(name, version_range)
    if not is_range(wanted) and any(mark in wanted for mark in ":/"):
        raise UnknownPackage(f"{place.name or package} needs {name} from {wanted!r}, which is no registry")
    found = place.find(name)
    if found is not None and found.release is not None and place is not top and found.name == package:
        picked = wanted if is_range(wanted) else known[package].tags.get(wanted, wanted)
        if satisfies(found.release.version, picked):
            return None
    release = known[package].pick(package, wanted)
    if sha512_of(release.dist.integrity) is None:
        raise RegistryError(f"{package}@{release.version}: the registry has no SHA-512 of it")
    parent = place if found is not None else top
    new = _Place(parent, f"{parent.path}{'/' if parent.path else ''}node_modules/{name}", package, release)
    if new.depth > DEPTH:
        raise UnknownPackage(f"{package}: packages need each other more than {DEPTH} deep, in different versions")
    parent.children[name] = new
    return new


def _aliased(name: str, version_range: str) -> tuple[str, str]:
    """The package and the range of a need: another one's of ``"a": "npm:b@1"``."""
    if not version_range.startswith(_ALIAS):
        return name, version_range
    package, _, wanted = version_range.removeprefix(_ALIAS).rpartition("@")
    if not is_package_name(package):
        package, wanted = version_range.removeprefix(_ALIAS), "*"
    if not is_package_name(package):
        raise UnknownPackage(f"{name}: {version_range!r} names no package")
    return package, wanted


def _walk(place: _Place) -> Generator[tuple[str, Locked], None, None]:
    if place.release is not None:
        release = place.release
        yield (
            place.path,
            Locked(
                name=place.name if not place.path.endswith(f"node_modules/{place.name}") else "",
                version=release.version,
                resolved=release.dist.tarball,
                integrity=release.dist.integrity,
                dependencies=release.needs(),
                peers=release.needs_beside_it(),
                os=_words(release.os),
                cpu=_words(release.cpu),
                optional=bool(release.os or release.cpu),
            ),
        )
    for child in place.children.values():
        yield from _walk(child)


def _words(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
