"""Answers of HTTP as our parser takes them and as Node's does: the same events, and the same errors."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

PARSER = Path(__file__).parents[4] / "sidecar" / "hosts" / "node" / "modules" / "shared" / "http_parser.js"
OK = "HTTP/1.1 200 OK\r\n"
CHUNKED = OK + "Transfer-Encoding: chunked\r\n"
SOUND = [
    OK + "Content-Length: 5\r\n\r\nhello",
    CHUNKED + "\r\n5\r\nhello\r\n0\r\n\r\n",
    CHUNKED + '\r\n5;a=b\r\nhello\r\nA;c;d="e f"\r\n0123456789\r\n0\r\nX-T: y\r\nX-U:\r\n\r\n',
    "HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\nbody to the end",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nSet-Cookie: a=b\r\nset-cookie: c\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",
    "HTTP/1.1 200\r\nA: \r\nB:\t x \r\nC: caf\xe9 \x80\r\n\r\nrest",
    OK + "Connection: keep-alive, close\r\nContent-Length: 0\r\n\r\n",
    OK + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    OK + "Transfer-Encoding: gzip\r\n\r\nto the end",
    "\r\n\r\n" + OK + "Content-Length: 0\r\n\r\n" + OK + "Content-Length: 1\r\n\r\nx",
]
WRONG = [
    "",
    "HTTP",
    "220 ready\r\n",
    "HTTP/7.3 200 OK\r\n\r\n",
    "HTTP/x",
    "HTTP/1.1x200",
    "HTTP/1.1 2x0 OK\r\n\r\n",
    "HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/1.1 200 OK\n\r\n",
    OK + " A: b\r\n\r\n",
    OK + "A: b\r\n c\r\n\r\n",
    OK + "A b: c\r\n\r\n",
    OK + "A\r\n\r\n",
    OK + ": c\r\n\r\n",
    OK + "A: b\0\r\n\r\n",
    OK + "A: b\n\r\n",
    "HTTP/1.1 200\n\r\n",
    "HTTP/1.1 200",
    OK + "A: b\rc\r\n\r\n",
    OK + "Content-Length: 5x\r\n\r\nhello",
    OK + "Content-Length: -1\r\n\r\n",
    OK + "Content-Length: +5\r\n\r\nhello",
    OK + "Content-Length: 5, 5\r\n\r\nhello",
    OK + "Content-Length: \r\n\r\nhello",
    OK + "Content-Length: 99999999999999999999999999\r\n\r\n",
    OK + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    OK + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    CHUNKED + "Content-Length: 5\r\n\r\n0\r\n\r\n",
    CHUNKED + "\r\nzz\r\n",
    CHUNKED + "\r\n5 \r\nhello\r\n",
    CHUNKED + "\r\n-5\r\nhello\r\n",
    CHUNKED + "\r\n0x5\r\nhello\r\n",
    CHUNKED + "\r\nfffffffffffffffff\r\nhello\r\n",
    CHUNKED + "\r\n5\r\nhello!\r\n0\r\n\r\n",
    CHUNKED + "\r\n5\nhello\r\n0\r\n\r\n",
    CHUNKED + "\r\n5;a=\0\r\nhello\r\n0\r\n\r\n",
    CHUNKED + "\r\n5\r\nhel",
    OK + "Content-Length: 5\r\n\r\nhel",
    OK + "Content-Le",
    OK + "X: " + "x" * 17_000 + "\r\n\r\n",
    OK + "Connection: close\r\nContent-Length: 2\r\n\r\nokmore",
]


class Parsers:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", str(Path(__file__).with_name("parsers.js")), str(PARSER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def both(self, *pieces: str) -> list[Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([piece.encode("latin-1").hex() for piece in pieces]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, pieces
        return list(json.loads(answer))

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def parsers() -> Iterator[Parsers]:
    made = Parsers()
    yield made
    made.close()


@pytest.mark.parametrize("text", [*SOUND, *WRONG])
def test_an_answer_is_taken_as_node_takes_it(text: str, parsers: Parsers) -> None:
    by_node, by_ours = parsers.both(text)
    assert by_ours == by_node


@pytest.mark.parametrize("text", SOUND)
def test_it_is_the_same_byte_by_byte(text: str, parsers: Parsers) -> None:
    by_node, by_ours = parsers.both(*text)
    assert by_ours == by_node == parsers.both(text)[1]


BITS = ["\r", "\n", "\r\n", " ", ":", "0", "f", "\0", "\x7f", "\xe9", "HTTP/1.1", ";", "-", ",", "a", "\r\n\r\n"]
BITS += ["Content-Length: 5", "Transfer-Encoding: chunked", "9" * 20]


@st.composite
def damaged(draw: st.DrawFn) -> list[str]:
    """A sound answer with a few bytes put in, left out or replaced, in pieces."""
    text = draw(st.sampled_from(SOUND))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        left_out = draw(st.integers(0, 4))
        text = text[:at] + draw(st.sampled_from(["", *BITS])) + text[at + left_out :]
    cut = draw(st.integers(0, len(text)))
    return [piece for piece in (text[:cut], text[cut:]) if piece]


@settings(max_examples=1_500, deadline=None)
@given(damaged())
def test_a_damaged_answer_is_refused_as_node_refuses_it(parsers: Parsers, pieces: list[str]) -> None:
    by_node, by_ours = ([*both.get("events", [["upgraded"]])] for both in parsers.both(*pieces))
    if by_node[-1:] == by_ours[-1:] or not _is_refused(by_ours):
        assert by_ours == by_node, pieces
        return
    # Ours may refuse more, as a CR that ends a line without LF, and of several mistakes name another one. What was
    # taken before is the same.
    assert by_ours[:-1] == by_node[: len(by_ours) - 1], pieces


def _is_refused(events: list[Any]) -> bool:
    return bool(events) and events[-1][0] == "error"


def test_a_head_is_bounded_with_all_that_is_in_it(parsers: Parsers) -> None:
    """Node counts names and values alone, since it holds no more than them."""
    for text in (
        OK + "X: y\r\n" * 3_000 + "\r\n",
        OK + "X:" + " " * 20_000,
        CHUNKED + "\r\n0\r\n" + "X: y\r\n" * 3_000,
    ):
        assert parsers.both(text)[1]["events"][-1] == ["error", "HPE_HEADER_OVERFLOW"]
    endless = CHUNKED + "\r\n" + f"1;{'x' * 20_000}\r\n"
    assert parsers.both(endless)[1]["events"][-1] == ["error", "HPE_CHUNK_EXTENSIONS_OVERFLOW"]
