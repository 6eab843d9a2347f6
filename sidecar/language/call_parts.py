"""What of a script's text stands for a part of the call: ``data`` and its routing, by all names that they have."""

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final, NamedTuple

from tree_sitter import Node

from sidecar.language.scopes import FUNCTIONS, Scope, ScopeWalk, Visit
from sidecar.language.syntax_tree import SyntaxTree, children, named_children, nth_named_child

_WITH_EACH: Final = frozenset([b"forEach", b"map", b"filter", b"find", b"findIndex", b"some", b"every", b"flatMap"])
"""Methods of a list that give each of its elements to a function."""


class Part(Enum):
    """An object of the call."""

    DATA = auto()
    ROUTING = auto()
    LIST = auto()
    DESTINATION = auto()


_PROPERTIES: Final = {
    (Part.DATA, b"routing"): Part.ROUTING,
    (Part.DATA, b"egress_routing"): Part.LIST,
    (Part.ROUTING, b"egress_routing"): Part.LIST,
}
_EXIT: Final = b"exit"


class _Bound(NamedTuple):
    """A pattern that is given a value."""

    pattern: Node
    value: Node
    scope: Scope
    """What the value stands in."""
    is_element: bool = False
    """The pattern is given each element of the value."""
    function: int = 0
    """The function whose parameter the pattern is."""


class CallParts:
    """What of a script's text stands for a part of the call."""

    def __init__(self, syntax: SyntaxTree, entry: bytes) -> None:
        self._syntax = syntax
        self._known: dict[tuple[Scope, bytes], Part] = {}
        self._bound: list[_Bound] = []
        self._assigned: list[tuple[Node, Scope]] = []
        self._exits: list[tuple[Node, Scope]] = []
        self._scopes: dict[int, Scope] = {}
        """Of functions, by their node."""
        entries: dict[Scope, Node | None] = {}
        returned: list[tuple[Node, Scope]] = []
        for visit in ScopeWalk(syntax):
            if visit.type in FUNCTIONS and _is_entry(syntax, visit, entry):
                entries[visit.scope] = _first_parameter(visit.node)
                body = visit.node.child_by_field_name("body")
                if body is not None and body.type != "statement_block":
                    returned.append((body, visit.scope))
            self._look(visit, returned)
        self._results = [(node, scope) for node, scope in returned if scope.function in entries]
        self._results += [(node, scope) for node, scope in self._exits if scope.declaring(_EXIT) is None]
        for scope, parameter in entries.items():
            if parameter is not None:
                self._name(parameter, Part.DATA, scope)
        for bound in self._bound:
            part = self._part(bound.value, bound.scope)
            if bound.is_element:
                part = _within(part, None)
            if part is not None:
                self._name(bound.pattern, part, self._scopes.get(bound.function, bound.scope))
        for target, scope in self._assigned:
            declared_in = scope.declaring(syntax.text(target)) if target.type == "identifier" else None
            if declared_in is not None:
                # What it stands for is not the same everywhere.
                self._known.pop((declared_in, syntax.text(target)), None)

    def _look(self, visit: Visit, returned: list[tuple[Node, Scope]]) -> None:
        node, scope, field = visit.node, visit.scope, Node.child_by_field_name
        if visit.type in FUNCTIONS:
            self._scopes[node.id] = scope
        match visit.type:
            case "variable_declarator":
                pattern, value = field(node, "name"), field(node, "value")
                if pattern is not None and value is not None:
                    self._bound.append(_Bound(pattern, value, scope))
            case "for_in_statement":
                pattern, value, operator = field(node, "left"), field(node, "right"), field(node, "operator")
                if pattern is not None and value is not None and operator is not None and operator.type == "of":
                    self._bound.append(_Bound(pattern, value, scope, is_element=True))
            case "assignment_expression" | "augmented_assignment_expression":
                target = field(node, "left")
                if target is not None:
                    self._assigned.append((target, scope))
            case "return_statement":
                returned += [(child, scope) for child in named_children(node)[:1]]
            case "call_expression":
                self._look_at_call(node, scope)

    def _look_at_call(self, node: Node, scope: Scope) -> None:
        called, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        first = nth_named_child(arguments, 0) if arguments is not None and arguments.named_child_count else None
        if called is None or first is None:
            return
        if called.type == "identifier" and self._syntax.text(called) == _EXIT:
            self._exits.append((first, scope))
        elif called.type == "member_expression" and first.type in FUNCTIONS:
            method, owner = called.child_by_field_name("property"), called.child_by_field_name("object")
            parameter = _first_parameter(first)
            with_each = method is not None and self._syntax.text(method) in _WITH_EACH
            if with_each and owner is not None and parameter is not None:
                self._bound.append(_Bound(parameter, owner, scope, is_element=True, function=first.id))

    def written(self) -> Iterator[tuple[Node, Part]]:
        """Each key that is given a value, and the part of the call that it is given to."""
        for target, scope in self._assigned:
            owner, key = target.child_by_field_name("object"), _key(target)
            part = self._part(owner, scope) if owner is not None and key is not None else None
            if part is not None and key is not None:
                yield key, part
        for value, scope in self._results:
            node = _bare(value)
            if node.type == "object":
                yield from self._keys(node, scope)

    def _keys(self, node: Node, scope: Scope, *, is_routing: bool = False) -> Iterator[tuple[Node, Part]]:
        """Those of a result: where it has a routing it is like data, else the routing itself."""
        part = Part.ROUTING
        keys: list[Node] = []
        for child in named_children(node):
            key = child.child_by_field_name("key") if child.type == "pair" else child
            if child.type == "spread_element" and child.named_child_count:
                part = Part.DATA if self._part(nth_named_child(child, 0), scope) is Part.DATA else part
            elif key is not None and key.type in ("property_identifier", "string", "shorthand_property_identifier"):
                keys.append(key)
                value = child.child_by_field_name("value")
                if not is_routing and key_text(self._syntax, key) == b"routing":
                    part = Part.DATA
                    if value is not None and _bare(value).type == "object":
                        yield from self._keys(_bare(value), scope, is_routing=True)
        yield from ((key, part) for key in keys)

    def _part(self, value: Node, scope: Scope) -> Part | None:
        """Which part an expression is; None for anything else."""
        node = _bare(value)
        keys: list[bytes | None] = []
        while node.type in ("member_expression", "subscript_expression"):
            key, owner = _key(node), node.child_by_field_name("object")
            if owner is None:
                return None
            keys.append(key_text(self._syntax, key) if key is not None else None)
            node = _bare(owner)
        if node.type == "call_expression":
            called = node.child_by_field_name("function")
            if called is None or called.type != "identifier" or self._syntax.text(called) != b"vars":
                return None
            node = called
        if node.type != "identifier":
            return None
        name = self._syntax.text(node)
        declared_in = scope.declaring(name)
        whole = Part.DATA if declared_in is None and name == b"vars" else None
        part = whole if declared_in is None else self._known.get((declared_in, name))
        for asked_for in reversed(keys):
            part = _within(part, asked_for)
        return part

    def _name(self, pattern: Node, part: Part, scope: Scope) -> None:
        """Remember what the names of a pattern stand for."""
        if pattern.type == "identifier":
            self._remember(pattern, part, scope)
        elif pattern.type == "object_pattern":
            for child in named_children(pattern):
                key = child.child_by_field_name("key") if child.type == "pair_pattern" else child
                value = child.child_by_field_name("value") if child.type == "pair_pattern" else child
                if key is None or value is None:
                    continue
                inner = _PROPERTIES.get((part, key_text(self._syntax, key)))
                if inner is not None and value.type == "object_pattern":
                    self._name(value, inner, scope)
                elif inner is not None and value.type in ("identifier", "shorthand_property_identifier_pattern"):
                    self._remember(value, inner, scope)

    def _remember(self, name: Node, part: Part, scope: Scope) -> None:
        text = self._syntax.text(name)
        declared_in = scope.declaring(text)
        if declared_in is not None:
            self._known[declared_in, text] = part


def _within(part: Part | None, key: bytes | None) -> Part | None:
    """What a key gives of a part; None stands for a number that is told while the script runs."""
    if key is None:
        return Part.DESTINATION if part is Part.LIST else None
    return _PROPERTIES.get((part, key)) if part is not None else None


def key_text(syntax: SyntaxTree, key: Node) -> bytes:
    """A key without its quotes."""
    text = syntax.text(key)
    return text[1:-1] if key.type in ("string", "template_string") else text


def _key(node: Node) -> Node | None:
    """What of an object is asked for by name, as ``.name`` or ``['name']``; None where it is told while it runs."""
    if node.type == "member_expression":
        return node.child_by_field_name("property")
    index = node.child_by_field_name("index")
    return index if index is not None and index.type in ("string", "template_string") else None


def _bare(node: Node) -> Node:
    while node.type == "parenthesized_expression" and node.named_child_count:
        node = nth_named_child(node, 0)
    return node


def _is_entry(syntax: SyntaxTree, visit: Visit, entry: bytes) -> bool:
    name = visit.node.child_by_field_name("name")
    parent = visit.parent.node
    if name is None and visit.parent.type == "variable_declarator":
        name = parent.child_by_field_name("name")
    if name is not None and syntax.text(name) == entry:
        return True
    return visit.parent.type == "export_statement" and any(child.type == "default" for child in children(parent))


def _first_parameter(function: Node) -> Node | None:
    single = function.child_by_field_name("parameter")
    parameters = function.child_by_field_name("parameters")
    return single if single is not None else next(iter(named_children(parameters) if parameters else ()), None)
