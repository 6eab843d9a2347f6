"""What a script goes through or takes apart that is no list, or nothing at all: the engine names neither."""

from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from sidecar.language.engine_places import FUNCTIONS, NODES, PARENTS, Place, excerpt, is_of_this
from sidecar.language.syntax_tree import SyntaxTree, named_children, nth_named_child

_PATTERNS: Final = frozenset(["object_pattern", "array_pattern"])
_CHAINS: Final = frozenset(["identifier", "member_expression", "subscript_expression", "call_expression", "this"])


def iterated(place: Place, nothing: str) -> tuple[Node, str] | None:
    for node in place.within():
        value, pattern = _gone_through(node)
        if value is not None and value.start_byte <= place.offset <= value.end_byte:
            return _not_a_list(place, value, pattern, nothing)
    found = destructured(place, "array_pattern", nothing)
    if found is not None:
        return found
    for node in place.after():
        value, pattern = _gone_through(node)
        if value is not None and (value.type == "this" or is_of_this(value)):
            return _not_a_list(place, value, pattern, nothing)
    return None


def _gone_through(node: Node) -> tuple[Node | None, Node | None]:
    """The list that a statement or an expression goes through, and the pattern that takes each element apart."""
    if node.type == "for_in_statement":
        left = node.child_by_field_name("left")
        return node.child_by_field_name("right"), left if left is not None and left.type in _PATTERNS else None
    if node.type in ("spread_element", "yield_expression") and node.named_child_count:
        return nth_named_child(node, 0), None
    return None, None


def _not_a_list(place: Place, value: Node, pattern: Node | None, nothing: str) -> tuple[Node, str]:
    list_name = place.excerpt(value)
    if pattern is not None and next(_levels(place.syntax, pattern, "array_pattern"), None) is not None:
        apart = f"{list_name}, an element of it, or a part of one"
        return pattern, f"cannot take {place.excerpt(pattern)} out of the elements of {list_name}: {apart} is {nothing}"
    return value, f"{list_name} is {nothing}, and a list is needed"


def destructured(
    place: Place, kind: str = "object_pattern", nothing: str = "undefined or null"
) -> tuple[Node, str] | None:
    """The first pattern that takes something apart after the place, in the same function."""
    for function in place.functions:
        found = _taken_apart_in(function, place.syntax, place.offset, kind, nothing)
        if found is not None:
            return found
    return None


def _taken_apart_in(
    function: Node, syntax: SyntaxTree, offset: int, kind: str, nothing: str
) -> tuple[Node, str] | None:
    parameters: list[Node] = []
    for pattern, value in _patterns(function):
        is_looped = pattern.parent is not None and pattern.parent.type == "for_in_statement"
        if is_looped and value is not None and value.start_byte <= offset <= value.end_byte:
            return pattern, _taken_apart(syntax, pattern, excerpt(syntax, value), kind, nothing, is_element=True)
        # Each notes its own place after it has taken apart, so that the place told is before the pattern's.
        is_assigned = pattern.parent is not None and pattern.parent.type == "assignment_expression"
        if pattern.start_byte < offset + (not is_assigned) or next(_levels(syntax, pattern, kind), None) is None:
            continue
        if value is None:
            parameters.append(pattern)
            continue
        if parameters:
            break
        return pattern, _taken_apart(
            syntax, pattern, excerpt(syntax, value), kind, nothing, joins=value.type in _CHAINS
        )
    if not parameters:
        return None
    if len(parameters) > 1:
        patterns = " or ".join(excerpt(syntax, one) for one in parameters)
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
    wrong = " or ".join(_levels(syntax, pattern, kind, source, source if joins else f"({source})"))
    return f"cannot take {excerpt(syntax, pattern)} out of {source}: {wrong} is {nothing}"


def _patterns(function: Node) -> Iterator[tuple[Node, Node | None]]:
    """Each pattern of a function in the order of the text and what it takes apart, None for an argument."""
    waiting = [function]
    for _ in range(NODES):
        if not waiting:
            return
        node = waiting.pop()
        if node.type in FUNCTIONS and node != function:
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
            yield from ((one, None) for one in named_children(node) if one.type in _PATTERNS)
        waiting.extend(reversed(named_children(node)))


def _levels(syntax: SyntaxTree, pattern: Node, kind: str, source: str = "", joined: str = "") -> Iterator[str]:
    """What each part of a value is called that a pattern takes apart by a pattern of this kind; ``joined`` is how the
    value is called before a dot."""
    waiting = [(pattern, source, joined)]
    for _ in range(PARENTS):
        if not waiting:
            return
        node, name, before = waiting.pop()
        if node.type == kind:
            yield name
        for child in reversed(named_children(node)):
            key, value = child.child_by_field_name("key"), child.child_by_field_name("value")
            if node.type == "array_pattern":
                value = child
            if value is not None and value.type == "assignment_pattern":
                value = value.child_by_field_name("left")
            if value is None or value.type not in _PATTERNS:
                continue
            if key is None or node.type == "array_pattern":
                element = f"an element of {name}"
                waiting.append((value, element, f"({element})"))
            else:
                part = f"{before}.{excerpt(syntax, key)}"
                waiting.append((value, part, part))
