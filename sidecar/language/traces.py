"""Whether a run may leave something for the next one in the same context: in globals or the language's own objects.

Such a script has a context of its own for each run, made anew: 0.25 ms more. What is taken for a trace: an assignment
to a name that is not declared, or to a property of what is not (`Math.random = ...`, `Array.prototype.last = ...`), or
of a module; one of the language's own objects handed on as a value; `this` where it is the global object; ways to an
object's prototype; and `eval`. In doubt it is a trace. Not followed: names that are put together while the script runs.
"""

import time
from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from sidecar.language.scopes import FUNCTIONS, IMPORT_NAMES, Scope, ScopeWalk, Visit
from sidecar.language.syntax_tree import CheckTimeoutError, SyntaxTree, parse_script

LOOK_SECONDS: Final = 5.0
"""A script that takes longer to look through is taken for one that leaves something."""

_GLOBALS: Final = frozenset(
    b"""
    globalThis Object Function Array Number Boolean String Symbol BigInt Date RegExp Promise Proxy Map Set WeakMap
    WeakSet Error DisposableStack AsyncDisposableStack DOMException SuppressedError
    AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError InternalError ArrayBuffer
    DataView Iterator Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array Float16Array
    Float32Array Float64Array BigInt64Array BigUint64Array JSON Math Reflect parseInt parseFloat isNaN isFinite escape
    unescape encodeURI encodeURIComponent decodeURI decodeURIComponent console Intl
    """.split()
)
_PLAIN_FUNCTIONS: Final = frozenset(
    b"Number String Boolean BigInt parseInt parseFloat isNaN isFinite encodeURIComponent decodeURIComponent".split()
)
"""What is handed to functions such as map and filter, and does not come back."""
_MADE_ANEW: Final = frozenset([b"process"])
"""Globals that each run has its own of."""
_COMPILES: Final = frozenset([b"eval", b"Function"])
_TO_A_PROTOTYPE: Final = frozenset(b"__proto__ getPrototypeOf setPrototypeOf __defineGetter__ __defineSetter__".split())
_MEMBERS: Final = frozenset(["member_expression", "subscript_expression"])
_METHODS: Final = frozenset(["method_definition", "class_static_block"])


def leaves_traces(text: str) -> bool:
    """Whether a run of this script may leave something for the next. True also where that cannot be told in time."""
    try:
        syntax = parse_script(text, time.monotonic() + LOOK_SECONDS)
        return _Looking(syntax).found()
    except CheckTimeoutError:
        return True


class _Looking:
    def __init__(self, syntax: SyntaxTree) -> None:
        self._syntax = syntax
        self._functions: dict[Scope, str] = {}
        """What each function is, by its scope."""
        self._uses: list[Visit] = []
        self._targets: list[tuple[bytes, Scope]] = []
        """Names of which something is assigned to, and where that stands."""
        self._modules: set[bytes] = set()
        """Names of what was imported or required: all runs in a context have the same."""
        self._changed: set[bytes] = set()
        """Names of what has properties assigned to."""

    def found(self) -> bool:
        # To the end, whatever is found: only then is it known where names are declared.
        traces = [visit.type for visit in ScopeWalk(self._syntax) if self._is_trace(visit)]
        return (
            bool(traces)
            or any(scope.bindings.get(name) is None and name not in _MADE_ANEW for name, scope in self._targets)
            or any(self._hands_on(visit) for visit in self._uses)
            or not self._modules.isdisjoint(self._changed)
        )

    def _is_trace(self, visit: Visit) -> bool:
        """Whether a node is one by itself. Names, which may be declared further down, are kept for later."""
        kind, node = visit.type, visit.node
        if kind in FUNCTIONS:
            self._functions[visit.scope] = kind
        if visit.name is not None:
            if visit.parent.type in IMPORT_NAMES or self._is_required(visit):
                self._modules.add(visit.name)
            if not visit.is_declaration and (visit.name in _GLOBALS or visit.name in _COMPILES):
                self._uses.append(visit)
            return False
        match kind:
            case "assignment_expression" | "augmented_assignment_expression":
                return self._assigns(node.child_by_field_name("left"), visit)
            case "update_expression":
                return self._assigns(node.child_by_field_name("argument"), visit)
            case "unary_expression":
                operator = node.child_by_field_name("operator")
                deletes = operator is not None and operator.type == "delete"
                return deletes and self._assigns(node.child_by_field_name("argument"), visit)
            case "for_in_statement":
                declares = node.child_by_field_name("kind") is not None
                return not declares and self._assigns(node.child_by_field_name("left"), visit)
            case "with_statement":
                return True
            case "this":
                function = self._function(visit)
                # Within one, its properties may be read.
                return function not in _METHODS and (function is None or visit.parent.type not in _MEMBERS)
            case "member_expression" | "subscript_expression":
                return self._leads_to_prototype(node, visit)
        return False

    def _assigns(self, target: Node | None, visit: Visit) -> bool:
        for one in _targets(target):
            root, steps = self._root(one)
            if root.type == "this":
                if self._function(visit) not in _METHODS:
                    return True
            elif root.type in ("identifier", "shorthand_property_identifier_pattern"):
                self._targets.append((self._syntax.text(root), visit.scope))
                if steps:
                    self._changed.add(self._syntax.text(root))
            if b"constructor" in steps:
                return True
        return False

    def _is_required(self, visit: Visit) -> bool:
        if visit.parent.type != "variable_declarator" or visit.field != "name":
            return False
        value = visit.parent.node.child_by_field_name("value")
        return value is not None and b"require" in self._syntax.text(value)[:200]

    def _root(self, node: Node) -> tuple[Node, list[bytes]]:
        """What a member expression begins with, and the names on the way."""
        steps = []
        while node.type in _MEMBERS or node.type == "parenthesized_expression":
            step = node.child_by_field_name("property") or node.child_by_field_name("index")
            inner = node.child_by_field_name("object") or next(iter(node.named_children), None)
            if inner is None:
                break
            if step is not None:
                steps.append(self._syntax.text(step).strip(b"'\"`"))
            node = inner
        return node, steps

    def _leads_to_prototype(self, node: Node, visit: Visit) -> bool:
        step = node.child_by_field_name("property") or node.child_by_field_name("index")
        if step is None or step.type not in ("property_identifier", "string"):
            return False
        name = self._syntax.text(step).strip(b"'\"")
        if name in _TO_A_PROTOTYPE:
            return True
        goes_on = visit.parent.type in _MEMBERS and visit.field == "object"
        if name == b"constructor":
            following = visit.parent.node.child_by_field_name("property") if goes_on else None
            return following is None or self._syntax.text(following) != b"name"
        if name == b"prototype":
            root = node.child_by_field_name("object")
            # Of a class of the script's own it may be handed on.
            return not goes_on and root is not None and self._syntax.text(root) in _GLOBALS
        return False

    def _function(self, visit: Visit) -> str | None:
        """What the function is whose ``this`` stands here; None at the top. In a plain function it is the global object
        where that is called by its name."""
        scope = visit.parent.scope.function
        while self._functions.get(scope) == "arrow_function" and scope.parent is not None:
            scope = scope.parent.function
        return self._functions.get(scope)

    def _hands_on(self, visit: Visit) -> bool:
        """Whether one of the language's own objects becomes a value that something else may change."""
        name, parent = visit.name, visit.parent
        if name is None or parent.scope.bindings.get(name) is not None:
            return False
        match parent.type, visit.field:
            case ("call_expression", "function") | ("new_expression", "constructor"):
                return name in _COMPILES
            case (("member_expression" | "subscript_expression"), "object") | ("class_heritage", _):
                return False
            case ("unary_expression", _) | ("binary_expression", _):
                return False
            case ("arguments", _):
                return name not in _PLAIN_FUNCTIONS
        return name not in _PLAIN_FUNCTIONS or parent.type == "variable_declarator"


def _targets(target: Node | None) -> Iterator[Node]:
    """Everything that is assigned to by an assignment to this, which may be a pattern."""
    waiting = [target] if target is not None else []
    while waiting:
        node = waiting.pop()
        match node.type:
            case "array_pattern" | "object_pattern" | "rest_pattern":
                waiting += node.named_children
            case "pair_pattern":
                value = node.child_by_field_name("value")
                waiting += [value] if value is not None else []
            case "assignment_pattern" | "object_assignment_pattern":
                left = node.child_by_field_name("left")
                waiting += [left] if left is not None else []
            case _:
                yield node
