"""What tests of Node's modules in the sandbox share: one Node and one context for each file, and modules of npm's."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from sidecar.hosts.node.packages import Packages
from sidecar.npm.installing import build_shipped, build_wanted, scripts_modules
from sidecar.npm.registry import Registry
from sidecar.npm.store import read_store
from sidecar.npm.writing import add_modules
from tests.sidecar.hosts.node.comparison import Both, Node, Sandbox

NPM: Final = Path(__file__).with_name("npm")
"""As npm itself installs them, for real Node; ``make test`` does that."""
_STORE: Final = NPM / "node_modules" / ".scriptforge"
"""The same as they are installed for scripts, made by the first tests that need them."""


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    node = Node()
    yield Both(node, Sandbox())
    node.close()


@pytest.fixture(scope="session")
def installed() -> Packages:
    """The modules that a release ships the lock file of, and ten more."""
    if not (NPM / "node_modules").is_dir():
        pytest.fail(f"npm's modules are not installed: run `npm ci --ignore-scripts` in {NPM}")
    locked = json.loads((NPM / "package-lock.json").read_bytes())["packages"]
    names = json.loads((NPM / "package.json").read_bytes())["dependencies"]
    wanted = {name: locked[f"node_modules/{name}"]["version"] for name in names}
    store = read_store(_STORE)
    known = {module.name: module.version for module in store.modules}
    if any(known.get(name) != version for name, version in wanted.items()):
        more = {name: version for name, version in wanted.items() if name not in scripts_modules()}
        for built in (build_shipped(Registry(), print), build_wanted(Registry(), more, print)):
            add_modules(_STORE, built, print)
        store = read_store(_STORE)
    assert store.refused == ()
    assert wanted.items() <= {module.name: module.version for module in store.modules}.items()
    return Packages.of_store(store)


@pytest.fixture(scope="module")
def modules(installed: Packages) -> Iterator[Both]:
    node = Node(NPM)
    yield Both(node, Sandbox(installed))
    node.close()
