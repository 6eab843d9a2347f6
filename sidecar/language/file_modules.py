"""What one file imports, requires and exports, and how it is written."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, NamedTuple

from tree_sitter import Node

from sandbox.program import Form
from sidecar.kind import MAIN
from sidecar.language.exports import exported_functions, is_entry_name, top_level_functions
from sidecar.language.names import Names, Reference, Use
from sidecar.language.syntax_tree import SyntaxTree, children, named_children, nth_named_child

DEFAULT: Final = "default"
_STATEMENTS: Final = ("import_statement", "export_statement")
_MODULE_WORDS: Final = ("module", "exports")
_FUNCTIONS: Final = frozenset(["function_expression", "arrow_function"])
_WITHIN: Final = frozenset(
    (
        *_FUNCTIONS,
        *("function_declaration", "generator_function", "generator_function_declaration", "method_definition"),
        *("class_body", "field_definition"),
    )
)
"""What is in one of these may be reached later, or never."""
_EXPORTS: Final = frozenset([b"module.exports", b"module.export", b"exports", b"module"])


class How(Enum):
    """How a file names another."""

    IMPORT = auto()
    REQUIRE = auto()
    DYNAMIC = auto()
    """``import()``."""


class Link(NamedTuple):
    """One name in quotes."""

    name: str
    how: How
    node: Node
    wanted: tuple[tuple[str, Node], ...] = ()
    """What is imported by name, or exported again, with where it stands."""
    attributes: Node | None = None
    is_at_top: bool = True
    """Whether it is named outside of every function: it is needed when the file is evaluated."""


class Export(NamedTuple):
    """What a name that an ES module exports is."""

    source: str = ""
    """The name in quotes of what it is taken from; empty for the file's own."""
    name: str = ""
    """Its name there; ``*`` for all of it."""


@dataclass(slots=True)
class FileModules:
    """One file."""

    form: Form
    links: list[Link] = field(default_factory=list)
    exports: dict[str, Export] = field(default_factory=dict)
    """By name; of a file that sets ``module.exports`` those that its text shows."""
    imports: dict[str, Export] = field(default_factory=dict)
    """What is imported, by the name that it has in the file."""
    stars: list[str] = field(default_factory=list)
    """Names in quotes of what it exports all of."""
    functions: list[str] = field(default_factory=list)
    """What of its own a caller may call, by the names that it exports; ``main`` is not among them unless exported."""
    ending: str = ""
    """What is put behind its text, for functions that are to be found and are not exported."""
    opaque: bool = False
    """Whether it exports what its text does not show."""
    is_function: bool = False
    """Whether what it sets ``module.exports`` to is a function."""


def file_modules(syntax: SyntaxTree, names: Names, path: str, was_module: bool) -> FileModules:
    """Look at an App's file. ``was_module``: it had statements of a module that are gone with its types."""
    statements = [
        node for node in children(syntax.tree.root_node) if node.type in ("import_statement", "export_statement")
    ]
    uses_common = any(one.name in _MODULE_WORDS and one.use is not Use.TESTED for one in names.references)
    if statements or was_module or path.endswith(".mjs") or (names.top_awaits and not uses_common):
        found = FileModules(Form.MODULE)
        for node in statements:
            _statement(syntax, node, found)
        _module_functions(syntax, statements, names, found)
    elif uses_common:
        found = FileModules(Form.COMMON)
        for name in _common_names(syntax, names, found):
            if name not in found.exports:
                found.exports[name] = Export()
                if is_entry_name(name) and name != MAIN:
                    found.functions.append(name)
    else:
        found = FileModules(Form.SCRIPT, functions=top_level_functions(syntax))
    found.links += _required(syntax, names)
    found.links += _dynamic(syntax, names)
    return found


# ---- ES modules ----


def _statement(syntax: SyntaxTree, node: Node, found: FileModules) -> None:
    source = node.child_by_field_name("source")
    attributes = next((child for child in children(node) if child.type == "import_attribute"), None)
    name = quoted(syntax, source) if source is not None else ""
    wanted: list[tuple[str, Node]] = []
    if node.type == "export_statement":
        wanted += _export(syntax, node, name, found)
    else:
        wanted += _imported(syntax, node, name, found)
    if source is not None:
        found.links.append(Link(name, How.IMPORT, source, tuple(wanted), attributes))


def _imported(syntax: SyntaxTree, node: Node, source: str, found: FileModules) -> Iterator[tuple[str, Node]]:
    """Note what a statement imports; gives what it asks for by name."""
    clause = next((child for child in children(node) if child.type == "import_clause"), None)
    for part in named_children(clause) if clause is not None else ():
        if part.type == "identifier":
            found.imports[_text(syntax, part)] = Export(source, DEFAULT)
            yield DEFAULT, part
        elif part.type == "namespace_import":
            found.imports[_text(syntax, nth_named_child(part, -1))] = Export(source, "*")
        elif part.type == "named_imports":
            for specifier in named_children(part):
                if specifier.type == "import_specifier":
                    name, local = _specified(syntax, specifier)
                    found.imports[local] = Export(source, name)
                    yield name, specifier


def _export(syntax: SyntaxTree, node: Node, source: str, found: FileModules) -> Iterator[tuple[str, Node]]:
    """Note what a statement exports; gives what it takes from elsewhere for that."""
    if any(child.type == DEFAULT for child in children(node)):
        found.exports[DEFAULT] = Export()
        return
    for child in children(node):
        if child.type == "*":
            found.stars.append(source)
        elif child.type == "namespace_export":
            found.exports[_text(syntax, nth_named_child(child, -1))] = Export(source, "*")
        elif child.type == "export_clause":
            for specifier in named_children(child):
                if specifier.type == "export_specifier":
                    local, exported = _specified(syntax, specifier)
                    found.exports[exported] = Export(source, local) if source else Export("", local)
                    if source:
                        yield local, specifier
    declaration = node.child_by_field_name("declaration")
    if declaration is not None:
        for name in declared_names(syntax, declaration):
            found.exports[name] = Export()


def _specified(syntax: SyntaxTree, specifier: Node) -> tuple[str, str]:
    """The two names of ``a as b``."""
    names = [_text(syntax, child) for child in children(specifier) if child.type not in ("as", "comment")]
    return names[0], names[-1]


def _module_functions(syntax: SyntaxTree, statements: list[Node], names: Names, found: FileModules) -> None:
    exports = [node for node in statements if node.type == "export_statement"]
    given = [one.name for one in exported_functions(syntax, exports)]
    missing: list[str] = []
    if MAIN not in found.exports and names.declares_entry:
        missing.append(MAIN)
    if not exports:
        # Where nothing is exported every function of the text's top may be called.
        missing += [name for name in top_level_functions(syntax) if name != MAIN]
    if missing:
        found.ending = f"\nexport{{{','.join(missing)}}}"
        found.exports |= dict.fromkeys(missing, Export())
        given += missing
    found.functions += [name for name in dict.fromkeys(given) if name != MAIN]


def declared_names(syntax: SyntaxTree, declaration: Node) -> Iterator[str]:
    """The names that a declaration declares."""
    if declaration.type in ("lexical_declaration", "variable_declaration"):
        waiting = [one.child_by_field_name("name") for one in named_children(declaration)]
        while waiting:
            node = waiting.pop()
            if node is None:
                continue
            if node.type in ("identifier", "shorthand_property_identifier_pattern"):
                yield _text(syntax, node)
            elif node.type in ("assignment_pattern", "object_assignment_pattern"):
                waiting.append(node.child_by_field_name("left"))
            elif node.type == "pair_pattern":
                waiting.append(node.child_by_field_name("value"))
            else:
                waiting += named_children(node)
        return
    name = declaration.child_by_field_name("name")
    if name is not None:
        yield _text(syntax, name)


# ---- module.exports and require ----


def _common_names(syntax: SyntaxTree, names: Names, found: FileModules) -> Iterator[str]:
    """The names that a text shows to be set of what it exports."""
    for reference in names.references:
        if reference.name not in _MODULE_WORDS or reference.use is Use.TESTED:
            continue
        target = _whole(syntax, reference)
        parent = target.parent
        if parent is None:
            continue
        if parent.type == "member_expression" and parent.child_by_field_name("object") == target:
            member = parent.child_by_field_name("property")
            if member is not None and _is_assigned(parent):
                yield _text(syntax, member)
        elif _is_assigned(target):
            value = parent.child_by_field_name("right")
            if value is not None and value.type == "object":
                yield from _keys(syntax, value, found)
            elif value is not None and value.type in _FUNCTIONS:
                found.is_function = True
            elif value is not None and value.type not in ("assignment_expression", "class"):
                found.opaque = True
        elif parent.type == "arguments":
            found.opaque = True


def _whole(syntax: SyntaxTree, reference: Reference) -> Node:
    """``module.exports``, or ``exports``, where its name stands."""
    if reference.name == "module" and syntax.text(reference.parent) in _EXPORTS:
        return reference.parent
    return reference.node


def _is_assigned(target: Node) -> bool:
    parent = target.parent
    return (
        parent is not None and parent.type == "assignment_expression" and parent.child_by_field_name("left") == target
    )


def _keys(syntax: SyntaxTree, value: Node, found: FileModules) -> Iterator[str]:
    for child in named_children(value):
        key = child.child_by_field_name("key") or child.child_by_field_name("name")
        if child.type == "shorthand_property_identifier":
            yield _text(syntax, child)
        elif key is not None and key.type == "property_identifier":
            yield _text(syntax, key)
        elif key is not None and key.type == "string":
            yield quoted(syntax, key)
        elif child.type == "spread_element":
            found.opaque = True


def _required(syntax: SyntaxTree, names: Names) -> Iterator[Link]:
    for reference in names.references:
        if reference.name == "require" and reference.use is Use.CALLED:
            argument = only_text(reference.parent)
            if argument is not None:
                yield Link(quoted(syntax, argument), How.REQUIRE, argument, is_at_top=_is_at_top(argument))


def _dynamic(syntax: SyntaxTree, names: Names) -> Iterator[Link]:
    for node in names.module_forms:
        if node.type == "import" and node.parent is not None:
            argument = only_text(node.parent, most=2)
            if argument is not None:
                yield Link(quoted(syntax, argument), How.DYNAMIC, argument, is_at_top=_is_at_top(argument))


def _is_at_top(node: Node) -> bool:
    outer = node.parent
    while outer is not None:
        if outer.type in _WITHIN:
            return False
        outer = outer.parent
    return True


def only_text(call: Node, most: int = 1) -> Node | None:
    """The text in quotes that a call is given, where that is all; ``import()`` may have options besides."""
    arguments = call.child_by_field_name("arguments")
    given = [one for one in named_children(arguments) if one.type != "comment"] if arguments is not None else []
    return given[0] if 1 <= len(given) <= most and given[0].type == "string" else None


def quoted(syntax: SyntaxTree, node: Node) -> str:
    """What is in quotes."""
    return syntax.text(node)[1:-1].decode("utf-8", "replace")


def _text(syntax: SyntaxTree, node: Node) -> str:
    if node.type == "string":
        return quoted(syntax, node)
    return syntax.text(node).decode("utf-8", "replace")
