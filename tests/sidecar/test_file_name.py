"""The file name of an identifier."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.file_name import LONGEST, RESERVED, file_name_of, identifier_of

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        ("acme", "acme"),
        ("acme-2_b.example", "acme-2_b.example"),
        ("1001", "1001"),
        ("Acme", "+acme"),
        ("Acme & Co", "+acme=20=26=20+co"),
        ("Müller", "+m=c3=bcller"),
        ("user@example.com", "user=40example.com"),
        ("a/b", "a=2fb"),
        ("a=2fb", "a=3d2fb"),
        ("+acme", "=2bacme"),
        ("", "="),
        (".", "=2e"),
        ("..", "=2e=2e"),
        (".hidden", "=2ehidden"),
        ("acme.", "acme=2e"),
        ("_x", "_x"),
        ("a\0b", "a=00b"),
        ("\ud800", "=ed=a0=80"),
        ("ivr", "=69vr"),
    ],
)
def test_names(identifier: str, name: str) -> None:
    assert file_name_of(identifier) == name


def test_a_long_identifier_is_cut_and_still_told_from_others() -> None:
    names = {file_name_of("x" * length) for length in range(300)} | {file_name_of("x" * 299 + "y")}
    assert len(names) == 301
    assert max(map(len, names)) == LONGEST


@given(ANY_TEXT)
@example("ivr")
@example("")
@example("é" * 100)
def test_every_identifier_has_a_name_that_a_file_can_have(identifier: str) -> None:
    name = file_name_of(identifier)
    assert 0 < len(name.encode("ascii")) <= LONGEST
    assert name not in {".", "..", *RESERVED}
    assert "/" not in name
    assert "\0" not in name
    assert not name.startswith(".")
    assert not name.endswith((".", " "))
    assert Path("/x", name).resolve().parent == Path("/x")


@given(ANY_TEXT, ANY_TEXT)
@example("Acme", "acme")
@example("a/b", "a=2fb")
@example("Acme", "+acme")
@example("e\u0301", "\u00e9")
@example("x" * 200, "x" * 201)
@example("ivr", "=69vr")
@example("", "=")
def test_two_identifiers_never_share_a_name_also_where_capitals_are_not_told_apart(one: str, other: str) -> None:
    names = file_name_of(one), file_name_of(other)
    assert (one == other) == (names[0] == names[1])
    assert all(name == name.casefold() for name in names)


@given(ANY_TEXT)
@example("ivr")
@example("")
def test_an_identifier_is_found_by_its_name_where_that_is_all_of_it(identifier: str) -> None:
    name = file_name_of(identifier)
    assert identifier_of(name) == (None if "=~" in name else identifier)


@given(st.text())
@example("Porting")
@example("=6")
@example("=7e")
@example("ivr")
def test_what_is_nobodys_name_has_no_identifier(name: str) -> None:
    found = identifier_of(name)
    assert found is None or file_name_of(found) == name
