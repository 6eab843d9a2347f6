"""A program has of an installed module the version that its script was granted, or the newest, or none."""

from sidecar.catalog.module_grants import NOT_GRANTED
from sidecar.hosts.node.packages import Packages
from sidecar.npm.manifest import Entry, HashedFile
from sidecar.npm.store import Installed, Store


def installed(version: str, *names: str) -> Installed:
    texts = {name: f"module.exports = '{name} {version}'" for name in names}
    entries = {
        name: Entry(name=name, text=HashedFile(file=name, sha512="0" * 128), requires=("path",), es_module=False)
        for name in names
    }
    return Installed(names[0], version, entries, (), texts)


PACKAGES = Packages.of_store(Store((installed("1.0.0", "a", "a/b"), installed("2.0.0", "a"))))


def texts(versions: dict[str, str]) -> dict[str, str]:
    found = PACKAGES.of(["require('a'); require('a/b')"], ["a", "a/b"], [], versions)
    return {name: package.text for name, package in found.packages.items() if name.startswith("a")}


def test_without_a_version_each_entry_is_of_the_newest_that_has_it() -> None:
    assert texts({}) == {"a": "module.exports = 'a 2.0.0'", "a/b": "module.exports = 'a/b 1.0.0'"}
    known = {name: list(versions) for name, versions in PACKAGES.installed().items()}
    assert known == {"a": ["1.0.0", "2.0.0"], "a/b": ["1.0.0"]}


def test_a_granted_version_is_the_one_that_the_program_has() -> None:
    assert texts({"a": "1.0.0"}) == {"a": "module.exports = 'a 1.0.0'", "a/b": "module.exports = 'a/b 1.0.0'"}
    assert texts({"a": "2.0.0"}) == {"a": "module.exports = 'a 2.0.0'"}
    assert texts({"a": "3.0.0"}) == {}
    assert texts({"a": NOT_GRANTED}) == {}
