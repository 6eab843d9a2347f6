"""JavaScript's scopes: one walk over a tree that knows in which of them each name is declared.

A ``var`` belongs to the whole function around it, however deep in blocks it stands, and a declaration may stand below
its use: what a name means is known once the walk is over.
"""

from collections import defaultdict
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final, NamedTuple

from tree_sitter import Node

from sidecar.language.syntax_tree import NODES_BETWEEN_LOOKS, SyntaxTree, walk

FUNCTIONS: Final = frozenset(
    [
        "function_declaration",
        "function_expression",
        "generator_function",
        "generator_function_declaration",
        "arrow_function",
        "method_definition",
        "class_static_block",
    ]
)
_BLOCKS: Final = frozenset(
    ["statement_block", "for_statement", "for_in_statement", "catch_clause", "switch_body", "class", "program"]
)
_WORDS: Final = frozenset(["async", "await"])
_NAMES: Final = frozenset(["identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern"])
_FUNCTION_DECLARATIONS: Final = frozenset(["function_declaration", "generator_function_declaration"])
_CLASSES: Final = frozenset(["class", "class_declaration"])
_PATTERNS: Final = frozenset(["object_pattern", "array_pattern", "rest_pattern"])
_PATTERN_FIELDS: Final = {"pair_pattern": "value", "assignment_pattern": "left", "object_assignment_pattern": "left"}
IMPORT_NAMES: Final = frozenset(["import_clause", "namespace_import", "import_specifier", "named_imports"])


class _Binding(Enum):
    """Whose a name is that stands in a pattern."""

    NONE = auto()
    BLOCK = auto()
    FUNCTION = auto()


class _Here(Enum):
    """In place of a scope in its own bindings: none refers to itself, so that all are freed with their walk, and not by
    the collector."""

    HERE = auto()


class Scope:
    """A function, a block or the program."""

    __slots__ = ("_function", "bindings", "is_async", "parent")

    def __init__(self, parent: "Scope | None", *, is_function: bool) -> None:
        self.parent = parent
        self._function = None if is_function or parent is None else parent.function
        self.is_async = False
        self.bindings: dict[bytes, Scope | _Here | None] = {}
        """The names that are declared here; and those that only stand here, each with the scope around this one that
        declares it once the walk is over, None where none does. `declaring` reads it."""

    @property
    def function(self) -> "Scope":
        """The function, or the program, that this is a part of; itself where it is one."""
        return self._function or self

    @property
    def is_program(self) -> bool:
        """Whether this is the outermost of all."""
        return self.parent is None

    def declares(self, name: bytes) -> bool:
        """Whether a name is declared here and not around here."""
        return self.bindings.get(name) is _Here.HERE

    def declaring(self, name: bytes) -> "Scope | None":
        """The scope that declares a name that stands here, this one or one around it; None where none does."""
        found = self.bindings.get(name)
        return self if isinstance(found, _Here) else found


class Frame(NamedTuple):
    """One node on the way from the root to the current one, and the scope of what is in it."""

    node: Node
    type: str
    binding: _Binding
    """What a name in pattern position directly below declares."""
    scope: Scope


class Visit(NamedTuple):
    """One node of the walk. Its parents have been visited before it."""

    node: Node
    type: str
    field: str | None
    """What it is to its parent, by the grammar."""
    parent: Frame
    scope: Scope
    """What is in the node stands in this one: the parent's, unless the node begins one."""
    name: bytes | None = None
    """The name that the node is, if it is one that is kept."""
    is_declaration: bool = False
    """Whether this is where the name is declared."""


class ScopeWalk:
    """Iterate over it once, to the end; then every scope's bindings are complete."""

    __slots__ = ("_kept", "_longest", "_scopes", "_syntax", "program")

    def __init__(self, syntax: SyntaxTree, kept: frozenset[bytes] | None = None) -> None:
        """``kept`` are the only names of interest; all are where it is None."""
        self._syntax = syntax
        self._kept = kept
        self._longest = max(map(len, kept)) if kept else len(syntax.source)
        self.program = Scope(None, is_function=True)
        self._scopes = [self.program]
        """All of them, in the order in which they begin."""

    def __iter__(self) -> Iterator[Visit]:
        """Every named node but the root, and the words ``async`` and ``await``.

        Raises CheckTimeoutError at the tree's deadline.
        """
        cursor = self._syntax.tree.walk()
        root = self._syntax.tree.root_node
        frames = [Frame(root, root.type, _Binding.NONE, self.program)]
        for depth, node in walk(self._syntax, cursor):
            if depth == 0:
                continue
            del frames[depth:]
            parent = frames[-1]
            kind = node.type
            if not node.is_named:
                if kind == "async" and parent.type in FUNCTIONS:
                    parent.scope.is_async = True
                if kind in _WORDS:
                    yield Visit(node, kind, None, parent, parent.scope)
                continue
            field = cursor.field_name
            binding = _binding(field, parent)
            if kind in _NAMES:
                yield self._name(node, kind, field, parent, binding)
                continue
            scope = parent.scope
            if node.child_count:
                if kind in FUNCTIONS or kind in _BLOCKS:
                    scope = Scope(scope, is_function=kind in FUNCTIONS)
                    self._scopes.append(scope)
                frames.append(Frame(node, kind, binding, scope))
            yield Visit(node, kind, field, parent, scope)
        self._resolve()

    def _name(self, node: Node, kind: str, field: str | None, parent: Frame, binding: _Binding) -> Visit:
        scope = parent.scope
        if node.end_byte - node.start_byte > self._longest or _is_anothers(field, parent):
            return Visit(node, kind, field, parent, scope)
        name = self._syntax.text(node)
        if self._kept is not None and name not in self._kept:
            return Visit(node, kind, field, parent, scope)
        declaring: tuple[Scope, ...] = ()
        if binding is not _Binding.NONE:
            declaring = (scope.function if binding is _Binding.FUNCTION else scope,)
        elif field == "name" and parent.type in _FUNCTION_DECLARATIONS and scope.parent is not None:
            # Outside strict mode a function in a block is the enclosing function's as well (ECMA-262 B.3.2).
            declaring = (scope.parent, scope.parent.function)
        elif field == "name" and (parent.type in FUNCTIONS or parent.type in _CLASSES):
            declaring = (scope,)
        for one in declaring:
            one.bindings[name] = _Here.HERE
        scope.bindings.setdefault(name)
        return Visit(node, kind, field, parent, scope, name, bool(declaring))

    def _resolve(self) -> None:
        """Say of each name that only stands in a scope which one declares it.

        All at once, in the order of the text: to climb from each name to its own would take a text of 50,000 blocks
        within each other that many steps a name.
        """
        declaring: defaultdict[bytes, list[Scope]] = defaultdict(list)
        around: list[Scope] = []
        for number, scope in enumerate(self._scopes):
            if not number % NODES_BETWEEN_LOOKS:
                self._syntax.check_deadline()
            while around and around[-1] is not scope.parent:
                left = around.pop()
                for name, holder in left.bindings.items():
                    if holder is _Here.HERE:
                        declaring[name].pop()
            around.append(scope)
            for name, holder in scope.bindings.items():
                if holder is _Here.HERE:
                    declaring[name].append(scope)
                elif known := declaring.get(name):
                    scope.bindings[name] = known[-1]


def _is_anothers(field: str | None, parent: Frame) -> bool:
    """Whether a name is one of the file that is imported: ``a`` of ``import { a as b }``."""
    return (
        parent.type == "import_specifier" and field == "name" and parent.node.child_by_field_name("alias") is not None
    )


def _binding(field: str | None, parent: Frame) -> _Binding:
    """What a name in this place declares."""
    kind = parent.type
    if kind in _PATTERNS:
        return parent.binding
    if kind in _PATTERN_FIELDS:
        return parent.binding if field == _PATTERN_FIELDS[kind] else _Binding.NONE
    match kind, field:
        case ("formal_parameters", _) | ("arrow_function", "parameter") | ("variable_declaration", _):
            return _Binding.FUNCTION
        case ("lexical_declaration", _) | ("catch_clause", "parameter"):
            return _Binding.BLOCK
        case "variable_declarator", "name":
            return parent.binding
        case "for_in_statement", "left":
            word = parent.node.child_by_field_name("kind")
            if word is None:
                return _Binding.NONE
            return _Binding.FUNCTION if word.type == "var" else _Binding.BLOCK
        case _:
            return _Binding.BLOCK if kind in IMPORT_NAMES else _Binding.NONE
