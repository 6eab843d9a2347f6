"""Node's core modules: the texts that packaging/core-modules has made, each by the hash that it was made with."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

import msgspec

from sandbox.program import Package
from sidecar.hosts.errors import CoreModulesMissing

_BUILT: Final = "built"


class CoreModule(NamedTuple):
    """One of them."""

    package: Package
    requires: tuple[str, ...]
    """Other core modules that its text requires."""


class _Described(msgspec.Struct, frozen=True):
    sha512: str
    requires: tuple[str, ...]


class BundledPackage(msgspec.Struct, frozen=True):
    """A package of npm's that core modules are made of."""

    name: str
    version: str
    license: str
    integrity: str


class Manifest(msgspec.Struct, frozen=True):
    """What packaging/core-modules says of its work."""

    modules: dict[str, _Described]
    packages: tuple[BundledPackage, ...]


@cache
def manifest() -> Manifest:
    """What there is. Raises CoreModulesMissing where nothing was made."""
    try:
        return msgspec.json.decode((files(__package__) / _BUILT / "manifest.json").read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise CoreModulesMissing(f"Node's core modules for scripts are not there; run make: {error}") from error


@cache
def core_modules() -> Mapping[str, CoreModule]:
    """All of them, by name. Raises CoreModulesMissing where one is not there, or not as it was made."""
    return {name: _read(name, described) for name, described in manifest().modules.items()}


def _read(name: str, described: _Described) -> CoreModule:
    try:
        content = (files(__package__) / _BUILT / f"{name}.js").read_bytes()
    except OSError as error:
        raise CoreModulesMissing(f"Node's core module {name} for scripts is not there: {error}") from error
    if hashlib.sha512(content).hexdigest() != described.sha512:
        raise CoreModulesMissing(f"Node's core module {name} for scripts is not as it was made: its SHA-512 is another")
    package = Package(key=f"node:{name} {described.sha512}", text=content.decode(), trusted=True)
    return CoreModule(package, described.requires)
