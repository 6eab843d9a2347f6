"""A script's text as tree-sitter sees it, with places in characters."""

import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser, Point, Tree, TreeCursor

_JAVASCRIPT: Final = Language(tree_sitter_javascript.language())
_TYPESCRIPT: Final = Language(tree_sitter_typescript.language_typescript())
_USING: Final = re.compile(rb"(?<![\w$])using(?![\w$])")
"""A keyword in tree-sitter's grammar and a plain name in ES2023, which the engine speaks: `using = 1` is right and
`using x = y` is wrong. Another spelling of the same length makes a name of it."""
_TYPE_OF_ALL: Final = re.compile(rb"(?<![\w$.])(export\s+)type(?=\s*\*)")
"""``export type * from``, which tree-sitter's grammar of TypeScript does not have: it reads it without the word."""
_WORDS: Final = (
    rb"break|case|catch|class|continue|debugger|delete|do|else|enum|export|extends|finally|for|function|if|import|in"
    rb"|instanceof|new|return|super|switch|throw|try|typeof|var|while|with|yield"
)
"""Reserved words (ECMA-262 12.7.2) that stand in no type and before no ``as`` of TypeScript."""
_NAMED_AS: Final = re.compile(
    rb"(?<=[{,])(?P<space>\s*)(?P<word>%b|const|void)(?=\s+as\s)|(?<![\w$.])(?P<as>as\s+)(?P<other>%b)(?=\s*[,}])"
    % (_WORDS, _WORDS)
)
"""What is imported or exported may be called by any of them, ``import { delete as remove }`` (16.2.2), which
tree-sitter's grammar does not know: another spelling makes a name of it."""
_LONE_RETURN: Final = re.compile(rb"\r(?!\n)")
"""Ends a line in JavaScript (ECMA-262 12.3) and does not in tree-sitter's grammar."""
NODES_BETWEEN_LOOKS: Final = 1_024
"""The clock is looked at once in so many nodes: a look costs a tenth of what that many nodes do."""

AT_ONCE: Final = 256
"""Nodes that are made in one go, which takes some 0.5 ms."""


class _HeldText:
    """The text being parsed, always in the same memory, and its last byte always in the same place.

    tree-sitter 0.26.1 never lets go of what its read callback has given it, so that each text, given as it is, would
    stay in memory for good, and so would each rest of one that it asks for again. The callback is needed, since without
    one there is no deadline either.
    """

    __slots__ = ("_bytes", "_rests", "_view")

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._view = memoryview(self._bytes)
        self._rests: dict[int, memoryview] = {}
        """What was given before, by its length: it stays anyway, so that a rest as long costs nothing."""

    def take(self, text: bytes) -> None:
        """Put this text in place of the one before."""
        if len(text) > len(self._bytes):
            # What is replaced stays for good: by doubling, that is less than the longest text in all.
            self._bytes = bytearray(max(2 * len(self._bytes), len(text)))
            self._view = memoryview(self._bytes)
            self._rests.clear()
        self._view[len(self._bytes) - len(text) :] = text

    def rest(self, length: int) -> memoryview:
        """So many bytes from the text's end."""
        given = self._rests.get(length)
        if given is None:
            given = self._rests[length] = self._view[len(self._bytes) - length :]
        return given


_held: Final = _HeldText()
_reading: Final = threading.Lock()
"""One text is parsed at a time."""


class CheckTimeoutError(Exception):
    """The script took longer to look through than it was given."""


@dataclass(frozen=True, slots=True)
class SyntaxTree:
    """``source`` is the text in UTF-8; tree-sitter's offsets are bytes of it."""

    source: bytes
    tree: Tree
    deadline: float
    """On time.monotonic; the walks over the tree keep it as well."""

    def place(self, node: Node) -> tuple[int, int]:
        """Line and column, both from 1, in characters, of a node's beginning."""
        point = node.start_point
        line_start = node.start_byte - point.column
        return point.row + 1, len(self.source[line_start : node.start_byte].decode("utf-8", "replace")) + 1

    def place_of_byte(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1, in characters, of a byte."""
        line_start = self.source.rfind(b"\n", 0, offset) + 1
        before = self.source[line_start:offset].decode("utf-8", "replace")
        return self.source.count(b"\n", 0, offset) + 1, len(before) + 1

    def offset(self, line: int, column: int) -> int | None:
        """The byte of a place, whose column is in characters; None for one outside the text."""
        start = 0
        for _ in range(line - 1):
            end = self.source.find(b"\n", start)
            if end < 0:
                return None
            start = end + 1
        end = self.source.find(b"\n", start)
        text = self.source[start : len(self.source) if end < 0 else end].decode("utf-8", "replace")
        return start + len(text[: column - 1].encode("utf-8")) if 1 <= column <= len(text) + 1 else None

    def text(self, node: Node) -> bytes:
        """The part of the source that a node covers."""
        return self.source[node.start_byte : node.end_byte]

    def check_deadline(self) -> None:
        """Give up a check that takes too long: raises CheckTimeoutError once its time is up."""
        if time.monotonic() > self.deadline:
            raise CheckTimeoutError


def parse_script(text: str, deadline: float, *, typescript: bool = False) -> SyntaxTree:
    """The tree of a script's text. A wrong script has one too, with ERROR and MISSING nodes in it.

    Raises CheckTimeoutError when ``deadline`` (on time.monotonic) has passed before it is done.
    """
    source = text.encode("utf-8")
    with _reading:
        spelt = _NAMED_AS.sub(_spelt_otherwise, _USING.sub(b"usinG", _LONE_RETURN.sub(b"\n", source)))
        if not typescript:
            return SyntaxTree(source, _parse(spelt, deadline, _JAVASCRIPT), deadline)
        return SyntaxTree(source, _parse(_TYPE_OF_ALL.sub(rb"\1    ", spelt), deadline, _TYPESCRIPT), deadline)


def _spelt_otherwise(found: re.Match[bytes]) -> bytes:
    """A word with its last letter in upper case, which makes a name of it."""
    return found[0][:-1] + found[0][-1:].upper()


def _parse(spelt: bytes, deadline: float, language: Language) -> Tree:
    _held.take(spelt)

    def read(offset: int, _point: Point) -> memoryview:
        # Behind the first it is where a look ahead began: a few places, or one a line in a text made for it.
        return _held.rest(max(0, len(spelt) - offset))

    def is_late(_offset: int, _has_error: bool) -> bool:
        return time.monotonic() > deadline

    try:
        tree = Parser(language).parse(read, progress_callback=is_late)
    except ValueError as error:  # "Parsing failed": the callback stopped it
        raise CheckTimeoutError from error
    return tree


def children(node: Node) -> Sequence[Node]:
    """What a node has in it. Of many, one after the other: tree-sitter gives them all at once, and no other thread goes
    on meanwhile."""
    return node.children if node.child_count <= AT_ONCE else [*_each_child(node)]


def named_children(node: Node) -> Sequence[Node]:
    """The same, but for words and marks."""
    return node.named_children if node.child_count <= AT_ONCE else [one for one in _each_child(node) if one.is_named]


def nth_child(node: Node, index: int) -> Node:
    """One of them, counted from the end where it is negative. Raises IndexError."""
    found = node.child(index if index >= 0 else max(0, node.child_count + index))
    if found is None:
        raise IndexError
    return found


def nth_named_child(node: Node, index: int) -> Node:
    """One of those that are no words or marks. Raises IndexError."""
    found = node.named_child(index if index >= 0 else max(0, node.named_child_count + index))
    if found is None:
        raise IndexError
    return found


def _each_child(node: Node) -> Iterator[Node]:
    cursor = node.walk()
    there = cursor.goto_first_child()
    while there:
        if cursor.node is not None:
            yield cursor.node
        there = cursor.goto_next_sibling()


def walk(syntax: SyntaxTree, cursor: TreeCursor) -> Iterator[tuple[int, Node]]:
    """Every node, parents before children, with its depth. A loop and no recursion: nesting may be a million."""
    depth = 0
    count = 0
    while True:
        count += 1
        if not count % NODES_BETWEEN_LOOKS:
            syntax.check_deadline()
        node = cursor.node
        if node is not None:
            yield depth, node
        if cursor.goto_first_child():
            depth += 1
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            depth -= 1
