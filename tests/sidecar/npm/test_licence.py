"""Which licences are taken unasked, and how a package states its own."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.npm import licence
from sidecar.npm.errors import PackageRefused
from sidecar.npm.licence import PERMISSIVE, is_permissive, licence_of, notices_of


@pytest.mark.parametrize(
    "expression",
    [
        "MIT",
        "ISC",
        "(MIT OR GPL-3.0-or-later)",
        "GPL-2.0 OR (MIT AND ISC)",
        "MIT AND Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "(((MIT)))",
        "GPL-2.0 AND GPL-3.0 OR MIT",
    ],
)
def test_a_permissive_licence_is_taken(expression: str) -> None:
    assert is_permissive(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "GPL-3.0-or-later",
        "AGPL-3.0",
        "MIT AND GPL-2.0",
        "(MIT OR ISC) AND GPL-2.0",
        "GPL-2.0 OR MIT AND GPL-3.0",
        "SEE LICENSE IN LICENSE.md",
        "MIT OR",
        "OR MIT",
        "MIT MIT",
        "(MIT",
        "MIT)",
        "MIT WITH",
        "MIT, ISC",
        "mit",
        "MIT" * 1_000,
        "(" * 400 + "MIT" + ")" * 90,
        "Commons-Clause",
    ],
)
def test_any_other_one_is_not(expression: str) -> None:
    assert not is_permissive(expression)


words = st.sampled_from([*sorted(PERMISSIVE)[:3], "GPL-2.0", "SSPL-1.0", "AND", "OR", "WITH", "(", ")", " "])


@given(st.one_of(st.text(), st.lists(words).map(" ".join)))
def test_any_text_is_permissive_or_not(text: str) -> None:
    if is_permissive(text):
        assert any(name in text for name in PERMISSIVE)


expressions = st.recursive(
    st.sampled_from([("MIT", True), ("ISC", True), ("GPL-2.0", False), ("SSPL-1.0", False)]),
    lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(
        lambda one: (
            f"({one[0][0]} {one[1]} {one[2][0]})",
            (one[0][1] and one[2][1]) if one[1] == "AND" else (one[0][1] or one[2][1]),
        )
    ),
    max_leaves=8,
)


@given(expressions)
def test_of_or_one_and_of_and_both_have_to_be_permissive(expected: tuple[str, bool]) -> None:
    assert is_permissive(expected[0]) is expected[1]


@pytest.mark.parametrize(
    ("package_json", "stated"),
    [
        ({"license": "MIT"}, "MIT"),
        ({"licence": " ISC "}, "ISC"),
        ({"license": {"type": "MIT", "url": "http://example.com"}}, "MIT"),
        ({"licenses": [{"type": "MIT"}]}, "MIT"),
        ({"licenses": [{"type": "MIT"}, {"type": "GPL-2.0"}]}, "(MIT OR GPL-2.0)"),
        ({"license": "MIT/X11"}, "MIT"),
        ({"license": "BSD"}, "BSD-2-Clause"),
        ({"license": "UNLICENSED"}, ""),
        ({"license": "SEE LICENSE IN a"}, "SEE LICENSE IN a"),
        ({"license": 1}, ""),
        ({"license": [1, None]}, ""),
        ({}, ""),
    ],
)
def test_the_ways_in_which_packages_state_theirs(package_json: dict[str, Any], stated: str) -> None:
    assert licence_of(package_json) == stated


def test_notices_are_the_files_that_are_called_so(tmp_path: Path) -> None:
    for name in ("LICENSE", "licence.md", "LICENSE-MIT.txt", "COPYING", "NOTICE", "license.js", "licensing", "README"):
        (tmp_path / name).write_text(f"text of {name}\r\n")
    (tmp_path / "LICENSES").mkdir()
    assert notices_of(tmp_path).split("\n\n") == [
        f"text of {name}" for name in ("COPYING", "LICENSE", "LICENSE-MIT.txt", "NOTICE", "licence.md")
    ]


def test_a_notice_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(licence, "NOTICE_BYTES", 10)
    (tmp_path / "LICENSE").write_bytes(b"x" * 11)
    with pytest.raises(PackageRefused, match="its LICENSE has more than 10 bytes"):
        notices_of(tmp_path)
