"""Syntax errors in words: which bracket is never closed, what is missing, where it stops making sense."""

import re
from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from sidecar.language.syntax_tree import SyntaxTree, walk

SYNTAX_ERRORS: Final = 5
"""So many are named in one script. One mistake often makes several, and the first is the one to mend."""

_CLOSES: Final = {")": ("(",), "]": ("[",), "}": ("{", "${")}
_OPENS: Final = frozenset({"(", "[", "{", "${"})
_QUOTES: Final = ("'", '"', "`")
_EXCERPT_BYTES: Final = 30

BROKEN_TEXT: Final = "the text that begins here is not closed on its line"
"""tree-sitter lets a text in quotes go on over line ends; JavaScript does not."""
_TEXT_ON_ONE_LINE: Final = re.compile(rb"(?:[^\\\r\n]|\\\r\n|\\.)*+", re.DOTALL)
"""A backslash before the line's end continues the text (ECMA-262 12.9.4, LineContinuation)."""

Fault = tuple[int, int, str]
"""Line, column, message."""


def syntax_errors(syntax: SyntaxTree) -> list[Fault]:
    """What is wrong in a tree that has errors, the first few of it. Empty for a tree without."""
    if not syntax.tree.root_node.has_error:
        return []
    bracket = _first_wrong_bracket(syntax)
    errors = list(_errors(syntax))
    unclosed_text = sorted([*(error for error in errors if "never closed" in error[2]), *_broken_text(syntax)])
    # A bracket that does not match explains every other error, unless it stands in a text that never ends.
    if unclosed_text and (bracket is None or unclosed_text[0] < bracket):
        return unclosed_text[:1]
    if bracket is not None:
        return [bracket]
    return errors or [(1, 1, "syntax error")]


def is_broken_text(syntax: SyntaxTree, node: Node) -> bool:
    """Whether a ``string`` node is not closed on the line on which it begins."""
    return _TEXT_ON_ONE_LINE.fullmatch(syntax.text(node)) is None


def _broken_text(syntax: SyntaxTree) -> list[Fault]:
    for _, node in walk(syntax, syntax.tree.walk()):
        if node.type == "string" and is_broken_text(syntax, node):
            return [(*syntax.place(node), BROKEN_TEXT)]
    return []


def _first_wrong_bracket(syntax: SyntaxTree) -> Fault | None:
    opened: list[Node] = []
    for _, node in walk(syntax, syntax.tree.walk()):
        kind = node.type
        if node.is_missing or node.child_count:
            continue
        if kind in _OPENS:
            opened.append(node)
        elif kind in _CLOSES:
            if opened and opened[-1].type in _CLOSES[kind]:
                opened.pop()
                continue
            line, column = syntax.place(node)
            if not opened:
                return line, column, f"unexpected `{kind}`: there is nothing for it to close"
            start = syntax.place(opened[-1])
            return line, column, f"`{kind}` does not close the `{opened[-1].type}` of line {start[0]}"
    if not opened:
        return None
    line, column = syntax.place(opened[-1])
    return line, column, f"`{opened[-1].type}` is never closed"


def _errors(syntax: SyntaxTree) -> Iterator[Fault]:
    inside: int | None = None
    last_line = 0
    count = 0
    for depth, node in walk(syntax, syntax.tree.walk()):
        if inside is not None and depth > inside:
            continue
        inside = None
        if not node.is_error and not node.is_missing:
            continue
        inside = depth
        line, column = syntax.place(node)
        if line == last_line:
            continue
        last_line = line
        yield line, column, _describe(syntax, node)
        count += 1
        if count == SYNTAX_ERRORS:
            return


def _describe(syntax: SyntaxTree, node: Node) -> str:
    if node.is_missing:
        return f"missing {'name' if node.type == 'identifier' else f'`{node.type}`'}"
    text = syntax.text(node)[:_EXCERPT_BYTES].decode("utf-8", "ignore").partition("\n")[0]
    if text.startswith("/*"):
        return "the comment that begins here is never closed"
    if text.startswith(_QUOTES):
        return "the text that begins here is never closed"
    return f"syntax error near `{text.strip()}`"
