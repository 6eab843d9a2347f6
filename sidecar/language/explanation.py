"""What the engine's errors leave out: which expression was undefined, or is no function, and where.

The engine names the property and not what it was asked of, and tells of a destructuring at the last place that it noted
before: it notes places of calls, of names of the surroundings and of properties, and of nothing else (measured:
quickjs-ng 0.17). The script's text says the rest.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from tree_sitter import Node

from sidecar.language.syntax_tree import SyntaxTree, walk

_PROPERTY: Final = re.compile(r"cannot (?:read|set) property '(.*)' of (undefined|null)", re.DOTALL)
_DESTRUCTURED: Final = "Cannot convert undefined or null to object"
_NO_FUNCTION: Final = frozenset(["not a function", "not a constructor"])
_ITERATED: Final = "Symbol.iterator"

_CALLS: Final = frozenset(["call_expression", "new_expression"])
_FUNCTIONS: Final = frozenset(
    [
        "function_declaration",
        "function_expression",
        "generator_function",
        "generator_function_declaration",
        "arrow_function",
        "method_definition",
    ]
)
_CHAINS: Final = frozenset(["identifier", "member_expression", "subscript_expression", "call_expression", "this"])
_LOOPS: Final = frozenset(["for_statement", "for_in_statement", "while_statement", "do_statement"])
_PATTERNS: Final = frozenset(["object_pattern", "array_pattern"])
_EXCERPT: Final = 80
"""Characters of an expression that are shown."""
_NODES: Final = 20_000
"""Nodes of one function that are looked through for a pattern: 1,000 lines have some 10,000."""
_PARENTS: Final = 200
"""Nodes around a place that are looked at: an expression nested deeper was not written by a person."""


class Explanation(msgspec.Struct, frozen=True):
    """The engine's message made whole, and the place that it is about, counting from 1, columns in characters."""

    message: str
    line: int
    column: int


def explained(syntax: SyntaxTree, message: str, line: int, column: int, builtin: str = "") -> Explanation | None:
    """What the text says of an error that the engine threw; None where it says no more than the engine.

    ``line`` and ``column`` are the engine's, which count from 1, columns in bytes. ``builtin`` is the function of the
    language's own in which it was thrown, empty for the script's own text. Looks at a
    bounded number of nodes, whatever the text and the place are.
    """
    offset = syntax.offset(line, column)
    if offset is None:
        return None
    around = list(_around(syntax, offset))
    property_error = _PROPERTY.fullmatch(message)
    found: tuple[Node, str] | None = None
    if builtin:
        found = _in_builtin(syntax, around, message, builtin)
    elif message in _NO_FUNCTION:
        found = _no_function(syntax, around, offset, message)
    elif message == _DESTRUCTURED:
        found = _destructured(syntax, around, offset)
    elif property_error is not None:
        name, nothing = property_error.groups()
        if name == _ITERATED:
            found = _iterated(syntax, around, offset, nothing)
        if found is None:
            found = _property(syntax, around, message, name, nothing)
    if found is not None:
        node, words = found
        return Explanation(words, *syntax.place(node))
    in_characters = syntax.place_of_byte(offset)
    return None if in_characters == (line, column) else Explanation(message, *in_characters)


def place_of_subject(syntax: SyntaxTree, subject: str) -> tuple[int, int] | None:
    """Line and column of the first text in quotes that is this, or else of what is assigned to a property so called:
    where a script most likely set what turned out to be wrong.

    Raises CheckTimeoutError at the tree's deadline.
    """
    wanted = subject.encode("utf-8", "replace")
    assigned: Node | None = None
    for number, (_, node) in enumerate(walk(syntax, syntax.tree.walk())):
        if number == _NODES:
            break
        if node.type == "string" and syntax.text(node)[1:-1] == wanted:
            return syntax.place(node)
        if assigned is None and node.type == "assignment_expression":
            target = node.child_by_field_name("left")
            member = target.child_by_field_name("property") if target is not None else None
            if member is not None and syntax.text(member) == wanted:
                assigned = node
    return None if assigned is None else syntax.place(assigned)


def loop_at(syntax: SyntaxTree, line: int, column: int) -> tuple[int, int] | None:
    """Line and column of the loop that a place of the engine's is in, or of the first after it in its function: a loop
    without a call or a property has no place of its own. None where there is none."""
    offset = syntax.offset(line, column)
    if offset is None:
        return None
    function = syntax.tree.root_node
    for node in _around(syntax, offset):
        if node.type in _LOOPS:
            return syntax.place(node)
        if node.type in _FUNCTIONS:
            function = node
            break
    waiting = [function]
    for _ in range(_NODES):
        if not waiting:
            break
        node = waiting.pop()
        if node.type in _LOOPS and node.start_byte >= offset:
            return syntax.place(node)
        if node.type not in _FUNCTIONS or node == function:
            waiting.extend(reversed(node.named_children))
    return None


def _around(syntax: SyntaxTree, offset: int) -> Iterator[Node]:
    """The nodes that a byte stands in, innermost first."""
    node = syntax.tree.root_node.descendant_for_byte_range(offset, offset + 1)
    for _ in range(_PARENTS):
        if node is None:
            return
        yield node
        node = node.parent


def _property(
    syntax: SyntaxTree, around: Iterable[Node], message: str, name: str, nothing: str
) -> tuple[Node, str] | None:
    """The one expression around the place whose property has this name, and what it was asked of."""
    exact: list[Node] = []
    computed: list[Node] = []
    for node in around:
        if node.type in _FUNCTIONS:
            break
        if node.type == "member_expression":
            key = node.child_by_field_name("property")
            if key is not None and syntax.text(key) == name.encode("utf-8", "replace"):
                exact.append(node)
        elif node.type == "subscript_expression":
            key = node.child_by_field_name("index")
            if key is None:
                continue
            if key.type in ("string", "number"):
                if syntax.text(key).strip(b"'\"") == name.encode("utf-8", "replace"):
                    exact.append(node)
            else:
                computed.append(node)
    candidates = exact or computed
    if len(candidates) != 1:
        return None
    owner = candidates[0].child_by_field_name("object")
    return None if owner is None else (owner, f"{message}: {_excerpt(syntax, owner)} is {nothing}")


def _no_function(syntax: SyntaxTree, around: Iterable[Node], offset: int, message: str) -> tuple[Node, str] | None:
    call = _call(around, offset)
    if call is None:
        return None
    called = _called(call)
    if called is None:
        return None
    what = "not a constructor" if call.type == "new_expression" else message
    return called, f"{_excerpt(syntax, called)} is {what}"


def _in_builtin(syntax: SyntaxTree, around: list[Node], message: str, builtin: str) -> tuple[Node, str] | None:
    """What a function of the language threw, with the call that the script wrote."""
    for node in around:
        if node.type not in _CALLS:
            continue
        called = _called(node)
        name = _last_name(syntax, called) if called is not None else None
        if called is not None and name == builtin:
            given = "an argument is not a function" if message == "not a function" else message
            return called, f"{_excerpt(syntax, called)}: {given}"
    return None


def _call(around: Iterable[Node], offset: int) -> Node | None:
    """The call whose function's name stands at the place."""
    for node in around:
        if node.type in _FUNCTIONS:
            return None
        if node.type in _CALLS:
            called = _called(node)
            if called is None:
                continue
            member = called.child_by_field_name("property")
            starts = {node.start_byte, called.start_byte, called.end_byte}
            if member is not None:
                starts = {member.start_byte}
            if node.type == "new_expression":
                starts |= {node.start_byte, called.start_byte, called.end_byte}
            if offset in starts:
                return node
    return None


def _called(call: Node) -> Node | None:
    return call.child_by_field_name("function" if call.type == "call_expression" else "constructor")


def _last_name(syntax: SyntaxTree, called: Node) -> str:
    member = called.child_by_field_name("property")
    return syntax.text(member if member is not None else called)[:100].decode("utf-8", "replace")


def _iterated(syntax: SyntaxTree, around: Iterable[Node], offset: int, nothing: str) -> tuple[Node, str] | None:
    for node in around:
        if node.type in _FUNCTIONS:
            break
        value: Node | None = None
        if node.type == "for_in_statement":
            value = node.child_by_field_name("right")
        elif node.type == "spread_element" and node.named_children:
            value = node.named_children[0]
        if value is not None and value.start_byte <= offset <= value.end_byte:
            return value, f"{_excerpt(syntax, value)} is {nothing}, and a list is needed"
    return _destructured(syntax, around, offset, "array_pattern", nothing)


def _destructured(
    syntax: SyntaxTree,
    around: Iterable[Node],
    offset: int,
    kind: str = "object_pattern",
    nothing: str = "undefined or null",
) -> tuple[Node, str] | None:
    """The first pattern that takes something apart after the place, in the same function."""
    function = next((node for node in around if node.type in _FUNCTIONS), syntax.tree.root_node)
    parameters: list[Node] = []
    for pattern, value in _patterns(function):
        is_looped = pattern.parent is not None and pattern.parent.type == "for_in_statement"
        if is_looped and value is not None and value.start_byte <= offset <= value.end_byte:
            return pattern, _taken_apart(syntax, pattern, _excerpt(syntax, value), kind, nothing, is_element=True)
        # Each notes its own place after it has taken apart, so that the place told is before the pattern's.
        if pattern.start_byte <= offset or next(_levels(syntax, pattern, kind), None) is None:
            continue
        if value is None:
            parameters.append(pattern)
            continue
        if parameters:
            break
        return pattern, _taken_apart(
            syntax, pattern, _excerpt(syntax, value), kind, nothing, joins=value.type in _CHAINS
        )
    if not parameters:
        return None
    if len(parameters) > 1:
        patterns = " or ".join(_excerpt(syntax, one) for one in parameters)
        return parameters[0], f"cannot take {patterns} out of an argument that is {nothing}"
    return parameters[0], _taken_apart(syntax, parameters[0], "the argument", kind, nothing)


def _taken_apart(
    syntax: SyntaxTree,
    pattern: Node,
    source: str,
    kind: str,
    nothing: str,
    *,
    joins: bool = True,
    is_element: bool = False,
) -> str:
    source = f"an element of {source}" if is_element else source
    whole = source if joins else f"({source})"
    paths = (".".join(path) for path in _levels(syntax, pattern, kind))
    wrong = " or ".join(f"{whole}.{path}" if path else source for path in paths)
    return f"cannot take {_excerpt(syntax, pattern)} out of {source}: {wrong} is {nothing}"


def _patterns(function: Node) -> Iterator[tuple[Node, Node | None]]:
    """Each pattern of a function in the order of the text and what it takes apart, None for an argument."""
    waiting = [function]
    for _ in range(_NODES):
        if not waiting:
            return
        node = waiting.pop()
        if node.type in _FUNCTIONS and node != function:
            continue
        target: Node | None = None
        value: Node | None = None
        if node.type == "variable_declarator":
            target, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        elif node.type in ("assignment_expression", "for_in_statement"):
            target, value = node.child_by_field_name("left"), node.child_by_field_name("right")
        if value is not None and target is not None and target.type in _PATTERNS:
            yield target, value
        if node.type == "formal_parameters":
            yield from ((one, None) for one in node.named_children if one.type in _PATTERNS)
        waiting.extend(reversed(node.named_children))


def _levels(syntax: SyntaxTree, pattern: Node, kind: str) -> Iterator[tuple[str, ...]]:
    """The names that lead to each part of a value that a pattern takes apart by a pattern of this kind."""
    waiting: list[tuple[Node, tuple[str, ...]]] = [(pattern, ())]
    for _ in range(_PARENTS):
        if not waiting:
            return
        node, path = waiting.pop()
        if node.type == kind:
            yield path
        for child in reversed(node.named_children):
            key, value = child.child_by_field_name("key"), child.child_by_field_name("value")
            if value is not None and value.type == "assignment_pattern":
                value = value.child_by_field_name("left")
            if key is not None and value is not None and value.type in _PATTERNS:
                waiting.append((value, (*path, _excerpt(syntax, key))))


def _excerpt(syntax: SyntaxTree, node: Node) -> str:
    text = b" ".join(syntax.text(node)[: 4 * _EXCERPT].split()).decode("utf-8", "replace")
    return text if len(text) <= _EXCERPT else f"{text[: _EXCERPT - 3]}..."
