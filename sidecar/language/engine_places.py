"""Nodes of a script's text by the places that the engine notes.

It notes places of calls, of names of the surroundings and of properties, and tells of each error at the last one that
it noted before (measured: quickjs-ng 0.17): of a call at a name among its arguments, of what is asked of ``this`` at
something earlier, and where a function has noted nothing yet at the first column of the line that it begins on.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from tree_sitter import Node

from sidecar.language.syntax_tree import SyntaxTree, named_children, walk

CALLS: Final = frozenset(["call_expression", "new_expression"])
FUNCTIONS: Final = frozenset(
    [
        "function_declaration",
        "function_expression",
        "generator_function",
        "generator_function_declaration",
        "arrow_function",
        "method_definition",
    ]
)
_BODIES: Final = FUNCTIONS | {"field_definition", "class_static_block"}
"""What the engine runs as a function of its own."""
_LOOPS: Final = frozenset(["for_statement", "for_in_statement", "while_statement", "do_statement"])
ANONYMOUS: Final = "<anonymous>"
_NAMES: Final = frozenset(["identifier", "shorthand_property_identifier"])
NODES: Final = 20_000
"""Nodes of one function that are looked through: 1,000 lines have some 10,000."""
PARENTS: Final = 200
"""Nodes around a place that are looked at: an expression nested deeper was not written by a person."""
_BEFORE_DOT: Final = re.compile(r" (?=\??\.\w)")
"""A chain is often written over several lines."""
_EXCERPT: Final = 80
"""Characters of an expression that are shown."""


class Place(msgspec.Struct, frozen=True):
    """A place of the engine's in a text."""

    syntax: SyntaxTree
    offset: int
    around: list[Node]
    """The nodes that it is in, innermost first."""
    functions: list[Node]
    """Its function; several where it may be any of them."""

    def within(self) -> Iterator[Node]:
        """The nodes around it that are of its own function."""
        return within_function(self.around, self.offset)

    def after(self) -> Iterator[Node]:
        """What follows in its function, in the order of the text."""
        for function in self.functions:
            is_before = function.end_byte <= self.offset
            yield from (node for node in inside(function) if is_before or node.start_byte >= self.offset)

    def excerpt(self, node: Node) -> str:
        return excerpt(self.syntax, node)


def around(syntax: SyntaxTree, offset: int) -> Iterator[Node]:
    """The nodes that a byte stands in, innermost first."""
    node = syntax.tree.root_node.descendant_for_byte_range(offset, offset + 1)
    for _ in range(PARENTS):
        if node is None:
            return
        yield node
        node = node.parent


def within_function(nodes: Iterable[Node], offset: int) -> Iterator[Node]:
    """Those of the nodes around a place that are of the same function; one that only begins there is a value of it."""
    for node in nodes:
        if node.type in FUNCTIONS and node.start_byte < offset:
            return
        yield node


def functions_at(syntax: SyntaxTree, nodes: Sequence[Node], offset: int, column: int, frame: str) -> list[Node]:
    """The function that a place of the engine's is in; several where it may be any that begins on the line.

    ``frame`` is what the engine calls the function.
    """
    root = syntax.tree.root_node
    inner = next((node for node in nodes if node.type in FUNCTIONS), root)
    if frame == ANONYMOUS and column != 1 and (inner == root or inner.child_by_field_name("name") is not None):
        # A function without a name that has noted nothing yet is told of at what stands before it on the line.
        row = syntax.source.count(b"\n", 0, offset)
        after = [node for node in _bodies(inner) if node.start_byte >= offset and node.start_point.row == row]
        return [node for node in after if node.child_by_field_name("name") is None] or [inner]
    is_blank = syntax.source[offset : offset + 1].isspace()
    if column != 1 or not (is_blank or inner == root):
        return [inner]
    line = syntax.source.count(b"\n", 0, offset)
    first = offset + len(syntax.source[offset:]) - len(syntax.source[offset:].lstrip())
    closed = next(around(syntax, first)).parent
    if closed is not None and closed.type == "class_body" and first == closed.end_byte - 1:
        # Fields are a function of the class's, which may be told of at the brace that closes it.
        return [node for node in named_children(closed) if node.type == "field_definition"]
    beginning = [node for node in _bodies(inner) if node.start_point.row == line]
    return beginning or [inner]


def _bodies(outer: Node) -> Iterator[Node]:
    for node in inside(outer):
        if node.type in _BODIES and node != outer:
            yield node


def inside(function: Node) -> Iterator[Node]:
    """The nodes of a function in the order of the text, without what is inside of other functions."""
    waiting = [function]
    for _ in range(NODES):
        if not waiting:
            return
        node = waiting.pop()
        yield node
        if node.type not in _BODIES or node == function:
            waiting.extend(reversed(named_children(node)))


def called(call: Node) -> Node | None:
    """The expression that a call calls."""
    return call.child_by_field_name("function" if call.type == "call_expression" else "constructor")


def calls_at(syntax: SyntaxTree, nodes: Iterable[Node], offset: int) -> list[Node]:
    """The calls that the engine tells of at this place, innermost first."""
    found = [node for node in within_function(nodes, offset) if node.type in CALLS and _is_told_at(node, offset)]
    if len(found) < 2:
        return found
    declared = set()
    for _, (_, node) in zip(range(NODES), walk(syntax, syntax.tree.walk()), strict=False):
        name = node.child_by_field_name("name") if node.type in FUNCTIONS else None
        if name is not None:
            declared.add(syntax.text(name))
    return [call for call in found if syntax.text(called(call) or call) not in declared] or found


def made_at(syntax: SyntaxTree, nodes: Iterable[Node], offset: int, name: str) -> Node | None:
    """The class of this name that an error was made of by a ``new`` among whose arguments the place is."""
    for node in within_function(nodes, offset):
        constructor = called(node) if node.type == "new_expression" else None
        arguments = node.child_by_field_name("arguments")
        if constructor is not None and arguments is not None and arguments.start_byte < offset:
            return constructor if syntax.text(constructor) == name.encode("utf-8", "replace") else None
    return None


def is_in_super(nodes: Iterable[Node], offset: int) -> bool:
    """Whether a place is a call of the parent class's constructor."""
    return any(
        node.type == "call_expression" and (function := called(node)) is not None and function.type == "super"
        for node in within_function(nodes, offset)
    )


def _is_told_at(call: Node, offset: int) -> bool:
    function, arguments = called(call), call.child_by_field_name("arguments")
    if function is None:
        return False
    if arguments is not None and any(_is_noted(node) and node.start_byte > offset for node in inside(arguments)):
        return False
    if arguments is not None and arguments.start_byte < offset < arguments.end_byte:
        return True
    member = function.child_by_field_name("property")
    if call.type == "new_expression":
        starts = {call.start_byte, function.start_byte, function.end_byte}
        return offset in (starts if member is None else starts | {member.start_byte})
    if member is not None:
        return offset == member.start_byte
    if function.type == "identifier":
        return offset in (function.start_byte, function.end_byte)
    return function.start_byte <= offset <= function.end_byte


def _is_noted(node: Node) -> bool:
    if node.type == "property_identifier":
        member = node.parent
        call = member.parent if member is not None else None
        return call is not None and call.type in CALLS and called(call) == member
    return node.type in _NAMES


def loop_at(syntax: SyntaxTree, line: int, column: int) -> tuple[int, int] | None:
    """Line and column of the loop that a place of the engine's is in, or of the first after it in its function: a loop
    without a call or a property has no place of its own. None where there is none."""
    offset = syntax.offset(line, column)
    if offset is None:
        return None
    function = syntax.tree.root_node
    for node in around(syntax, offset):
        if node.type in _LOOPS:
            return syntax.place(node)
        if node.type in FUNCTIONS:
            function = node
            break
    waiting = [function]
    for _ in range(NODES):
        if not waiting:
            break
        node = waiting.pop()
        if node.type in _LOOPS and node.start_byte >= offset:
            return syntax.place(node)
        if node.type not in FUNCTIONS or node == function:
            waiting.extend(reversed(named_children(node)))
    return None


def excerpt(syntax: SyntaxTree, node: Node) -> str:
    text = b" ".join(syntax.text(node)[: 4 * _EXCERPT].split()).decode("utf-8", "replace")
    text = _BEFORE_DOT.sub("", text)
    return text if len(text) <= _EXCERPT else f"{text[: _EXCERPT - 3]}..."


def is_of_this(node: Node) -> bool:
    """Whether a chain of properties begins with ``this``, of which the engine notes no place."""
    for _ in range(PARENTS):
        owner = node.child_by_field_name("object")
        if owner is None:
            return node.type == "this"
        node = owner
    return False
