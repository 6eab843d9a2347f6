"""Where in a text a function stands that callers may name."""

import time
from typing import Final

from tree_sitter import Node

from sidecar.language.file_graph import javascript
from sidecar.language.syntax_tree import CheckTimeoutError, parse_script, walk

SECONDS: Final = 0.5
NODES: Final = 200_000
_DECLARATIONS: Final = frozenset(["function_declaration", "variable_declarator", "method_definition"])


def place_of_function(text: str, file: str, name: str) -> tuple[int, int] | None:
    """Line and column, both from 1, of the first declaration, key or export of this name; None where there is none
    that can be seen, or where it takes too long to look."""
    deadline = time.monotonic() + SECONDS
    try:
        syntax = parse_script(javascript(text, file, deadline)[0], deadline)
        for number, (_, node) in enumerate(walk(syntax, syntax.tree.walk())):
            if number == NODES:
                break
            named = _named(node)
            if named is not None and syntax.text(named) == name.encode("utf-8", "replace"):
                return syntax.place(named)
    except CheckTimeoutError:
        pass
    return None


def _named(node: Node) -> Node | None:
    if node.type in _DECLARATIONS:
        return node.child_by_field_name("name")
    if node.type == "pair":
        return node.child_by_field_name("key")
    if node.type == "export_specifier":
        return node.child_by_field_name("alias") or node.child_by_field_name("name")
    if node.type == "assignment_expression":
        target = node.child_by_field_name("left")
        if target is not None and target.type == "member_expression":
            return target.child_by_field_name("property")
    return None
