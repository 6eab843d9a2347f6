"""What an ES module exports under its name, of the functions that can be seen to be some."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from tree_sitter import Node

from sidecar.language.syntax_tree import SyntaxTree, children, named_children

_FUNCTIONS: Final = frozenset(["function_declaration", "function_expression", "arrow_function"])
"""No generators: calling one runs nothing."""
_NAMES: Final = frozenset(["identifier", "shorthand_property_identifier_pattern"])
_NO_NAMES: Final = frozenset(["as", "comment"])
_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
"""ASCII, so that no two names of functions look alike, and without an escape; the sandbox takes no other."""
_RESERVED: Final = frozenset(
    """
    arguments await break case catch class const continue debugger default delete do else enum eval export extends false
    finally for function if implements import in instanceof interface let new null package private protected public
    return static super switch this throw true try typeof undefined var void while with yield
    """.split()  # noqa: SIM905 - a list literal is thirty lines
)
"""May be exported and cannot be declared (ECMA-262 12.7.2, and the strict mode of 13.1.1)."""


FUNCTIONS: Final = 1_000
"""So many functions of a text that exports nothing may be called by name: each is looked for at every run."""


class Exported(NamedTuple):
    """A function under the name by which it is called from outside, and under its own."""

    name: str
    local: str


def exported_functions(syntax: SyntaxTree, exports: Iterable[Node]) -> Iterator[Exported]:
    """The functions that these statements export, but for a default, each name once.

    Only what the text itself shows to be a function.
    """
    declared = dict(_declared_at_top(syntax))
    given: set[str] = set()
    for name, local in _exported(syntax, exports):
        if declared.get(local, False) and name not in given and is_entry_name(name):
            given.add(name)
            yield Exported(name, local)


def is_entry_name(name: str) -> bool:
    """Whether a caller may name a function so."""
    return _IDENTIFIER.fullmatch(name) is not None and name not in _RESERVED


def top_level_functions(syntax: SyntaxTree) -> list[str]:
    """The functions that a text declares at its top and that a caller may call where it exports nothing: but for those
    whose names begin with an underscore."""
    declared = (
        node.child_by_field_name("name")
        for node in children(syntax.tree.root_node)
        if node.type == "function_declaration"
    )
    names = [syntax.text(name).decode("utf-8", "replace") for name in declared if name is not None]
    return list(dict.fromkeys(one for one in names if is_entry_name(one) and not one.startswith("_")))[:FUNCTIONS]


def _exported(syntax: SyntaxTree, exports: Iterable[Node]) -> Iterator[Exported]:
    for node in exports:
        declaration = node.child_by_field_name("declaration")
        if node.child_by_field_name("source") is not None or any(child.type == "default" for child in children(node)):
            continue
        if declaration is not None:
            for name, _ in _declared(syntax, declaration):
                yield Exported(name, name)
        for clause in children(node):
            for specifier in named_children(clause) if clause.type == "export_clause" else ():
                names = [syntax.text(child).decode() for child in children(specifier) if child.type not in _NO_NAMES]
                if names:
                    yield Exported(names[-1], names[0])


def _declared_at_top(syntax: SyntaxTree) -> Iterator[tuple[str, bool]]:
    for node in children(syntax.tree.root_node):
        if node.type == "import_statement":
            yield from ((name, False) for name in _names_within(syntax, node))
        elif node.type == "export_statement":
            declaration = node.child_by_field_name("declaration")
            if declaration is not None:
                yield from _declared(syntax, declaration)
        else:
            yield from _declared(syntax, node)


def _declared(syntax: SyntaxTree, node: Node) -> Iterator[tuple[str, bool]]:
    """What a statement declares, and whether that is a function."""
    if node.type in ("lexical_declaration", "variable_declaration"):
        for declarator in named_children(node):
            target, value = declarator.child_by_field_name("name"), declarator.child_by_field_name("value")
            if target is not None:
                is_function = target.type == "identifier" and value is not None and value.type in _FUNCTIONS
                yield from ((name, is_function) for name in _names_within(syntax, target))
    elif node.type.endswith("_declaration"):
        name = node.child_by_field_name("name")
        if name is not None:
            yield syntax.text(name).decode(), node.type in _FUNCTIONS


def _names_within(syntax: SyntaxTree, node: Node) -> Iterator[str]:
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one.type in _NAMES:
            yield syntax.text(one).decode()
        waiting.extend(named_children(one))
