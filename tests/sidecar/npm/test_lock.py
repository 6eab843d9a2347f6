"""Lock files are read and written as npm has them, and one that leads elsewhere is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.npm import lock as lock_module
from sidecar.npm.errors import LockError
from sidecar.npm.lock import Lock, Locked, lock_bytes, name_of, read_lock, sha512_of
from tests.sidecar.npm.local_registry import integrity_of

INTEGRITY = integrity_of(b"a")
NAMES = st.sampled_from(["a", "b-c", "@s/d", "helpscout-2.0", "node_modules-x"])
PLACES = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/".join(f"node_modules/{name}" for name in names))


def file_of(place: str = "node_modules/a", **fields: Any) -> bytes:
    package = {"version": "1.0.0", "resolved": "https://r.example/a.tgz", "integrity": INTEGRITY, **fields}
    return json.dumps({"lockfileVersion": 3, "packages": {"": {"dependencies": {"a": "1"}}, place: package}}).encode()


@given(st.dictionaries(PLACES, st.sampled_from(["1.0.0", "2.1.0-rc.1"]), max_size=5))
def test_what_is_written_is_read_back(places: dict[str, str]) -> None:
    packages = {
        place: Locked(
            version=version, resolved="https://r.example/x.tgz", integrity=INTEGRITY, dependencies={"a": "^1"}
        )
        for place, version in places.items()
    }
    lock = Lock({"a": "^1", "b-c": "2"}, packages)
    assert read_lock(lock_bytes(lock, "tree")) == lock


def test_a_file_of_npms_own_is_read() -> None:
    content = file_of(license="MIT", engines={"node": ">=4"}, peerDependencies={"b": "*"}, dev=True, bin={"a": "a.js"})
    lock = read_lock(content)
    assert lock.wanted == {"a": "1"}
    assert lock.root("a").peers == {"b": "*"}
    assert [(place, name) for place, name, _ in lock.named()] == [("node_modules/a", "a")]
    with pytest.raises(LockError, match="has no b"):
        lock.root("b")


def test_another_name_at_a_place_is_the_packages() -> None:
    (found,) = read_lock(file_of("node_modules/a/node_modules/@s/b", name="c")).named()
    assert found[:2] == ("node_modules/a/node_modules/@s/b", "c")
    assert name_of(found[0]) == "@s/b"


@pytest.mark.parametrize(
    "place",
    [
        "node_modules/../a",
        "/node_modules/a",
        "node_modules/",
        "node_modules/a/",
        "node_modules//a",
        "packages/a",
        "node_modules/a/b",
        "node_modules/@s",
        "x/node_modules/a",
        "node_modules/a/../node_modules/b",
        "/".join(["node_modules/a"] * 13),
        "node_modules/a\n",
    ],
)
def test_a_place_elsewhere_is_refused(place: str) -> None:
    with pytest.raises(LockError, match="no place below node_modules"):
        read_lock(file_of(place))


@pytest.mark.parametrize(
    "integrity",
    ["", "sha1-AAAA", "sha512-", "sha512-AAAA", "sha512-!!!!", "md5-x sha384-y", INTEGRITY.replace("sha512", "sha256")],
)
def test_a_package_without_sha_512_is_refused(integrity: str) -> None:
    with pytest.raises(LockError, match="no SHA-512 of node_modules/a"):
        read_lock(file_of(integrity=integrity))


def test_of_several_hashes_the_sha_512_counts() -> None:
    assert sha512_of(f"sha1-AAAA {INTEGRITY}?option") == sha512_of(INTEGRITY) != None  # noqa: E711 - all three


@pytest.mark.parametrize("fields", [{"link": True}, {"resolved": ""}, {"resolved": None}])
def test_a_package_of_no_registry_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(LockError, match="from no registry"):
        read_lock(file_of(**fields))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff",
        b"[" * 50_000,
        b'{"lockfileVersion":2,"packages":{}}',
        b'{"lockfileVersion":3,"packages":[]}',
        b'{"lockfileVersion":3,"packages":{"node_modules/a":1}}',
        b'{"lockfileVersion":3,"packages":{"":{"dependencies":[]}}}',
        file_of(version=1),
        file_of(dependencies={"a": 1}),
    ],
)
def test_a_file_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(LockError, match="the lock file"):
        read_lock(content)


def test_a_tree_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "PACKAGES", 1)
    with pytest.raises(LockError, match="more than 1 packages"):
        read_lock(file_of())
