"""A registry of the tests' own, and the esbuild of the shipped lock file, fetched once."""

from collections.abc import Iterator

import pytest

from sidecar.npm.esbuild import PACKAGE_PREFIX
from sidecar.npm.installing import shipped_lock
from sidecar.npm.lock import name_of
from sidecar.npm.registry import PUBLIC, Registry
from sidecar.npm.tree import is_for_this_machine
from tests.sidecar.npm.local_registry import LocalRegistry, local_registry


@pytest.fixture(scope="session")
def esbuild_archive() -> tuple[str, bytes]:
    """Its path below npm's registry, and its archive."""
    (package,) = (
        one
        for place, one in shipped_lock().packages.items()
        if name_of(place).startswith(PACKAGE_PREFIX) and is_for_this_machine(one)
    )
    (content,) = Registry().archives([package])
    return package.resolved.removeprefix(PUBLIC), content


@pytest.fixture
def registry() -> Iterator[LocalRegistry]:
    with local_registry() as registry:
        yield registry


@pytest.fixture
def building_registry(registry: LocalRegistry, esbuild_archive: tuple[str, bytes]) -> LocalRegistry:
    """One that has esbuild as well."""
    registry.serve(*esbuild_archive)
    return registry
