"""The tree of a script's text: what it is made of does not stay in memory once the tree is gone."""

import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.language.syntax_tree import parse_script

CALLS = "call(1)\n" * 60
LOOKED_AHEAD_OF = {
    "plain": "function main(data) { return data; }",
    "semicolons that are left out, at the end of a long text": f"{CALLS}function main(data) {{ return data }}\n// é",
    "a string that never ends": f"{CALLS}'",
    "a template that never ends": f"{CALLS}`${{",
    "brackets that are never closed": "f(" * 200,
    "characters of four bytes": "'\U0001f600'\n" * 100,
    "many statements": "x = 1;\n" * 500,
    "comments that never end": "a\n/* " * 200,
}


@pytest.mark.parametrize("text", LOOKED_AHEAD_OF.values(), ids=LOOKED_AHEAD_OF)
def test_a_text_that_is_parsed_again_leaves_nothing(text: str) -> None:
    def parse() -> None:
        parse_script(text, time.monotonic() + 10)

    for _ in range(3):
        parse()
    before = sys.getallocatedblocks()
    for _ in range(100):
        parse()
    assert sys.getallocatedblocks() - before < 50


@given(st.lists(st.text("f(){}'`é\U0001f600\n;= ", max_size=60), min_size=1, max_size=4))
def test_a_tree_is_that_of_its_own_text_whatever_was_parsed_before(texts: list[str]) -> None:
    alone = [str(parse_script(text, time.monotonic() + 10).tree.root_node) for text in texts]
    assert [str(parse_script(text, time.monotonic() + 10).tree.root_node) for text in reversed(texts)] == alone[::-1]
    assert [parse_script(text, time.monotonic() + 10).tree.root_node.end_byte for text in texts] == [
        len(text.encode()) for text in texts
    ]
