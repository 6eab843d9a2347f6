"""``package-lock.json``, version 3, as npm writes it: which archive stands at which place below ``node_modules``.

https://docs.npmjs.com/cli/v11/configuring-npm/package-lock-json
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from sidecar.npm.errors import LockError
from sidecar.npm.package_name import is_package_name

LOCK_BYTES: Final = 32_000_000
PACKAGES: Final = 3_000
"""Of one tree; the sixteen's has 110, a large one 1,500."""
DEPTH: Final = 12
"""Of folders ``node_modules`` in each other: trees of npm's have five."""
_FOLDER: Final = "node_modules/"


class Locked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A package at its place."""

    name: str = ""
    """Its name where that is not the place's: of ``"a": "npm:b@1"``."""
    version: str
    resolved: str
    """The archive's address."""
    integrity: str
    """Hashes of the archive, as https://www.w3.org/TR/SRI/ has them."""
    dependencies: dict[str, str] = msgspec.field(default_factory=dict)
    peers: dict[str, str] = msgspec.field(default_factory=dict, name="peerDependencies")
    os: tuple[str, ...] = ()
    cpu: tuple[str, ...] = ()
    optional: bool = False
    """Whether it is for some machines only."""


@dataclass(frozen=True, slots=True)
class Lock:
    """What a tree of packages is made of."""

    wanted: Mapping[str, str]
    """What was asked for: names and ranges."""
    packages: Mapping[str, Locked]
    """By place: ``node_modules/a``, ``node_modules/a/node_modules/b``."""

    def root(self, name: str) -> Locked:
        """The package of that name at the top. Raises LockError."""
        try:
            return self.packages[_FOLDER + name]
        except KeyError:
            raise LockError(f"the lock file has no {name}") from None

    def named(self) -> Iterator[tuple[str, str, Locked]]:
        """Place, name and package of each."""
        for place, package in self.packages.items():
            yield place, package.name or name_of(place), package


class _File(msgspec.Struct, frozen=True):
    version: Literal[3] = msgspec.field(name="lockfileVersion")
    packages: dict[str, dict[str, Any]]


def name_of(place: str) -> str:
    """What code beside it requires the package at a place by."""
    return place.rpartition(_FOLDER)[2]


def read_lock(content: bytes) -> Lock:
    """Raises LockError."""
    try:
        file = msgspec.json.decode(content, type=_File)
        root = file.packages.get("", {})
        if len(file.packages) > PACKAGES:
            raise LockError(f"the lock file has more than {PACKAGES} packages")
        packages = {place: _locked(place, one) for place, one in file.packages.items() if place}
        wanted = msgspec.convert(root.get("dependencies", {}), dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise LockError(f"the lock file cannot be read: {error}") from None
    return Lock(wanted, packages)


def lock_bytes(lock: Lock, name: str) -> bytes:
    """The file's content; ``name`` is what the tree is called."""
    root = {"name": name, "dependencies": dict(sorted(lock.wanted.items()))}
    packages = {"": root, **{place: msgspec.to_builtins(one) for place, one in sorted(lock.packages.items())}}
    file = {"name": name, "lockfileVersion": 3, "requires": True, "packages": packages}
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def sha512_of(integrity: str) -> bytes | None:
    """The SHA-512 in the hashes of an archive; None where there is none. Others are too weak, or nobody's."""
    for one in integrity.split():
        algorithm, _, encoded = one.partition("?")[0].partition("-")
        if algorithm == "sha512":
            try:
                digest = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                continue
            if len(digest) == 64:
                return digest
    return None


def _locked(place: str, entry: dict[str, Any]) -> Locked:
    names = place.removeprefix(_FOLDER).split(f"/{_FOLDER}")
    if not place.startswith(_FOLDER) or len(names) > DEPTH or not all(map(is_package_name, names)):
        raise LockError(f"the lock file has a package at {place!r}, which is no place below node_modules")
    if entry.get("link") or not entry.get("resolved"):
        raise LockError(f"the lock file has {place} from no registry")
    try:
        locked = msgspec.convert(entry, Locked)
    except msgspec.ValidationError as error:
        raise LockError(f"the lock file, {place}: {error}") from None
    if sha512_of(locked.integrity) is None:
        raise LockError(f"the lock file has no SHA-512 of {place}")
    return locked
