"""What a worker sends is read without loss for one bad character, and in no time that others would feel."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sandbox.answers import LOG_LINES, add_lines, read_calls
from sandbox.engine import RunBounds
from sandbox.outcome import LogLine
from sandbox.program import Limits
from sandbox.sound_text import without_halves
from tests.sandbox.support import Driven

HALVES = {chr(code) for code in range(0xD800, 0xE000)}


@given(st.text(st.characters(codec=None)))
def test_only_halves_of_pairs_become_question_marks(text: str) -> None:
    # The standard library reads two escaped halves as one character, as the engine would have written it.
    text = json.loads(json.dumps(text))
    mended = json.loads(without_halves(json.dumps(text).encode()))
    assert len(mended) == len(text)
    assert all(after == ("?" if before in HALVES else before) for before, after in zip(text, mended, strict=True))


def test_console_lines_and_host_calls_outlive_a_half() -> None:
    log: list[LogLine] = []
    add_lines(log, r'[["log","a\ud83d"],["warn","\ud83d\ude00\\ud83d"]]')
    assert log == [LogLine("log", "a?"), LogLine("warn", "\U0001f600\\ud83d")]
    assert read_calls(r'[[1,"kv","not a list"]]') is None
    assert read_calls(r'[[1,"kv",["\udc00"]]]') == [(1, "kv", ["?"])]


def test_lines_of_nothing_are_few() -> None:
    bounds = RunBounds(1_000_000, Limits(wall_seconds=1, cpu_seconds=1).log_bytes, 1)
    driven = Driven("function main() { for (let n = 0; n < 1e5; n++) console.log(''); return 1; }", bounds=bounds)
    assert driven.run() == 1
    assert 100 < len(driven.log) < 1_000
    assert driven.log[-1][1].endswith("is cut]")
    assert all(earlier == ["log", ""] for earlier, _ in pairwise(driven.log))
    log: list[LogLine] = []
    add_lines(log, json.dumps([["log", ""]] * (LOG_LINES + 1)))
    assert len(log) == LOG_LINES
