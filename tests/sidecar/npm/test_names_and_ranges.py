"""Names, versions and ranges are read as npm reads them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sidecar.npm.errors import UnknownPackage
from sidecar.npm.package_name import RANGE_CHARACTERS, is_package_name, read_wanted
from sidecar.npm.ranges import is_range, is_version, satisfies, sorted_versions

NPM = """
const {createRequire} = require('module');
const semver = createRequire(process.argv[1])('semver');
const lines = require('readline').createInterface({input: process.stdin});
lines.on('line', (line) => {
  const [versions, ranges] = JSON.parse(line);
  const taken = ranges.map((range) => versions.map((version) => semver.satisfies(version, range, {loose: true})));
  console.log(JSON.stringify([taken, versions.sort(semver.compareLoose)]));
});
"""

numbers = st.sampled_from(["0", "1", "2", "3", "10"])
suffixes = st.sampled_from(["", "", "", "-alpha", "-alpha.1", "-rc.2", "-0", "-beta-1"])
versions = st.tuples(numbers, numbers, numbers, suffixes).map(lambda one: ".".join(one[:3]) + one[3])
partial = st.one_of(
    versions,
    st.tuples(numbers, numbers).map(".".join),
    numbers,
    numbers.map(lambda one: f"{one}.x"),
    st.tuples(numbers, numbers).map(lambda one: f"{one[0]}.{one[1]}.*"),
    versions.map(lambda one: f"v{one}"),
)
operators = st.sampled_from(["", "^", "~", ">", ">=", "<", "<=", "=", "~>", ">= ", "^ "])
comparators = st.tuples(operators, partial).map("".join)
alternatives = st.one_of(
    st.lists(comparators, min_size=1, max_size=3).map(" ".join), st.tuples(partial, partial).map(" - ".join)
)
ranges = st.one_of(
    st.lists(alternatives, min_size=1, max_size=3).map(" || ".join), st.sampled_from(["", "*", "x", "^*", "~x"])
)


@pytest.fixture(scope="module")
def npm() -> "Iterator[subprocess.Popen[str]]":
    command = which("npm")
    assert command is not None, "apt-get install npm"
    with subprocess.Popen(
        ["node", "-e", NPM, str(Path(command).resolve())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@settings(max_examples=60)
@given(st.lists(versions, min_size=10, max_size=20, unique=True), st.lists(ranges, min_size=10, max_size=30))
def test_ranges_take_the_versions_that_npm_has_them_take(
    npm: "subprocess.Popen[str]", found: list[str], wanted: list[str]
) -> None:
    assert npm.stdin is not None
    assert npm.stdout is not None
    npm.stdin.write(json.dumps([found, wanted]) + "\n")
    npm.stdin.flush()
    taken, ordered = json.loads(npm.stdout.readline())
    assert [[satisfies(version, one) for version in found] for one in wanted] == taken
    assert sorted_versions(found) == ordered


@given(st.text())
@example("latest")
@example("git+https://example.com/a.git")
@example(">=1.0.0, <2")
@example("1" * RANGE_CHARACTERS)
@example("9" * 5_000)
def test_any_text_is_a_range_or_none(text: str) -> None:
    satisfies("1.2.3", text)
    satisfies(text, "*")
    is_range(text)
    is_version(text)


@pytest.mark.parametrize("text", ["latest", "", "1", "1.2", "v1.2.3", "01.2.3", "1.2.3.4"])
def test_what_is_no_whole_version(text: str) -> None:
    assert not is_version(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("moment", ("moment", "latest")),
        ("moment@", ("moment", "latest")),
        ("moment@^2", ("moment", "^2")),
        ("@a/b", ("@a/b", "latest")),
        ("@a/b@1 || 2", ("@a/b", "1 || 2")),
        ("helpscout-2.0@next", ("helpscout-2.0", "next")),
        ("JSONStream", ("JSONStream", "latest")),
    ],
)
def test_an_operator_names_a_package_and_a_range(text: str, wanted: tuple[str, str]) -> None:
    assert read_wanted(text) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "@", "@a", "a/b", "../a", "@../a", ".a", "_a", "a b", "a\n", "node_modules", "a" * 215, "https://a.example"],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    assert not is_package_name(text)
    with pytest.raises(UnknownPackage, match="expected the name of a package"):
        read_wanted(text)


def test_a_range_is_bounded() -> None:
    with pytest.raises(UnknownPackage, match="more than 256 characters"):
        read_wanted("a@" + "1" * 257)
