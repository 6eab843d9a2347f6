"""Actions on a call that nobody awaits: the script goes on before they are done, which its author seldom means.

What is taken for a call's ctx: the second parameter of ``main`` or of a default export; a variable made by
``new cxC5Server(...)``, whatever that is imported or required as; any parameter called ``ctx``; another name given to
one of these; and functions taken out of one, as in ``const { tts, play: sound } = ctx``. Names are followed by
JavaScript's scopes. Not followed: a ctx kept in an object's property or in an array.
"""

import re
from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from sidecar.language.syntax_tree import SyntaxTree, walk

ACTIONS: Final = frozenset(b"answer tts play echo ivr bridge hangup waitFor record blockDtmf set".split())
"""Functions of ctx whose promise means that something is done on the call."""
MODULE: Final = b"cxC5Server"
_NAMED: Final = re.compile(rb"\b(?:" + b"|".join(sorted(ACTIONS)) + rb")\b")

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
_SCOPES: Final = _FUNCTIONS | {
    "program", "statement_block", "for_statement", "for_in_statement", "catch_clause", "switch_body", "class_body",
}  # fmt: skip
_DECLARATIONS: Final = frozenset(["function_declaration", "generator_function_declaration", "class_declaration"])
_PASSES: Final = frozenset(["parenthesized_expression", "array", "pair", "object", "spread_element"])
"""The promise is part of something else, which is looked at in its place."""
_TAKEN: Final = frozenset(
    ["await_expression", "return_statement", "yield_expression", "export_statement", "template_substitution"]
)
_EACH: Final = frozenset([b"forEach"])
"""Throw away what the function returns that they are given."""
_MOST_PARENTS: Final = 200
"""Looked at above one call: an expression nested deeper was not written by a person."""


class _Scope:
    __slots__ = ("names", "parent")

    def __init__(self, parent: "_Scope | None") -> None:
        self.parent = parent
        self.names: dict[bytes, bytes | None] = {}
        """``ctx`` for a ctx, ``class`` for cxC5Server, an action's name for a function taken out, None for anything
        else."""

    def find(self, name: bytes) -> bytes | None:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return None

    def holder(self, name: bytes) -> "_Scope | None":
        scope: _Scope | None = self
        while scope is not None and name not in scope.names:
            scope = scope.parent
        return scope


_CTX: Final = b"(ctx)"
_CLASS: Final = b"(class)"


def unawaited_actions(syntax: SyntaxTree) -> Iterator[tuple[Node, str]]:
    """Each action that nobody awaits, at its call, with what to tell the author.

    Raises CheckTimeoutError at the tree's deadline.
    """
    if _NAMED.search(syntax.source) is None:
        return
    found = _Walk(syntax)
    for call, name in found.calls():
        # Each look at a parent begins at the root: as long as the text has statements.
        syntax.check_deadline()
        why = _lost(syntax, call, found.uses)
        if why:
            yield call, f"`{name.decode()}(...)` is not awaited{why}"


class _Walk:
    def __init__(self, syntax: SyntaxTree) -> None:
        self._syntax = syntax
        self.uses: dict[bytes, int] = {}
        """How often each name stands in the text."""
        self._calls: list[tuple[Node, _Scope]] = []
        self._declarators: list[tuple[Node, Node, _Scope]] = []

    def calls(self) -> list[tuple[Node, bytes]]:
        """Every call of an action, with the words of its function."""
        scopes: list[tuple[int, _Scope]] = []
        for depth, node in walk(self._syntax, self._syntax.tree.walk()):
            while scopes and scopes[-1][0] >= depth:
                scopes.pop()
            self._visit(node, depth, scopes)
        # Once for what is declared by ctx itself, once more for other names of those.
        for _ in range(2):
            for target, value, scope in self._declarators:
                self._declare_value(target, value, scope)
        found = []
        for node, scope in self._calls:
            name = self._action(node, scope)
            if name is not None:
                found.append((node, name))
        return found

    def _visit(self, node: Node, depth: int, scopes: list[tuple[int, _Scope]]) -> None:
        kind = node.type
        scope = scopes[-1][1] if scopes else _Scope(None)
        if kind in ("identifier", "shorthand_property_identifier"):
            name = self._syntax.text(node)
            self.uses[name] = self.uses.get(name, 0) + 1
            return
        if not node.is_named:
            return
        if kind in _DECLARATIONS:
            name_node = node.child_by_field_name("name")
            if name_node is not None:
                scope.names[self._syntax.text(name_node)] = None
        if kind in _SCOPES:
            inner = _Scope(scope if scopes else None)
            scopes.append((depth, inner))
            if kind in _FUNCTIONS:
                self._parameters(node, inner)
            elif kind in ("for_in_statement", "catch_clause"):
                own = node.child_by_field_name("left" if kind == "for_in_statement" else "parameter")
                if own is not None and (kind == "catch_clause" or node.child_by_field_name("kind") is not None):
                    self._declare_names(own, inner)
            return
        if kind == "import_statement":
            self._import(node, scope)
        elif kind == "variable_declarator":
            target = node.child_by_field_name("name")
            value = node.child_by_field_name("value")
            if target is not None:
                self._declare_names(target, scope)
                if value is not None:
                    self._declarators.append((target, value, scope))
        elif kind == "assignment_expression":
            target = node.child_by_field_name("left")
            value = node.child_by_field_name("right")
            if target is not None and value is not None and target.type == "identifier":
                self._declarators.append((target, value, scope))
        elif kind == "call_expression":
            self._calls.append((node, scope))

    # ---- what names mean ----

    def _parameters(self, function: Node, scope: _Scope) -> None:
        single = function.child_by_field_name("parameter")
        parameters = function.child_by_field_name("parameters")
        given = [single] if single is not None else [*parameters.named_children] if parameters is not None else []
        given = [one for one in given if one.type != "comment"]
        is_entry = self._is_entry(function)
        for index, one in enumerate(given):
            self._declare_names(one, scope)
            target = one.child_by_field_name("left") if one.type == "assignment_pattern" else one
            if target is None:
                continue
            if target.type == "identifier" and (self._syntax.text(target) == b"ctx" or (is_entry and index == 1)):
                scope.names[self._syntax.text(target)] = _CTX
            elif target.type == "object_pattern" and is_entry and index == 1:
                self._take_out(target, scope)

    def _is_entry(self, function: Node) -> bool:
        name = function.child_by_field_name("name")
        parent = function.parent
        if name is not None and self._syntax.text(name) == b"main":
            return True
        if parent is None:
            return False
        if parent.type == "export_statement":
            return any(child.type == "default" for child in parent.children)
        target = parent.child_by_field_name("name" if parent.type == "variable_declarator" else "left")
        return (
            parent.type in ("variable_declarator", "assignment_expression")
            and target is not None
            and self._syntax.text(target) in (b"main", b"globalThis.main")
        )

    def _declare_names(self, pattern: Node, scope: _Scope) -> None:
        waiting = [pattern]
        while waiting:
            one = waiting.pop()
            if one.type in ("identifier", "shorthand_property_identifier_pattern"):
                scope.names.setdefault(self._syntax.text(one), None)
            elif one.type in ("assignment_pattern", "object_assignment_pattern"):
                left = one.child_by_field_name("left")
                if left is not None:
                    waiting.append(left)
            elif one.type == "pair_pattern":
                value = one.child_by_field_name("value")
                if value is not None:
                    waiting.append(value)
            elif one.type in ("object_pattern", "array_pattern", "rest_pattern"):
                waiting.extend(one.named_children)

    def _import(self, node: Node, scope: _Scope) -> None:
        source = node.child_by_field_name("source")
        is_ours = source is not None and self._syntax.text(source)[1:-1] == MODULE
        for clause in node.named_children:
            if clause.type == "import_clause":
                for part in clause.named_children:
                    if part.type == "identifier":
                        scope.names[self._syntax.text(part)] = _CLASS if is_ours else None

    def _declare_value(self, target: Node, value: Node, scope: _Scope) -> None:
        meaning = self._meaning(value, scope)
        if meaning is None:
            return
        if target.type == "identifier":
            name = self._syntax.text(target)
            holder = scope.holder(name)
            if holder is not None:
                holder.names[name] = meaning
        elif target.type == "object_pattern" and meaning == _CTX:
            self._take_out(target, scope)

    def _take_out(self, pattern: Node, scope: _Scope) -> None:
        for one in pattern.named_children:
            key: Node | None = one
            local: Node | None = one
            if one.type == "pair_pattern":
                key, local = one.child_by_field_name("key"), one.child_by_field_name("value")
            if key is None or local is None or self._syntax.text(key) not in ACTIONS:
                continue
            scope.names[self._syntax.text(local)] = self._syntax.text(key)

    def _meaning(self, value: Node, scope: _Scope) -> bytes | None:
        """What an expression gives: a ctx, the class of one, or nothing of interest."""
        if value.type == "identifier":
            return scope.find(self._syntax.text(value))
        if value.type == "new_expression":
            constructor = value.child_by_field_name("constructor")
            if constructor is not None and constructor.type == "identifier":
                name = self._syntax.text(constructor)
                is_class = scope.find(name) == _CLASS or (name == MODULE and scope.holder(name) is None)
                return _CTX if is_class else None
        if value.type == "call_expression" and self._syntax.text(value)[8:-1].strip(b"()'\"` ") == MODULE:
            function = value.child_by_field_name("function")
            return _CLASS if function is not None and self._syntax.text(function) == b"require" else None
        return None

    def _action(self, call: Node, scope: _Scope) -> bytes | None:
        function = call.child_by_field_name("function")
        if function is None:
            return None
        if function.type == "identifier":
            name = self._syntax.text(function)
            return name if scope.find(name) in ACTIONS else None
        if function.type != "member_expression":
            return None
        owner = function.child_by_field_name("object")
        member = function.child_by_field_name("property")
        if owner is None or member is None or self._syntax.text(member) not in ACTIONS:
            return None
        while owner.type == "parenthesized_expression" and owner.named_child_count == 1:
            owner = owner.named_children[0]
        if self._meaning(owner, scope) != _CTX:
            return None
        words = self._syntax.text(owner) if owner.type == "identifier" else b"ctx"
        return words + b"." + self._syntax.text(member)


# ---- what becomes of a promise ----


def _lost(syntax: SyntaxTree, call: Node, uses: dict[bytes, int]) -> str:
    """Empty where somebody minds the promise, else what to add to the message."""
    node = call
    for _ in range(_MOST_PARENTS):
        parent = node.parent
        if parent is None:
            return ""
        kind = parent.type
        if kind in _TAKEN:
            return ""
        if kind in _PASSES:
            node = parent
            continue
        if kind == "expression_statement":
            return ": the script goes on before it is done"
        if kind == "member_expression":
            following = _method(syntax, parent)
            if following in (b"then", b"catch"):
                return ""
            if following == b"finally" and parent.parent is not None:
                node = parent.parent
                continue
            return ": this is a promise, and what is asked of it is not there yet"
        if kind in ("variable_declarator", "assignment_expression"):
            return _kept(syntax, parent, node, uses)
        if kind == "arrow_function":
            return _returned(syntax, parent)
        verdict = _operand(parent, node)
        if verdict is None:
            node = parent
            continue
        return verdict
    return ""


def _operand(parent: Node, node: Node) -> str | None:
    """As `_lost`, of an operator's operand; None where its result is the promise still."""
    kind = parent.type
    if kind == "ternary_expression":
        return _AS_CONDITION if _is_field(parent, "condition", node) else None
    if kind == "binary_expression":
        operator = parent.child_by_field_name("operator")
        word = operator.type if operator is not None else ""
        return None if word in ("&&", "||", "??") else _AS_VALUE
    if kind == "sequence_expression":
        is_last = parent.named_children[-1] == node
        return None if is_last else ": the script goes on before it is done"
    if kind == "unary_expression":
        operator = parent.child_by_field_name("operator")
        # `void ctx.play()` says that it is meant so.
        return "" if operator is not None and operator.type == "void" else _AS_VALUE
    if kind in ("if_statement", "while_statement", "do_statement", "switch_statement"):
        return _AS_CONDITION
    return ""


_AS_VALUE: Final = ": this is a promise and not what it gives"
_AS_CONDITION: Final = ": a promise is always true"


def _method(syntax: SyntaxTree, member: Node) -> bytes:
    name = member.child_by_field_name("property")
    return syntax.text(name) if name is not None else b""


def _kept(syntax: SyntaxTree, parent: Node, node: Node, uses: dict[bytes, int]) -> str:
    target = parent.child_by_field_name("name" if parent.type == "variable_declarator" else "left")
    if target is None or _is_field(parent, "left", node):
        return ""
    if target.type in ("object_pattern", "array_pattern"):
        return _AS_VALUE
    if target.type == "identifier" and uses.get(syntax.text(target), 0) < 2:
        return f": `{syntax.text(target).decode('utf-8', 'replace')}` is not used any more"
    return ""


def _returned(syntax: SyntaxTree, arrow: Node) -> str:
    """Of an arrow function without braces, which gives its promise to whoever calls it."""
    arguments = arrow.parent
    call = arguments.parent if arguments is not None and arguments.type == "arguments" else None
    function = call.child_by_field_name("function") if call is not None else None
    if function is not None and function.type == "member_expression" and _method(syntax, function) in _EACH:
        return ": forEach does not wait; write `for (... of ...)` and await"
    return ""


def _is_field(parent: Node, name: str, node: Node) -> bool:
    return parent.child_by_field_name(name) == node
