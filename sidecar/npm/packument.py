"""What a registry says of a package: its releases, of which one is picked for a range as npm picks it."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from sidecar.npm.errors import RegistryError, UnknownPackage
from sidecar.npm.package_name import is_package_name
from sidecar.npm.ranges import NODE_VERSION, is_range, is_version, satisfies, sorted_versions

DEPENDENCIES: Final = 1_000
"""Of one release; a hundred are many."""


class Distribution(msgspec.Struct, frozen=True):
    """Where a release's archive is."""

    tarball: Annotated[str, Meta(max_length=2_000)]
    integrity: Annotated[str, Meta(max_length=2_000)] = ""


class Release(msgspec.Struct, frozen=True):
    """One version of a package. What publishers write as they like is read as far as it is what it should be."""

    version: str
    dist: Distribution
    dependencies: Any = None
    optional: Any = msgspec.field(default=None, name="optionalDependencies")
    peers: Any = msgspec.field(default=None, name="peerDependencies")
    peers_meta: Any = msgspec.field(default=None, name="peerDependenciesMeta")
    bundled: Any = msgspec.field(default=None, name="bundleDependencies")
    engines: Any = None
    deprecated: Any = None
    os: Any = None
    cpu: Any = None

    def needs(self) -> dict[str, str]:
        """The packages that it does not do without, with the range of each; what its archive brings along is not
        among them."""
        if self.bundled is True:
            return {}
        bundled = self.bundled if isinstance(self.bundled, list) else []
        optional = _texts(self.optional)
        return {
            name: wanted
            for name, wanted in _texts(self.dependencies).items()
            if name not in optional and name not in bundled
        }

    def needs_beside_it(self) -> dict[str, str]:
        """The packages that whoever uses it has as well, but for those that it says are optional."""
        meta = self.peers_meta if isinstance(self.peers_meta, dict) else {}
        optional = {name for name, one in meta.items() if isinstance(one, dict) and one.get("optional")}
        return {name: wanted for name, wanted in _texts(self.peers).items() if name not in optional}

    def runs_on_node(self) -> bool:
        """Whether it says of no Node that it needs another one."""
        wanted = self.engines.get("node") if isinstance(self.engines, dict) else None
        return not isinstance(wanted, str) or not is_range(wanted) or satisfies(NODE_VERSION, wanted)


class Packument(msgspec.Struct, frozen=True):
    """All releases of a package."""

    tags: dict[str, str] = msgspec.field(name="dist-tags")
    versions: dict[str, msgspec.Raw]

    def pick(self, name: str, wanted: str) -> Release:
        """The release for a range, a version or a tag.

        As npm does it: what ``latest`` names, where the range takes that; else the newest that the range takes. One
        that needs another Node, and one that its publisher warns of, is taken only where the range takes no other.
        Raises UnknownPackage, and RegistryError where the release's own entry is none.
        """
        if wanted in self.tags and not is_range(wanted):
            if self.tags[wanted] in self.versions:
                latest = self._release(name, self.tags[wanted])
                if wanted != "latest" or _is_good(latest):
                    return latest
            wanted = "*" if wanted == "latest" else self.tags[wanted]
        if not is_range(wanted):
            tags = ", ".join(sorted(self.tags)[:10])
            raise UnknownPackage(f"{name}@{wanted}: is neither a range of versions nor a tag of it; tags are {tags}")
        found = sorted_versions(one for one in self.versions if is_version(one) and satisfies(one, wanted))
        if not found:
            raise UnknownPackage(f"{name}@{wanted}: there is no such version; the latest is {self.tags.get('latest')}")
        newest_first = [self.tags["latest"]] if self.tags.get("latest") in found else []
        newest_first += reversed(found)
        for version in newest_first:
            release = self._release(name, version)
            if _is_good(release):
                return release
        return self._release(name, newest_first[0])

    def _release(self, name: str, version: str) -> Release:
        try:
            return msgspec.json.decode(self.versions[version], type=Release)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RegistryError(f"{name}@{version}: the registry's entry is none: {error}") from None


def read_packument(name: str, content: bytes) -> Packument:
    """Raises RegistryError."""
    try:
        return msgspec.json.decode(content, type=Packument)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RegistryError(f"{name}: the registry's answer is none: {error}") from None


def _is_good(release: Release) -> bool:
    return not release.deprecated and release.runs_on_node()


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    found = {name: text for name, text in value.items() if isinstance(text, str) and is_package_name(name)}
    if len(found) > DEPENDENCIES:
        raise RegistryError(f"a package has more than {DEPENDENCIES} dependencies")
    return found
