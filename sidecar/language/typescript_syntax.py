"""What a node of tree-sitter's TypeScript imports, exports or declares."""

from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from sidecar.language.syntax_tree import SyntaxTree, children, named_children, nth_child, nth_named_child

NAMESPACES: Final = frozenset(["internal_module", "module"])
_ONLY_TYPES: Final = frozenset(["interface_declaration", "type_alias_declaration", "ambient_declaration", "comment"])


def specifiers(node: Node, kind: str) -> Iterator[Node]:
    """The specifiers of an import or export statement; ``kind`` is how tree-sitter calls one."""
    for child in children(node):
        if child.type in ("import_clause", "named_imports", "export_clause"):
            yield from specifiers(child, kind)
        elif child.type == kind:
            yield child


def imported(clause: Node) -> Iterator[tuple[Node, Node]]:
    """What a clause imports by name, and the name that it has here; without what is marked as a type."""
    for child in named_children(clause):
        if child.type == "identifier":
            yield child, child
        elif child.type == "namespace_import":
            yield child, nth_named_child(child, -1)
        else:
            for specifier in specifiers(child, "import_specifier"):
                if nth_child(specifier, 0).type != "type":
                    yield specifier, nth_named_child(specifier, -1)


def is_of_types(namespace: Node) -> bool:
    """Whether there is nothing in a namespace that would leave code behind."""
    body = namespace.child_by_field_name("body")
    for statement in named_children(body) if body is not None else ():
        declared = statement.child_by_field_name("declaration") if statement.type == "export_statement" else statement
        if declared is None or not (
            declared.type in _ONLY_TYPES or (declared.type in NAMESPACES and is_of_types(declared))
        ):
            return False
    return True


def names_of(syntax: SyntaxTree, declaration: Node) -> set[bytes]:
    """The names that a declaration of types declares."""
    if declaration.type == "ambient_declaration":
        return {name for child in named_children(declaration) for name in names_of(syntax, child)}
    name = declaration.child_by_field_name("name")
    if name is not None:
        return {syntax.text(name)}
    declarators = [child.child_by_field_name("name") for child in named_children(declaration)]
    return {syntax.text(one) for one in declarators if one is not None}


def begin_of_type_arguments(source: bytes, comparison: Node, end: int) -> int | None:
    """The place of the ``<`` that the brackets before ``end`` close, where it is an operator of the same expression.

    What tree-sitter takes for comparisons with a template may be its type arguments.
    """
    outer = comparison
    while outer.parent is not None and outer.parent.type == "binary_expression":
        outer = outer.parent
    depth = 0
    for place in range(end - 1, outer.start_byte - 1, -1):
        byte = source[place : place + 1]
        if byte == b">" and source[place - 1 : place] != b"=":
            depth += 1
        elif byte == b"<":
            depth -= 1
            if depth == 0:
                found = outer.descendant_for_byte_range(place, place + 1)
                return place if found is not None and found.type == "<" else None
    return None
