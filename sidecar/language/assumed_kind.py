"""What kind a script seems to be of whose kind nobody has said: an App by what only an App may use."""

import time
from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from sidecar.kind import MAIN, Kind
from sidecar.language.file_graph import javascript
from sidecar.language.names import Names, find_names
from sidecar.language.syntax import syntax_errors
from sidecar.language.syntax_tree import CheckTimeoutError, SyntaxTree, children, named_children, parse_script

KIND_SECONDS: Final = 5.0
"""One script is looked at no longer than this, however large it is."""
_OF_AN_APP: Final = frozenset(
    {"require", "Promise", "setTimeout", "setInterval", "setImmediate", "queueMicrotask", "HangupError"}
)


def assumed_kind(text: str, seconds: float = KIND_SECONDS, file: str = "") -> tuple[Kind, str]:
    """The kind, and for an App what shows it and where: ``async, line 3``. A text that cannot be read is a Script.

    ``file`` is its name, which says whether it is TypeScript, or an ES module.
    """
    if file.endswith(".mjs"):
        return Kind.APP, ".mjs"
    deadline = time.monotonic() + seconds
    try:
        syntax = parse_script(javascript(text, file, deadline)[0], deadline)
        if syntax_errors(syntax):
            return Kind.SCRIPT, ""
        signs = list(_signs(syntax, find_names(syntax)))
    except CheckTimeoutError:
        return Kind.SCRIPT, ""
    if not signs:
        return Kind.SCRIPT, ""
    node, what = min(signs, key=lambda sign: sign[0].start_byte)
    return Kind.APP, f"{what}, line {syntax.place(node)[0]}"


def _signs(syntax: SyntaxTree, names: Names) -> Iterator[tuple[Node, str]]:
    for node in names.async_functions:
        yield node, "async"
    for node in (*names.top_awaits, *names.stray_awaits):
        yield node, "await"
    for node in names.module_forms:
        yield node, "export" if node.type == "export_statement" else "import"
    for reference in names.references:
        if reference.name in _OF_AN_APP:
            yield reference.node, reference.name
    second = _second_parameter(syntax)
    if second is not None:
        yield second, syntax.text(second)[:40].decode("utf-8", "replace")


def drives_calls(text: str, seconds: float = KIND_SECONDS, file: str = "") -> bool:
    """Whether the script is one that drives a call: its ``main`` takes a second argument."""
    deadline = time.monotonic() + seconds
    try:
        return _second_parameter(parse_script(javascript(text, file, deadline)[0], deadline)) is not None
    except CheckTimeoutError:
        return False


def _second_parameter(syntax: SyntaxTree) -> Node | None:
    """That of ``main``: only a script that drives a call is given one."""
    for node in children(syntax.tree.root_node):
        if node.type == "function_declaration":
            name, parameters = node.child_by_field_name("name"), node.child_by_field_name("parameters")
            if name is not None and parameters is not None and syntax.text(name) == MAIN.encode():
                return next(iter(named_children(parameters)[1:2]), None)
    return None
