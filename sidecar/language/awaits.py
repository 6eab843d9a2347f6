"""Actions on a call, and calls of the script's own async functions, that nobody awaits: the script goes on before they
are done, which its author seldom means, and an error in one of them is never seen.

What is taken for a call's ctx: the second parameter of ``main`` or of a default export; a variable made by
``new cxC5Server(...)``, whatever that is imported or required as; any parameter called ``ctx``; another name given to
one of these; and functions taken out of one, as in ``const { tts, play: sound } = ctx``. Names are followed by
JavaScript's scopes. Not followed: a ctx kept in an object's property or in an array.

A function of a ctx that is not there is told of here too, since here it is known what a ctx is.

An async function is one declared as such under a name, or given to a variable: ``const find = async () => ...``.
"""

import difflib
import re
from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from sidecar.kind import MAIN
from sidecar.language.scopes import FUNCTIONS, Scope, ScopeWalk, Visit
from sidecar.language.syntax_tree import SyntaxTree, children, named_children, nth_named_child

ACTIONS: Final = frozenset(b"answer tts play echo ivr bridge hangup waitFor record blockDtmf set".split())
"""Functions of ctx whose promise means that something is done on the call."""
_MEMBERS: Final = ACTIONS | frozenset(b"get header log waitForHangup".split())
"""All that a ctx has."""
_SOCKET: Final = frozenset(b"on send close".split())
"""What the second parameter of ``main`` has in a run over a web socket (docs/http-api.md)."""
MODULE: Final = b"cxC5Server"
_NAMED: Final = re.compile(rb"\b(?:" + b"|".join(sorted(ACTIONS)) + rb")\b")

_PASSES: Final = frozenset(["parenthesized_expression", "array", "pair", "object", "spread_element"])
"""Within one of these the promise is part of something else, which is looked at in its place."""
_TAKEN: Final = frozenset(
    ["await_expression", "return_statement", "yield_expression", "export_statement", "template_substitution"]
)
_OBJECT: Final = frozenset([b"hasOwnProperty", b"toString"])
"""What every object has."""
_OF_A_PROMISE: Final = frozenset([b"then", b"catch", b"finally"])
_READ_AT_THE_END: Final = frozenset([b"headers", b"remove_headers", b"egress_routing"])
"""Properties of a script's data, its routing and its destinations that are lists."""
_MOST_USES: Final = 50
"""Uses of a variable that are looked at: each look at a parent takes as long as the text has statements."""
_EACH: Final = frozenset([b"forEach"])
"""Methods that throw away what the function returns that they are given."""
_FUNCTION_VALUES: Final = frozenset(["function_expression", "arrow_function"])
_MOST_PARENTS: Final = 200
"""So many nodes around a call are looked at: an expression nested deeper was not written by a person."""


_MEMBER_NAMES: Final = sorted(name.decode() for name in _MEMBERS)
_CLOSE: Final = 0.6
_LONGEST_NAME: Final = 60
_FOR_EACH: Final = ": forEach does not wait; write `for (... of ...)` and await"
_CTX: Final = b"(ctx)"
_CLASS: Final = b"(class)"
_ASYNC: Final = b"(async)"


def mistaken_calls(syntax: SyntaxTree, entry: str = MAIN) -> Iterator[tuple[Node, str]]:
    """Each action that nobody awaits, at its call, and each that a ctx does not have, with what to tell the author.

    ``entry`` is the name of the function that a run calls. Raises CheckTimeoutError at the tree's deadline.
    """
    if _NAMED.search(syntax.source) is None and b"async" not in syntax.source:
        return
    found = _Calls(syntax, entry.encode())
    for call, name in found.of_actions():
        # Each look at a parent begins at the root: as long as the text has statements.
        syntax.check_deadline()
        why = _lost(syntax, call, found.uses)
        if why:
            yield call, f"`{name.decode()}(...)` is not awaited{why}"
    for function, owner, wrong in found.unknown:
        nearest = difflib.get_close_matches(wrong, _MEMBER_NAMES, n=1, cutoff=_CLOSE)
        yield function, f"`{owner}.{wrong}` is not there{f'; did you mean `{owner}.{nearest[0]}`?' if nearest else ''}"
    for call in found.each_async:
        yield call, f"an async function is not awaited{_FOR_EACH}"


class _Calls:
    """The calls of one script, and what the names in it stand for."""

    def __init__(self, syntax: SyntaxTree, entry: bytes) -> None:
        self._syntax = syntax
        self._entry = entry
        self.uses: dict[bytes, list[Node]] = {}
        """Where each name stands in the text."""
        self._meanings: dict[tuple[Scope, bytes], bytes] = {}
        """A name that is declared in a scope may mean a ctx, cxC5Server, the action that was taken out of a ctx, or an
        async function.
        Names that mean anything else are not here."""
        self._async_functions: list[tuple[Node, Scope]] = []
        """The name of each that is declared as one, and where."""
        self._calls: list[tuple[Node, Scope]] = []
        self.unknown: list[tuple[Node, str, str]] = []
        """Functions asked of a ctx that has none so called: where, the ctx's name, the function's."""
        self._calling: set[str] = set()
        """Names of what is asked for something that a call has, and so is no web socket."""
        self.each_async: list[Node] = []
        """Calls of forEach with an async function."""
        self._made: set[bytes] = set()
        """Properties that the script gives to something by assignment."""
        self._given: list[tuple[Node, Node, Scope]] = []
        """Each name or pattern that is given a value, that value, and where."""

    def of_actions(self) -> list[tuple[Node, bytes]]:
        """Every call of an action, with the words of its function."""
        for visit in ScopeWalk(self._syntax):
            self._visit(visit)
        for declared, scope in self._async_functions:
            self._mean(self._syntax.text(declared), scope, _ASYNC)
        # Once for what is declared by ctx itself, once more for other names of those.
        for _ in range(2):
            for target, value, scope in self._given:
                self._syntax.check_deadline()
                self._give(target, value, scope)
        found = []
        for node, scope in self._calls:
            name = self._action(node, scope)
            if name is not None:
                found.append((node, name))
        sockets = {owner for _, owner, name in self.unknown if name.encode() in _SOCKET} - self._calling
        self.unknown = [
            (function, owner, name)
            for function, owner, name in self.unknown
            if name.encode() not in self._made and not (owner in sockets and name.encode() in _SOCKET)
        ]
        return found

    def _visit(self, visit: Visit) -> None:
        node, kind = visit.node, visit.type
        if visit.name is not None:
            if kind != "shorthand_property_identifier_pattern":
                self.uses.setdefault(visit.name, []).append(node)
        elif kind in FUNCTIONS:
            self._parameters(visit)
            name = node.child_by_field_name("name")
            if kind == "function_declaration" and name is not None and _is_async(node):
                self._async_functions.append((name, visit.parent.scope))
        elif kind == "import_statement":
            self._import(node, visit.scope)
        elif kind in ("variable_declarator", "assignment_expression"):
            target = node.child_by_field_name("name" if kind == "variable_declarator" else "left")
            value = node.child_by_field_name("value" if kind == "variable_declarator" else "right")
            if target is not None and value is not None:
                self._given.append((target, value, visit.scope))
                if target.type == "member_expression":
                    self._made.add(_method(self._syntax, target))
        elif kind == "call_expression":
            self._calls.append((node, visit.scope))
            if self._is_each_async(node):
                self.each_async.append(node)

    # ---- what names mean ----

    def _parameters(self, function: Visit) -> None:
        single = function.node.child_by_field_name("parameter")
        parameters = function.node.child_by_field_name("parameters")
        given = [single] if single is not None else [*named_children(parameters)] if parameters is not None else []
        given = [one for one in given if one.type != "comment"]
        is_entry = self._is_entry(function)
        for index, one in enumerate(given):
            target = one.child_by_field_name("left") if one.type == "assignment_pattern" else one
            if target is None:
                continue
            if target.type == "identifier":
                name = self._syntax.text(target)
                if name == b"ctx" or (is_entry and index == 1):
                    self._meanings[function.scope, name] = _CTX
            elif target.type == "object_pattern" and is_entry and index == 1:
                for name, action in self._taken_out(target):
                    self._meanings[function.scope, name] = action

    def _is_entry(self, function: Visit) -> bool:
        name = function.node.child_by_field_name("name")
        parent = function.parent.node
        if name is not None and self._syntax.text(name) == self._entry:
            return True
        if parent.type == "export_statement":
            return any(child.type == "default" for child in children(parent))
        target = parent.child_by_field_name("name" if parent.type == "variable_declarator" else "left")
        return (
            parent.type in ("variable_declarator", "assignment_expression")
            and target is not None
            and self._syntax.text(target) in (self._entry, b"globalThis." + self._entry)
        )

    def _import(self, node: Node, scope: Scope) -> None:
        source = node.child_by_field_name("source")
        if source is None or self._syntax.text(source)[1:-1] != MODULE:
            return
        for clause in named_children(node):
            if clause.type == "import_clause":
                for part in named_children(clause):
                    if part.type == "identifier":
                        self._meanings[scope, self._syntax.text(part)] = _CLASS

    def _give(self, target: Node, value: Node, scope: Scope) -> None:
        meaning = self._meaning(value, scope)
        if meaning is None:
            return
        if target.type == "identifier":
            self._mean(self._syntax.text(target), scope, meaning)
        elif target.type == "object_pattern" and meaning == _CTX:
            for name, action in self._taken_out(target):
                self._mean(name, scope, action)

    def _mean(self, name: bytes, scope: Scope, meaning: bytes) -> None:
        declared_in = scope.declaring(name)
        if declared_in is not None:
            self._meanings[declared_in, name] = meaning

    def _taken_out(self, pattern: Node) -> Iterator[tuple[bytes, bytes]]:
        """Each name in a pattern that takes an action out of a ctx, and which."""
        for one in named_children(pattern):
            key: Node | None = one
            local: Node | None = one
            if one.type == "pair_pattern":
                key, local = one.child_by_field_name("key"), one.child_by_field_name("value")
            if key is not None and local is not None and self._syntax.text(key) in ACTIONS:
                yield self._syntax.text(local), self._syntax.text(key)

    def _named(self, name: bytes, scope: Scope) -> bytes | None:
        """What a name means where it stands."""
        declared_in = scope.declaring(name)
        return self._meanings.get((declared_in, name)) if declared_in is not None else None

    def _meaning(self, value: Node, scope: Scope) -> bytes | None:
        """What an expression gives: a ctx, the class of one, an async function, or nothing of interest."""
        if value.type == "identifier":
            return self._named(self._syntax.text(value), scope)
        if value.type == "new_expression":
            constructor = value.child_by_field_name("constructor")
            if constructor is not None and constructor.type == "identifier":
                name = self._syntax.text(constructor)
                is_undeclared = scope.bindings.get(name) is None
                is_class = self._named(name, scope) == _CLASS or (name == MODULE and is_undeclared)
                return _CTX if is_class else None
        if value.type in _FUNCTION_VALUES:
            return _ASYNC if _is_async(value) else None
        return _CLASS if value.type == "call_expression" and self._requires_class(value) else None

    def _requires_class(self, call: Node) -> bool:
        function, given = call.child_by_field_name("function"), call.child_by_field_name("arguments")
        if function is None or function.type != "identifier" or self._syntax.text(function) != b"require":
            return False
        if given is None or given.named_child_count != 1:
            return False
        (name,) = named_children(given)
        return name.type == "string" and self._syntax.text(name)[1:-1] == MODULE

    def _action(self, call: Node, scope: Scope) -> bytes | None:
        function = call.child_by_field_name("function")
        if function is None:
            return None
        if function.type == "identifier":
            name = self._syntax.text(function)
            meaning = self._named(name, scope)
            return name if meaning in ACTIONS or meaning == _ASYNC else None
        if function.type != "member_expression":
            return None
        owner = function.child_by_field_name("object")
        member = function.child_by_field_name("property")
        if owner is None or member is None:
            return None
        while owner.type == "parenthesized_expression" and owner.named_child_count == 1:
            owner = nth_named_child(owner, 0)
        if self._meaning(owner, scope) != _CTX:
            return None
        words, name = self._syntax.text(owner) if owner.type == "identifier" else b"ctx", self._syntax.text(member)
        if name in _MEMBERS:
            self._calling.add(words.decode("utf-8", "replace"))
        if name not in ACTIONS:
            if name not in _MEMBERS and name not in _OBJECT and len(name) <= _LONGEST_NAME:
                self.unknown.append((function, words.decode("utf-8", "replace"), name.decode("utf-8", "replace")))
            return None
        return words + b"." + name

    def _is_each_async(self, call: Node) -> bool:
        function, given = call.child_by_field_name("function"), call.child_by_field_name("arguments")
        if function is None or given is None or function.type != "member_expression":
            return False
        first = nth_named_child(given, 0) if given.named_child_count else None
        return (
            _method(self._syntax, function) in _EACH
            and first is not None
            and first.type in _FUNCTION_VALUES
            and _is_async(first)
        )


def _is_async(function: Node) -> bool:
    return any(child.type == "async" for child in children(function))


# ---- what becomes of a promise ----


def _lost(syntax: SyntaxTree, call: Node, uses: dict[bytes, list[Node]]) -> str:
    """What to add to the message about a promise that nobody minds; empty where somebody does."""
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
    """What `_lost` says of an operand of an operator; None where the operator's result is the promise still."""
    kind = parent.type
    if kind == "ternary_expression":
        return _AS_CONDITION if _is_field(parent, "condition", node) else None
    if kind == "binary_expression":
        operator = parent.child_by_field_name("operator")
        word = operator.type if operator is not None else ""
        return None if word in ("&&", "||", "??") else _AS_VALUE
    if kind == "sequence_expression":
        is_last = nth_named_child(parent, -1) == node
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


def _kept(syntax: SyntaxTree, parent: Node, node: Node, uses: dict[bytes, list[Node]]) -> str:
    target = parent.child_by_field_name("name" if parent.type == "variable_declarator" else "left")
    if target is None or _is_field(parent, "left", node):
        return ""
    if target.type in ("object_pattern", "array_pattern") or _is_of_result(syntax, target):
        return _AS_VALUE
    if target.type != "identifier":
        return ""
    others = [one for one in uses.get(syntax.text(target), ()) if one != target][: _MOST_USES + 1]
    name = syntax.text(target).decode("utf-8", "replace")
    if not others:
        return f": `{name}` is not used any more"
    # Where it is awaited or handed on anywhere, it was meant as the promise that it is.
    if len(others) <= _MOST_USES and all(_is_asked(syntax, one) for one in others):
        return f": `{name}` is a promise, and what is asked of it is not there yet"
    return ""


def _is_of_result(syntax: SyntaxTree, target: Node) -> bool:
    """Whether it is read of a script's data at its end, as ``data.headers`` is, where no promise has a place."""
    return target.type == "member_expression" and _method(syntax, target) in _READ_AT_THE_END


def _is_asked(syntax: SyntaxTree, name: Node) -> bool:
    """Whether a name stands where a property of its value is asked for, other than a promise's own."""
    member = name.parent
    return (
        member is not None
        and member.type == "member_expression"
        and _is_field(member, "object", name)
        and _method(syntax, member) not in _OF_A_PROMISE
    )


def _returned(syntax: SyntaxTree, arrow: Node) -> str:
    """What becomes of the promise that an arrow function without braces gives to whoever calls it."""
    arguments = arrow.parent
    call = arguments.parent if arguments is not None and arguments.type == "arguments" else None
    function = call.child_by_field_name("function") if call is not None else None
    if function is not None and function.type == "member_expression" and _method(syntax, function) in _EACH:
        return _FOR_EACH
    return ""


def _is_field(parent: Node, name: str, node: Node) -> bool:
    return parent.child_by_field_name(name) == node
