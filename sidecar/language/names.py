"""Which names of the surroundings a script uses: one walk that knows what the script has declared itself.

A local function called ``require``, a parameter called ``Promise`` or a property ``.then`` are the script's own and
must not be complained of, so names are resolved by JavaScript's scopes. Of all names only those of interest are kept.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from tree_sitter import Node

from sidecar.kind import MAIN
from sidecar.language.scopes import FUNCTIONS, Frame, ScopeWalk, Visit
from sidecar.language.syntax import BROKEN_TEXT, is_broken_text
from sidecar.language.syntax_tree import NODES_BETWEEN_LOOKS, SyntaxTree

_WATCHED: Final = frozenset(
    b"""
    vars exit err require module exports api fetch getEnvVars setEnvVar Promise setTimeout setInterval setImmediate
    queueMicrotask Request Response
    """.split()
)


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
    has_entry: bool = False
    """Whether the function that a run calls is declared at the top, or assigned to somewhere."""
    declares_entry: bool = False
    """Whether it is declared at the top."""
    entry_generators: list[Node] = field(default_factory=list)
    """The name of each generator that is declared in that function's place."""
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


def find_names(syntax: SyntaxTree, entry: str = MAIN) -> Names:
    """Walks a tree without syntax errors; ``entry`` is the name of the function that a run calls.

    Raises CheckTimeoutError at the tree's deadline.
    """
    found = Names()
    entry_name = entry.encode()
    scopes = ScopeWalk(syntax, _WATCHED | {entry_name})
    references: list[Visit] = []
    for visit in scopes:
        if not visit.node.is_named:
            _note_word(found, visit)
        elif visit.name is None:
            _note_form(found, syntax, visit, entry_name)
        elif not visit.is_declaration:
            references.append(visit)
        elif visit.name == entry_name and _declares_generator(visit):
            found.entry_generators.append(visit.node)
    found.declares_entry = scopes.program.declares(entry_name)
    found.has_entry = found.has_entry or found.declares_entry
    for number, visit in enumerate(references):
        if not number % NODES_BETWEEN_LOOKS:
            syntax.check_deadline()
        name, parent = visit.name, visit.parent
        if name is not None and parent.scope.bindings[name] is None:
            use = _use(visit.field, parent)
            found.references.append(Reference(name.decode(), use, visit.node, parent.node))
            found.has_entry = found.has_entry or (use is Use.ASSIGNED and name == entry_name)
    return found


def _declares_generator(visit: Visit) -> bool:
    """Whether a declaration is that of a generator at the top of the program."""
    outer = visit.parent.scope.parent
    return (
        visit.parent.type == "generator_function_declaration"
        and visit.field == "name"
        and outer is not None
        and outer.is_program
    )


def _note_word(found: Names, visit: Visit) -> None:
    parent = visit.parent
    if visit.type == "async" and parent.type in FUNCTIONS:
        found.async_functions.append(visit.node)
    elif visit.type == "await" and parent.type in ("await_expression", "for_in_statement"):
        function = parent.scope.function
        if function.is_program:
            found.top_awaits.append(visit.node)
        elif not function.is_async:
            found.stray_awaits.append(visit.node)


def _note_form(found: Names, syntax: SyntaxTree, visit: Visit, entry: bytes) -> None:
    node, kind = visit.node, visit.type
    if kind in ("import_statement", "export_statement", "import") or (
        kind == "meta_property" and syntax.text(node).startswith(b"import")
    ):
        found.module_forms.append(node)
    elif kind == "assignment_expression":
        target = node.child_by_field_name("left")
        if target is not None and target.end_byte - target.start_byte <= len(b"globalThis.") + len(entry):
            found.has_entry |= syntax.text(target) in (b"globalThis." + entry, b"this." + entry)
    elif kind.startswith("jsx_") and not visit.parent.type.startswith("jsx_"):
        found.foreign.append((node, "JSX is not JavaScript"))
    elif kind == "decorator":
        found.foreign.append((node, "decorators are not available"))
    elif kind == "string" and is_broken_text(syntax, node):
        found.foreign.append((node, BROKEN_TEXT))


def _use(field_name: str | None, parent: Frame) -> Use:
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
