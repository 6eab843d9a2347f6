"""Which names of the surroundings a script uses: one walk that knows what the script has declared itself.

A local function called ``require``, a parameter called ``Promise`` or a property ``.then`` are the script's own and
must not be complained of, so names are resolved by JavaScript's scopes. Of all names only those of interest are kept.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from tree_sitter import Node

from sidecar.language.syntax import BROKEN_TEXT, is_broken_text
from sidecar.language.syntax_tree import NODES_BETWEEN_LOOKS, SyntaxTree, walk

WATCHED = frozenset(
    b"main vars exit err require module exports Promise setTimeout setInterval setImmediate queueMicrotask".split()
)
_LONGEST = max(map(len, WATCHED))

_FUNCTIONS = frozenset(
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
_BLOCKS = frozenset(
    ["statement_block", "for_statement", "for_in_statement", "catch_clause", "switch_body", "class", "program"]
)
_DECLARATIONS_BY_NAME = frozenset(["function_declaration", "generator_function_declaration", "class_declaration"])
_PATTERNS = frozenset(["object_pattern", "array_pattern", "rest_pattern"])
_PATTERN_FIELDS = {"pair_pattern": "value", "assignment_pattern": "left", "object_assignment_pattern": "left"}
_IMPORT_NAMES = frozenset(["import_clause", "namespace_import", "import_specifier", "named_imports"])


class Use(Enum):
    """What is done with a name."""

    READ = auto()
    CALLED = auto()
    ASSIGNED = auto()
    TESTED = auto()
    """``typeof name`` or ``x instanceof name``: the script minds whether it is there."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One use of a watched name that the script did not declare."""

    name: str
    use: Use
    node: Node
    parent: Node


@dataclass(slots=True)
class Names:
    """What the walk found."""

    references: list[Reference] = field(default_factory=list)
    declares_main: bool = False
    main_generators: list[Node] = field(default_factory=list)
    async_functions: list[Node] = field(default_factory=list)
    """The word ``async`` of each."""
    stray_awaits: list[Node] = field(default_factory=list)
    """``await`` within a function that is not async."""
    top_awaits: list[Node] = field(default_factory=list)
    """``await`` outside every function."""
    module_forms: list[Node] = field(default_factory=list)
    """import and export statements, import(), import.meta."""
    foreign: list[tuple[Node, str]] = field(default_factory=list)
    """What tree-sitter takes for JavaScript and the engine does not, each in words."""


class _Binding(Enum):
    NONE = auto()
    BLOCK = auto()
    FUNCTION = auto()


class _Scope:
    __slots__ = ("is_function", "names", "parent", "undeclared")

    def __init__(self, parent: "_Scope | None", *, is_function: bool) -> None:
        self.parent = parent
        self.is_function = is_function
        self.names: set[bytes] = set()
        """Watched names that are declared here, or around here once that has been found out."""
        self.undeclared: set[bytes] = set()
        """Watched names that are known to be declared neither here nor around here."""

    def declare(self, name: bytes, binding: _Binding) -> None:
        scope = self
        while binding is _Binding.FUNCTION and not scope.is_function and scope.parent is not None:
            scope = scope.parent
        scope.names.add(name)


class _Function:
    __slots__ = ("is_async",)

    def __init__(self) -> None:
        self.is_async = False


class _Frame:
    """One node on the way from the root to the current one."""

    __slots__ = ("binding", "function", "node", "scope", "type")

    def __init__(
        self, node: Node, node_type: str, binding: _Binding, scope: _Scope, function: _Function | None
    ) -> None:
        self.node = node
        self.type = node_type
        self.binding = binding
        """What a name in pattern position directly below declares."""
        self.scope = scope
        self.function = function


def find_names(syntax: SyntaxTree) -> Names:
    """Walks a tree without syntax errors. Raises CheckTimeoutError at the tree's deadline."""
    return _Walk(syntax).run()


class _Walk:
    __slots__ = ("_found", "_pending", "_syntax")

    def __init__(self, syntax: SyntaxTree) -> None:
        self._syntax = syntax
        self._found = Names()
        self._pending: list[tuple[bytes, Use, Node, Node, _Scope]] = []
        """References; resolved at the end, since a declaration may stand below its use."""

    def run(self) -> Names:
        cursor = self._syntax.tree.walk()
        root = self._syntax.tree.root_node
        program = _Scope(None, is_function=True)
        frames = [_Frame(root, root.type, _Binding.NONE, program, None)]
        for depth, node in walk(self._syntax, cursor):
            if depth == 0:
                continue
            del frames[depth:]
            frame = self._visit(node, cursor.field_name, frames[-1])
            if frame is not None:
                frames.append(frame)
        self._resolve(program)
        return self._found

    def _resolve(self, program: _Scope) -> None:
        found = self._found
        found.declares_main = found.declares_main or b"main" in program.names
        for number, (name, use, node, parent, used_in) in enumerate(self._pending):
            if not number % NODES_BETWEEN_LOOKS:
                self._syntax.check_deadline()
            if not _is_declared(name, used_in):
                found.references.append(Reference(name.decode(), use, node, parent))

    def _visit(self, node: Node, field_name: str | None, parent: _Frame) -> _Frame | None:
        """Notes what the node says; a frame for its children, None where it has none of interest."""
        kind = node.type
        if not node.is_named:
            self._word(node, kind, parent)
            return None
        binding = _binding(field_name, parent)
        if kind in ("identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern"):
            self._name(node, field_name, parent, binding)
            return None
        self._form(node, kind, parent)
        if not node.child_count:
            return None
        scope, function = parent.scope, parent.function
        if kind in _FUNCTIONS:
            scope, function = _Scope(scope, is_function=True), _Function()
        elif kind in _BLOCKS:
            scope = _Scope(scope, is_function=False)
        return _Frame(node, kind, binding, scope, function)

    def _word(self, node: Node, kind: str, parent: _Frame) -> None:
        if kind == "async" and parent.type in _FUNCTIONS and parent.function is not None:
            parent.function.is_async = True
            self._found.async_functions.append(node)
        elif kind == "await" and parent.type in ("await_expression", "for_in_statement"):
            if parent.function is None:
                self._found.top_awaits.append(node)
            elif not parent.function.is_async:
                self._found.stray_awaits.append(node)

    def _name(self, node: Node, field_name: str | None, parent: _Frame, binding: _Binding) -> None:
        if node.end_byte - node.start_byte > _LONGEST:
            return
        name = self._syntax.text(node)
        if name not in WATCHED:
            return
        if binding is not _Binding.NONE:
            parent.scope.declare(name, binding)
        elif field_name == "name" and parent.type in _DECLARATIONS_BY_NAME:
            outer = parent.scope.parent if parent.type in _FUNCTIONS else parent.scope
            if outer is not None:
                # Outside strict mode a function in a block is the enclosing function's as well (ECMA-262 B.3.2).
                outer.declare(name, _Binding.BLOCK)
                outer.declare(name, _Binding.FUNCTION)
                if name == b"main" and parent.type.startswith("generator") and outer.parent is None:
                    self._found.main_generators.append(node)
        elif field_name == "name" and (parent.type in _FUNCTIONS or parent.type == "class"):
            parent.scope.declare(name, _Binding.BLOCK)
        else:
            self._pending.append((name, _use(field_name, parent), node, parent.node, parent.scope))

    def _form(self, node: Node, kind: str, parent: _Frame) -> None:
        found = self._found
        if kind in ("import_statement", "export_statement", "import") or (
            kind == "meta_property" and self._syntax.text(node).startswith(b"import")
        ):
            found.module_forms.append(node)
        elif kind == "assignment_expression":
            target = node.child_by_field_name("left")
            if target is not None and target.end_byte - target.start_byte <= len("globalThis.main"):
                found.declares_main |= self._syntax.text(target) in (b"globalThis.main", b"this.main")
        elif kind.startswith("jsx_") and not parent.type.startswith("jsx_"):
            found.foreign.append((node, "JSX is not JavaScript"))
        elif kind == "decorator":
            found.foreign.append((node, "decorators are not available"))
        elif kind == "hash_bang_line":
            found.foreign.append((node, "a script has no `#!` line"))
        elif kind == "string" and is_broken_text(self._syntax, node):
            found.foreign.append((node, BROKEN_TEXT))


def _is_declared(name: bytes, used_in: _Scope) -> bool:
    scope: _Scope | None = used_in
    passed = []
    while scope is not None and name not in scope.names and name not in scope.undeclared:
        passed.append(scope)
        scope = scope.parent
    declared = scope is not None and name in scope.names
    # What is now known is noted on the way, or 50,000 blocks within each other would be climbed 50,000 times.
    for one in passed:
        (one.names if declared else one.undeclared).add(name)
    return declared


def _binding(field_name: str | None, parent: _Frame) -> _Binding:
    """What a name in this place declares."""
    kind = parent.type
    if kind in _PATTERNS:
        return parent.binding
    if kind in _PATTERN_FIELDS:
        return parent.binding if field_name == _PATTERN_FIELDS[kind] else _Binding.NONE
    match kind, field_name:
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
            return _Binding.BLOCK if kind in _IMPORT_NAMES else _Binding.NONE


def _use(field_name: str | None, parent: _Frame) -> Use:
    match parent.type, field_name:
        case ("call_expression", "function") | ("new_expression", "constructor"):
            return Use.CALLED
        case (("assignment_expression" | "augmented_assignment_expression"), "left"):
            return Use.ASSIGNED
        case ("unary_expression", "argument") | ("binary_expression", "right"):
            operator = parent.node.child_by_field_name("operator")
            if operator is not None and operator.type in ("typeof", "instanceof"):
                return Use.TESTED
    return Use.READ
