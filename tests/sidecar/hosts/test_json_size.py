"""Values of JSON are counted before it is read, however it comes."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sidecar.hosts.json_size import JsonValues

_VALUES = st.recursive(
    st.none() | st.integers() | st.text(alphabet='a"\\,[{}]\u00e9'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='a"\\,[{'), inner),
    max_leaves=20,
)


def marks(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(0, len(value) - 1) + sum(map(marks, value.values()))
    if isinstance(value, list):
        return 1 + max(0, len(value) - 1) + sum(map(marks, value))
    return 0


@given(_VALUES, st.booleans(), st.data())
def test_a_value_is_counted_however_its_text_comes(value: Any, ascii_only: bool, data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    counted = JsonValues()
    for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        counted.feed(text[begin:end])
    assert counted.count == marks(value)


@given(st.lists(st.binary(max_size=20)))
def test_what_is_no_json_is_counted_as_well(pieces: list[bytes]) -> None:
    counted = JsonValues()
    for piece in pieces:
        counted.feed(piece)
    assert 0 <= counted.count <= sum(map(len, pieces))
