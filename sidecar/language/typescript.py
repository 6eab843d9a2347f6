"""TypeScript made JavaScript by blanks in place of its types: whatever is not a type keeps its line and its column.

Only what leaves no code behind can be blanked. ``enum``, ``namespace``, parameter properties and the like make code of
their own, and are refused. Where a line now begins with what would go on with the line before (ECMA-262 12.10), a
semicolon stands in the first place that a type has left.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from tree_sitter import Node

from sidecar.language.edits import Edit, blank, edited
from sidecar.language.syntax import Fault, syntax_errors
from sidecar.language.syntax_tree import SyntaxTree, children, nth_child, nth_named_child, parse_script, walk
from sidecar.language.typescript_syntax import (
    NAMESPACES,
    begin_of_type_arguments,
    imported,
    is_of_types,
    names_of,
    specifiers,
)

_TYPES: Final = frozenset(
    """
    type_annotation type_parameters type_arguments implements_clause accessibility_modifier override_modifier
    opting_type_annotation omitting_type_annotation adding_type_annotation asserts_annotation type_predicate_annotation
    readonly declare abstract
    """.split()  # noqa: SIM905 - a list literal is thirty lines
)
"""Of these nothing is left."""
_TYPE_STATEMENTS: Final = frozenset(
    ["interface_declaration", "type_alias_declaration", "ambient_declaration", "function_signature"]
)
_TYPE_MEMBERS: Final = frozenset(["method_signature", "abstract_method_signature", "index_signature"])
_MARKED: Final = frozenset(
    ["optional_parameter", "public_field_definition", "method_definition", "variable_declarator"]
)
"""What ``?`` and ``!`` behind a name are marks of."""
_WORD_MODIFIERS: Final = frozenset(["readonly", "declare", "abstract"])
_MODIFIED: Final = frozenset(["public_field_definition", "abstract_class_declaration", "method_definition"])
_MODIFIERS: Final = frozenset(["accessibility_modifier", "override_modifier", "readonly", "declare", "abstract"])
_CLOSES: Final = re.compile(rb">{1,3}")
_VALUES: Final = frozenset(
    ["undefined", "identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern"]
)
_IMPORTING: Final = frozenset(["import_clause", "import_specifier", "namespace_import"])
_TYPES_OF_ALL: Final = re.compile(rb"export\s+type\s*\*")
_GOES_ON: Final = re.compile(rb"(?:\s|//[^\n]*|/\*.*?\*/)*\n(?:\s|//[^\n]*|/\*.*?\*/)*[(\[`+\-*/]", re.DOTALL)
_ENDED: Final = frozenset(
    """
    expression_statement lexical_declaration variable_declaration return_statement throw_statement
    public_field_definition export_statement
    """.split()  # noqa: SIM905 - as above
)
"""What an expression at their end may be the end of the line of."""
_APPLIED: Final = frozenset(["call_expression", "member_expression", "subscript_expression"])
_WORDS: Final = frozenset([b"get", b"set", b"static", b"async", b"accessor"])
"""Names of fields that are more where another name follows."""


class Blanked(NamedTuple):
    """A TypeScript file as JavaScript."""

    text: str
    faults: list[Fault]
    """What is wrong with it as TypeScript, or cannot be blanked; the text is of no use where there is any."""
    types: frozenset[str]
    """Names of the types that it exports, which are not there any more."""


def without_types(text: str, deadline: float) -> Blanked:
    """Blank the types of a file. Raises CheckTimeoutError at the deadline, on time.monotonic."""
    syntax = parse_script(text, deadline, typescript=True)
    errors = syntax_errors(syntax)
    if errors:
        return Blanked(text, errors, frozenset())
    try:
        return _Blanking(syntax).run()
    except RecursionError:
        return Blanked(text, [(1, 1, "is nested too deep")], frozenset())


class _Blanking:
    def __init__(self, syntax: SyntaxTree) -> None:
        self._syntax = syntax
        self._source = syntax.source
        self._edits: list[Edit] = []
        self._faults: list[Fault] = []
        self._used: dict[bytes, list[int]] = {}
        """Names that stand outside of types, but where they are imported, and where that is."""
        self._arguments: list[tuple[int, int]] = []
        """Type arguments of templates, in which names are no values."""
        self._imports: list[Node] = []
        self._exported: list[Node] = []
        """Specifiers of ``export {...}`` without a source."""
        self._declared_types: set[bytes] = set()
        self._declared_values: set[bytes] = set()
        self._exported_types: set[bytes] = set()

    def run(self) -> Blanked:
        skipped = -1
        for depth, node in walk(self._syntax, self._syntax.tree.walk()):
            if skipped >= 0 and depth > skipped:
                continue
            skipped = depth if self._visit(node) else -1
        self._drop_unused_imports()
        self._drop_exported_types()
        types = frozenset(name.decode("utf-8", "replace") for name in self._exported_types)
        return Blanked(edited(self._source, self._edits), self._faults, types)

    def _visit(self, node: Node) -> bool:
        """Note what becomes of a node; whether all that is in it has gone with it, or is none of ours."""
        kind = node.type
        if kind in _VALUES:
            if node.parent is None or node.parent.type not in _IMPORTING:
                self._used.setdefault(self._syntax.text(node), []).append(node.start_byte)
            return False
        if kind in _TYPES:
            return self._type(node)
        if kind in _TYPE_STATEMENTS or kind in NAMESPACES:
            return self._type_statement(node)
        if kind in _TYPE_MEMBERS:
            self._blank(node, b";")
            return True
        handle = _HANDLERS.get(kind)
        return handle(self, node) if handle is not None else False

    # ---- types ----

    def _type(self, node: Node) -> bool:
        parent = node.parent
        if parent is None:
            return False
        if node.type in _WORD_MODIFIERS and parent.type not in _MODIFIED:
            return False
        if parent.type == "arrow_function" and b"\n" in self._syntax.text(node):
            self._type_over_lines(node, parent)
            return True
        if node.type in _MODIFIERS:
            starts_anew = self._goes_on_from_field(node, parent)
        else:
            starts_anew = node.type == "type_annotation" and self._is_field_called_like_a_word(parent)
        self._blank(node, b";" if starts_anew else b"")
        return True

    def _type_over_lines(self, node: Node, arrow: Node) -> None:
        """No line may end between ``async`` and ``(``, nor between ``)`` and ``=>``: the bracket moves along."""
        parameters = arrow.child_by_field_name("parameters")
        if parameters is None:
            return
        if node.type == "type_parameters":
            self._blank(node, first=b"(")
            self._blank(nth_child(parameters, 0))
        else:
            self._blank(node, last=b")")
            self._blank(nth_child(parameters, -1))

    @staticmethod
    def _goes_on_from_field(modifier: Node, member: Node) -> bool:
        before = member.prev_named_sibling
        while before is not None and before.type == "comment":
            before = before.prev_named_sibling
        return (
            nth_child(member, 0) == modifier
            and before is not None
            and before.type == "public_field_definition"
            and (before.next_sibling is None or before.next_sibling.type != ";")
        )

    def _is_field_called_like_a_word(self, field: Node) -> bool:
        name = field.child_by_field_name("name") if field.type == "public_field_definition" else None
        return name is not None and self._syntax.text(name) in _WORDS and field.child_by_field_name("value") is None

    def _ending(self, node: Node) -> bytes:
        """A semicolon, where the line of an expression ended with its type and would now go on with the next."""
        around = node.parent
        if around is not None and around.type in _APPLIED and around.start_byte == node.start_byte:
            # Nothing is called or asked of a value with its type (13.3): tree-sitter's grammar goes on all the same.
            return b";"
        while around is not None and around.end_byte == node.end_byte:
            if around.type in _ENDED:
                return b";" if _GOES_ON.match(self._source, node.end_byte) else b""
            around = around.parent
        return b""

    def _operator(self, node: Node) -> bool:
        """``as`` and ``satisfies``."""
        word = nth_child(node, 1)
        if b"\n" in self._syntax.text(nth_child(node, -1)):
            self._refuse_types_over_lines(nth_child(node, -1))
        self._edits.append(blank(self._source, word.start_byte, node.end_byte, self._ending(node)))
        # Only what is before it is JavaScript.
        self._note_within(nth_child(node, 0))
        return True

    def _instantiation(self, node: Node) -> bool:
        arguments = nth_child(node, -1)
        self._blank(arguments, self._ending(node))
        self._note_within(nth_child(node, 0))
        return True

    def _note_within(self, inner: Node) -> None:
        """Visit what is in a node of which a part is blanked."""
        skipped = -1
        for depth, node in walk(self._syntax, inner.walk()):
            if skipped >= 0 and depth > skipped:
                continue
            skipped = depth if self._visit(node) else -1

    def _non_null(self, node: Node) -> bool:
        self._blank(nth_child(node, -1))
        return False

    def _mark(self, node: Node) -> bool:
        name = node.child_by_field_name("name") or node.child_by_field_name("pattern")
        for child in children(node):
            if child.type in ("?", "!") and name is not None and child.start_byte >= name.end_byte:
                self._blank(child)
        return False

    # ---- members and parameters ----

    def _field(self, node: Node) -> bool:
        words = {child.type for child in children(node) if child.child_count == 0}
        if words & {"declare", "abstract"}:
            self._blank(node, b";")
            return True
        if "accessor" in words:
            self._refuse(node, "`accessor` fields are not available; write `get` and `set`")
        return self._mark(node)

    def _parameter(self, node: Node) -> bool:
        pattern = node.child_by_field_name("pattern")
        if pattern is not None and pattern.type == "this":
            self._blank(node)
            self._blank_comma(node)
            return True
        if any(child.type in _MODIFIERS for child in children(node)):
            self._refuse(node, "a parameter cannot be a property: declare the field, and assign it in the constructor")
        return self._mark(node)

    # ---- statements ----

    def _type_statement(self, node: Node) -> bool:
        if node.type in NAMESPACES and not is_of_types(node):
            self._refuse(node, "a `namespace` with code in it is not available: make it a file, and import that")
            return True
        self._declare(node)
        statement = self._exporting(node)
        if statement is not node:
            self._exported_types |= names_of(self._syntax, node)
        self._blank_statement(statement)
        return True

    def _declare(self, node: Node) -> None:
        if node.type == "function_signature":
            return
        self._declared_types |= names_of(self._syntax, node)

    @staticmethod
    def _exporting(node: Node) -> Node:
        parent = node.parent
        return parent if parent is not None and parent.type == "export_statement" else node

    def _blank_statement(self, node: Node) -> None:
        before = node.prev_sibling
        ended = before is None or before.type in (";", "{") or self._syntax.text(before).endswith(b";")
        self._blank(node, b"" if ended else b";")

    def _enum(self, node: Node) -> bool:
        self._refuse(node, "an `enum` makes code of its own: write `const Name = { A: 'a' } as const`")
        return True

    def _assertion(self, node: Node) -> bool:
        self._refuse(node, "write `value as Type` in place of `<Type>value`")
        return True

    def _alias(self, node: Node) -> bool:
        self._refuse(node, "`import name = ...` is not available; write `import` or `const`")
        return True

    def _comparison(self, node: Node) -> bool:
        """A template with type arguments, which tree-sitter's grammar takes for comparisons."""
        right, operator = node.child_by_field_name("right"), node.child_by_field_name("operator")
        if right is None or operator is None or not _CLOSES.fullmatch(self._syntax.text(operator)):
            return False
        if self._source[right.start_byte : right.start_byte + 1] == b"`":
            begin = begin_of_type_arguments(self._source, node, operator.end_byte)
            if begin is not None:
                self._edits.append(blank(self._source, begin, operator.end_byte))
                self._arguments.append((begin, operator.end_byte))
        return False

    def _import(self, node: Node) -> bool:
        if any(child.type == "import_require_clause" for child in children(node)):
            return self._alias(node)
        clause = next((child for child in children(node) if child.type == "import_clause"), None)
        if any(child.type == "type" for child in children(node)):
            self._declared_types |= {self._syntax.text(name) for _, name in imported(clause)} if clause else set()
            self._blank_statement(node)
            return True
        self._imports.append(node)
        for specifier in specifiers(node, "import_specifier"):
            if nth_child(specifier, 0).type == "type" and specifier.named_child_count:
                self._declared_types.add(self._syntax.text(nth_named_child(specifier, -1)))
                self._blank(specifier)
                self._blank_comma(specifier)
        return True

    def _export(self, node: Node) -> bool:
        declaration = node.child_by_field_name("declaration")
        if any(child.type == "=" for child in children(node)):
            self._refuse(node, "`export =` is not available; write `export default`")
            return True
        if any(child.type == "type" for child in children(node)) or _TYPES_OF_ALL.match(self._syntax.text(node)):
            self._exported_types |= {self._exported_name(one) for one in specifiers(node, "export_specifier")}
            self._blank_statement(node)
            return True
        if any(child.type == "namespace" for child in children(node)):
            self._blank_statement(node)
            return True
        for specifier in specifiers(node, "export_specifier"):
            if nth_child(specifier, 0).type == "type":
                self._exported_types.add(self._exported_name(specifier))
                self._blank(specifier)
                self._blank_comma(specifier)
            elif node.child_by_field_name("source") is None:
                self._exported.append(specifier)
        return declaration is None and node.child_by_field_name("source") is not None

    def _exported_name(self, specifier: Node) -> bytes:
        return self._syntax.text(nth_named_child(specifier, -1))

    def _declaration(self, node: Node) -> bool:
        name = node.child_by_field_name("name")
        if name is not None:
            self._declared_values.add(self._syntax.text(name))
        return self._mark(node) if node.type == "variable_declarator" else False

    # ---- names that were types ----

    def _drop_unused_imports(self) -> None:
        """What is imported and stands in no other place than types is a type (TypeScript's own rule)."""
        used = {self._syntax.text(nth_named_child(one, 0)) for one in self._exported}
        for word, places in self._used.items():
            if not all(any(begin <= place < end for begin, end in self._arguments) for place in places):
                used.add(word)
        for node in self._imports:
            clause = next((child for child in children(node) if child.type == "import_clause"), None)
            if clause is None:
                continue
            names = list(imported(clause))
            if names and not any(self._syntax.text(name) in used for _, name in names):
                self._edits = [one for one in self._edits if not node.start_byte <= one.begin < node.end_byte]
                self._blank_statement(node)
                continue
            for specifier, name in names:
                if self._syntax.text(name) not in used:
                    self._blank(specifier)
                    self._blank_comma(specifier, before=specifier.type == "namespace_import")

    def _drop_exported_types(self) -> None:
        types = self._declared_types - self._declared_values
        for specifier in self._exported:
            if self._syntax.text(nth_named_child(specifier, 0)) in types:
                self._exported_types.add(self._exported_name(specifier))
                self._blank(specifier)
                self._blank_comma(specifier)

    # ---- edits ----

    def _refuse(self, node: Node, message: str) -> None:
        self._faults.append((*self._syntax.place(node), message))

    def _blank(self, node: Node, first: bytes = b"", last: bytes = b"") -> None:
        if b"\n" in self._syntax.text(node):
            self._refuse_types_over_lines(node)
        self._edits.append(blank(self._source, node.start_byte, node.end_byte, first, last))

    def _refuse_types_over_lines(self, node: Node) -> None:
        """A type ends where its line does and the next begins with ``[``; tree-sitter's grammar has it go on."""
        for _, one in walk(self._syntax, node.walk()):
            if one.type in ("array_type", "lookup_type") and (
                nth_child(one, 1).start_point.row != nth_child(one, 0).end_point.row
            ):
                self._refuse(nth_child(one, 1), "the line before ends with a type: end it with a semicolon")

    def _blank_comma(self, node: Node, *, before: bool = False) -> None:
        beside = node.prev_sibling if before else node.next_sibling
        while beside is not None and beside.type == "comment":
            beside = beside.prev_sibling if before else beside.next_sibling
        if beside is not None and beside.type == ",":
            self._blank(beside)


_HANDLERS: Final[Mapping[str, Callable[[_Blanking, Node], bool]]] = {
    "as_expression": _Blanking._operator,
    "satisfies_expression": _Blanking._operator,
    "instantiation_expression": _Blanking._instantiation,
    "non_null_expression": _Blanking._non_null,
    "type_assertion": _Blanking._assertion,
    "required_parameter": _Blanking._parameter,
    "optional_parameter": _Blanking._parameter,
    "public_field_definition": _Blanking._field,
    "method_definition": _Blanking._mark,
    "variable_declarator": _Blanking._declaration,
    "function_declaration": _Blanking._declaration,
    "generator_function_declaration": _Blanking._declaration,
    "class_declaration": _Blanking._declaration,
    "abstract_class_declaration": _Blanking._declaration,
    "enum_declaration": _Blanking._enum,
    "import_alias": _Blanking._alias,
    "import_statement": _Blanking._import,
    "export_statement": _Blanking._export,
    "binary_expression": _Blanking._comparison,
}
