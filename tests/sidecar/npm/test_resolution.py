"""A tree has for each package what it needs, where Node's ``require`` finds it, and newest as npm picks it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.npm import resolution as resolution_module
from sidecar.npm.errors import RegistryError, UnknownPackage
from sidecar.npm.lock import Lock, name_of
from sidecar.npm.packument import Packument, read_packument
from sidecar.npm.ranges import satisfies
from sidecar.npm.recipes import Recipe
from sidecar.npm.resolution import resolution
from tests.sidecar.npm.local_registry import integrity_of

Releases = Mapping[str, Mapping[str, Any]]


def packument(name: str, releases: Releases, latest: str | None = None, **tags: str) -> Packument:
    versions = {
        version: {
            "name": name,
            "version": version,
            "dist": {"tarball": f"https://r.example/{name}-{version}.tgz", "integrity": integrity_of(version.encode())},
            **fields,
        }
        for version, fields in releases.items()
    }
    found = {"dist-tags": {"latest": latest or list(releases)[-1], **tags}, "versions": versions}
    return read_packument(name, json.dumps(found).encode())


def resolved(
    wanted: Mapping[str, str], known: Mapping[str, Packument], recipes: Mapping[str, Recipe] | None = None
) -> Lock:
    resolving = resolution(wanted, recipes or {})
    names = next(resolving)
    try:
        while True:
            missing = names - known.keys()
            if missing:
                raise UnknownPackage(" ".join(missing))
            names = resolving.send({name: known[name] for name in names})
    except StopIteration as ended:
        lock: Lock = ended.value
        return lock


def tree(lock: Lock) -> dict[str, str]:
    return {place.replace("node_modules/", ""): package.version for place, package in lock.packages.items()}


def universe(**packages: Releases) -> dict[str, Packument]:
    return {name: packument(name, releases) for name, releases in packages.items()}


def test_what_is_needed_stands_at_the_top_and_in_two_versions_beside_who_needs_it() -> None:
    known = universe(
        a={"1.0.0": {"dependencies": {"b": "^1", "c": "^1"}}},
        b={"1.0.0": {}, "1.2.0": {"dependencies": {"c": "^2"}}, "2.0.0": {}},
        c={"1.0.0": {}, "2.0.0": {"dependencies": {"d": "*"}}},
        d={"1.0.0": {}},
    )
    assert tree(resolved({"a": "1"}, known)) == {"a": "1.0.0", "b": "1.2.0", "b/c": "2.0.0", "c": "1.0.0", "d": "1.0.0"}


def test_packages_that_need_each_other_are_there_once() -> None:
    known = universe(a={"1.0.0": {"dependencies": {"b": "1"}}}, b={"1.0.0": {"dependencies": {"a": "1"}}})
    assert tree(resolved({"a": "*"}, known)) == {"a": "1.0.0", "b": "1.0.0"}


def test_versions_that_need_each_other_without_end_are_refused() -> None:
    releases = {f"{one}.0.0": {"dependencies": {"a": f"{1 - one % 2}.x || {(one + 1) % 40}.x"}} for one in range(40)}
    with pytest.raises(UnknownPackage, match="deep"):
        resolved({"a": "0"}, universe(a={v: {"dependencies": {"a": f"{int(v.split('.')[0]) + 1}"}} for v in releases}))


def test_optional_packages_are_left_out() -> None:
    known = universe(
        a={
            "1.0.0": {
                "dependencies": {"b": "1", "fsevents": "1"},
                "optionalDependencies": {"fsevents": "1"},
                "peerDependencies": {"c": "1", "d": "1"},
                "peerDependenciesMeta": {"d": {"optional": True}},
            }
        },
        b={"1.0.0": {}},
        c={"1.0.0": {}},
    )
    assert tree(resolved({"a": "1"}, known)) == {"a": "1.0.0", "b": "1.0.0", "c": "1.0.0"}


def test_what_an_archive_brings_along_is_not_fetched() -> None:
    known = universe(a={"1.0.0": {"dependencies": {"b": "1", "c": "1"}, "bundleDependencies": ["b"]}}, c={"1.0.0": {}})
    assert tree(resolved({"a": "1"}, known)) == {"a": "1.0.0", "c": "1.0.0"}


def test_a_package_by_another_name_is_the_package() -> None:
    known = universe(a={"1.0.0": {"dependencies": {"b": "npm:@s/c@^1"}}}) | {"@s/c": packument("@s/c", {"1.1.0": {}})}
    lock = resolved({"a": "1"}, known)
    assert [(place, name) for place, name, _ in lock.named()] == [("node_modules/a", "a"), ("node_modules/b", "@s/c")]


def test_a_recipe_meets_a_need_otherwise() -> None:
    known = universe(
        a={"1.0.0": {"dependencies": {"b": "^0.19", "c": "1", "d": "1"}}},
        b={"0.19.0": {}, "1.4.0": {}},
        d={"1.0.0": {}},
    )
    recipes = {"a": Recipe(overrides={"b": "^1"}, substitutes=frozenset({"c"}))}
    assert tree(resolved({"a": "1"}, known, recipes)) == {"a": "1.0.0", "b": "1.4.0", "d": "1.0.0"}


@pytest.mark.parametrize(
    ("releases", "latest", "wanted", "picked"),
    [
        ({"1.0.0": {}, "1.1.0": {}, "2.0.0": {}}, "1.0.0", "latest", "1.0.0"),
        ({"1.0.0": {}, "1.1.0": {}, "2.0.0": {}}, "1.0.0", "^1", "1.0.0"),
        ({"1.0.0": {}, "1.1.0": {}, "2.0.0": {}}, "2.0.0", "^1", "1.1.0"),
        ({"1.0.0": {}, "1.1.0-rc.1": {}}, "1.0.0", "*", "1.0.0"),
        ({"1.0.0": {}, "1.1.0": {"deprecated": "a hole"}}, "1.1.0", "^1", "1.0.0"),
        ({"1.1.0": {"deprecated": "a hole"}}, "1.1.0", "^1", "1.1.0"),
        ({"6.0.0": {}, "7.0.0": {"engines": {"node": ">=22"}}}, "7.0.0", "latest", "6.0.0"),
        ({"6.0.0": {}, "7.0.0": {"engines": {"node": ">=22"}}}, "7.0.0", "^7", "7.0.0"),
        ({"1.0.0": {"engines": ["node >= 0.6"]}}, "1.0.0", "*", "1.0.0"),
        ({"1.0.0": {"engines": {"node": "whatever"}}}, "1.0.0", "", "1.0.0"),
        ({"1.0.0": {}, "nonsense": {}}, "nonsense", "*", "1.0.0"),
    ],
)
def test_the_version_is_the_one_that_npm_picks(releases: Releases, latest: str, wanted: str, picked: str) -> None:
    assert packument("a", releases, latest).pick("a", wanted).version == picked


def test_a_tag_names_a_version() -> None:
    found = packument("a", {"1.0.0": {}, "2.0.0-rc.1": {}}, "1.0.0", next="2.0.0-rc.1", gone="3.0.0")
    assert found.pick("a", "next").version == "2.0.0-rc.1"
    for wanted in ("gone", "other", "^2", "git+ssh://x"):
        with pytest.raises(UnknownPackage, match=r"^a@"):
            found.pick("a", wanted)


@pytest.mark.parametrize(
    "wanted", ["git+https://e.example/b", "https://e.example/b.tgz", "file:../b", "user/b", "workspace:*"]
)
def test_what_is_from_no_registry_is_refused(wanted: str) -> None:
    known = universe(a={"1.0.0": {"dependencies": {"b": wanted}}}, b={"1.0.0": {}})
    with pytest.raises(UnknownPackage, match="a needs b from"):
        resolved({"a": "1"}, known)


@pytest.mark.parametrize("integrity", ["", "sha1-AAAA"])
def test_a_release_without_sha_512_is_refused(integrity: str) -> None:
    found = {"version": "1.0.0", "dist": {"tarball": "https://r.example/a.tgz", "integrity": integrity}}
    raw = json.dumps({"dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": found}}).encode()
    with pytest.raises(RegistryError, match=r"a@1\.0\.0: the registry has no SHA-512"):
        resolved({"a": "1"}, {"a": read_packument("a", raw)})


def test_a_tree_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolution_module, "PACKAGES", 1)
    known = universe(a={"1.0.0": {"dependencies": {"b": "1"}}}, b={"1.0.0": {}})
    with pytest.raises(UnknownPackage, match="more than 1 packages"):
        resolved({"a": "1"}, known)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"dist-tags":{},"versions":[]}', b"[" * 50_000])
def test_an_answer_that_is_none_is_an_error(content: bytes) -> None:
    with pytest.raises(RegistryError, match=r"^a: "):
        read_packument("a", content)


@pytest.mark.parametrize("entry", [1, {}, {"version": "1.0.0"}, {"version": "1.0.0", "dist": {"tarball": "x" * 3_000}}])
def test_a_release_that_is_none_is_an_error(entry: Any) -> None:
    found = read_packument("a", json.dumps({"dist-tags": {}, "versions": {"1.0.0": entry}}).encode())
    with pytest.raises(RegistryError, match=r"^a@1\.0\.0: "):
        found.pick("a", "1")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("dependencies", "optionalDependencies", "peerDependencies", "peerDependenciesMeta", "bundleDependencies")


@given(st.dictionaries(st.sampled_from([*FIELDS, "engines", "deprecated", "os", "cpu"]), json_values))
def test_whatever_a_publisher_has_written_is_read_or_refused(fields: dict[str, Any]) -> None:
    try:
        resolved({"a": "*"}, universe(a={"1.0.0": fields}))
    except UnknownPackage as error:
        assert str(error)  # noqa: PT017 - what is needed is not there, mostly


packages = st.sampled_from(["a", "b", "c", "d", "e"])
needs = st.dictionaries(packages, st.sampled_from(["^1", "^2", "1.0.0", "*", ">=1.1 <3"]), max_size=4)
releases = st.fixed_dictionaries(
    {
        version: st.fixed_dictionaries({"dependencies": needs, "peerDependencies": needs})
        for version in ("1.0.0", "1.1.0", "2.0.0")
    }
)


@given(st.fixed_dictionaries(dict.fromkeys("abcde", releases)), needs.filter(bool))
def test_each_package_finds_what_it_needs_as_require_does(found: dict[str, Releases], wanted: dict[str, str]) -> None:
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(resolution_module, "PACKAGES", 50)
            lock = resolved(wanted, universe(**found))
    except UnknownPackage as error:
        assert "more than" in str(error)  # noqa: PT017 - of those that need each other in many versions
        return
    for name, version_range in wanted.items():
        assert satisfies(lock.packages[f"node_modules/{name}"].version, version_range)
    for place, package in lock.packages.items():
        for name, version_range in {**package.peers, **package.dependencies}.items():
            assert satisfies(required(lock, place, name), version_range), (place, name)


def required(lock: Lock, place: str, name: str) -> str:
    """The version that code at a place requires: https://nodejs.org/api/modules.html#loading-from-node_modules-folders"""
    while True:
        candidate = f"{place}/node_modules/{name}" if place else f"node_modules/{name}"
        if candidate in lock.packages:
            assert name_of(candidate) == name
            return lock.packages[candidate].version
        assert place, name
        place = place[: -len(name_of(place)) - len("node_modules/")].rstrip("/")
