"""A mapping that is never changed is a dictionary to whoever reads it, and a changed one leaves it as it was."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.catalog.buckets import Buckets

_KEYS = st.integers(0, 40).map(str)
_ITEMS = st.dictionaries(_KEYS, st.integers())


@given(_ITEMS, st.lists(st.tuples(_ITEMS, st.sets(_KEYS))))
def test_changed_again_and_again_it_is_a_dictionary(
    items: dict[str, int], changes: list[tuple[dict[str, int], set[str]]]
) -> None:
    held, expected = Buckets(items), dict(items)
    for put, removed in changes:
        before, as_it_was = held, dict(expected)
        held = held.changed(put, removed)
        for key in removed:
            expected.pop(key, None)
        expected |= put
        assert held == expected
        assert len(held) == len(expected)
        assert before == as_it_was
        assert [held.get(str(key)) for key in range(41)] == [expected.get(str(key)) for key in range(41)]
        assert [str(key) in held for key in range(41)] == [str(key) in expected for key in range(41)]
        assert {key: held[key] for key in held} == expected


def test_a_change_of_nothing_is_the_same() -> None:
    held = Buckets({"a": 1})
    assert held.changed({}, ["b"]) is held
    assert held.get("b", 7) == 7
    assert repr(held) == "Buckets({'a': 1})"
