"""What a script uses and does not have: names that nobody declared, parts of ``Intl`` and of other objects, and
locales, time zones and options that are not there. Each of these fails when it is reached, which may be never: they are
warnings."""

import difflib
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from tree_sitter import Node

from sandbox.intl.known import has_locale, has_time_zone, locale_names
from sidecar.language.intl_options import OPTIONS, UNAVAILABLE, options_of
from sidecar.language.modules import GLOBALS_OF_NODE
from sidecar.language.scopes import Scope, ScopeWalk, Visit
from sidecar.language.surroundings import is_there, lacks, why_absent
from sidecar.language.syntax_tree import NODES_BETWEEN_LOOKS, SyntaxTree, children, named_children

_TOLD_ELSEWHERE: Final = frozenset(
    ["Promise", "require", "module", "exports", "setTimeout", "setInterval", "setImmediate", "queueMicrotask"]
)
_REALM: Final = frozenset([b"globalThis", b"this"])
_UNKNOWABLE: Final = frozenset([b"eval", b"Function"])
"""Where these are called, names may be declared that nobody can see."""
_ASSIGNING_PARENTS: Final = frozenset(["array_pattern", "object_pattern", "rest_pattern"])
_RANGES: Final = frozenset([b"formatRange", b"formatRangeToParts"])
_LOCALE_METHODS: Final = {
    b"toLocaleString": 0,
    b"toLocaleDateString": 0,
    b"toLocaleTimeString": 0,
    b"localeCompare": 1,
    b"toLocaleUpperCase": 0,
    b"toLocaleLowerCase": 0,
}
"""Which of its arguments is the locale; the options follow it."""
_CASES: Final = (b"toLocaleUpperCase", b"toLocaleLowerCase")
CLOSE: Final = 0.75
_MOST_COMPARED: Final = 10
_MOST_DECLARED: Final = 200
_LONGEST_COMPARED: Final = 60
"""Comparing a name with 500 others takes some 2 ms: a text of many wrong names is not to take minutes."""


class _Reference(NamedTuple):
    name: bytes
    node: Node
    parent: Node
    field: str | None
    scope: Scope


def absent(syntax: SyntaxTree, *, has_modules: bool = False) -> Iterator[tuple[Node, str]]:
    """Each use of what is not there, with what to tell the author. ``has_modules`` says that Node's are: some of them
    are there without being required. Raises CheckTimeoutError at the tree's deadline."""
    found = _Uses(syntax, has_modules=has_modules)
    for visit in ScopeWalk(syntax):
        found.visit(visit)
    yield from found.undefined()
    yield from found.members()
    yield from found.locales()


class _Uses:
    """The names of one script that it did not declare, and its calls that go by a locale."""

    def __init__(self, syntax: SyntaxTree, *, has_modules: bool) -> None:
        self._syntax = syntax
        self._of_node = GLOBALS_OF_NODE if has_modules else frozenset()
        self._references: list[_Reference] = []
        self._calls: list[tuple[Node, Scope]] = []
        self._made: set[bytes] = set()
        """Names that it makes global without declaring them: by assigning to them, or to a property of globalThis."""
        self._made_members: set[tuple[bytes, bytes]] = set()
        self._declared: set[bytes] = set()
        self._unknowable = False
        self._compared = 0

    def visit(self, visit: Visit) -> None:
        """Notes what one node of the walk says."""
        if visit.name is not None:
            if visit.is_declaration:
                self._declared.add(visit.name)
            else:
                self._references.append(
                    _Reference(visit.name, visit.node, visit.parent.node, visit.field, visit.parent.scope)
                )
        elif visit.type in ("call_expression", "new_expression"):
            self._calls.append((visit.node, visit.scope))
        elif visit.type in ("assignment_expression", "augmented_assignment_expression"):
            self._assigned(visit.node.child_by_field_name("left"))
        elif visit.type == "with_statement":
            self._unknowable = True

    def _assigned(self, target: Node | None) -> None:
        if target is None or target.type != "member_expression":
            return
        owner, member = target.child_by_field_name("object"), target.child_by_field_name("property")
        if owner is None or member is None:
            return
        if self._syntax.text(owner) in _REALM:
            self._made.add(self._syntax.text(member))
        else:
            self._made_members.add((self._syntax.text(owner), self._syntax.text(member)))

    def _of_surroundings(self) -> Iterator[_Reference]:
        """References to what the script has not declared."""
        for number, one in enumerate(self._references):
            if not number % NODES_BETWEEN_LOOKS:
                self._syntax.check_deadline()
            if one.scope.bindings.get(one.name) is None and one.name != b"arguments" and not _is_no_use(one):
                yield one

    # ---- names ----

    def undefined(self) -> Iterator[tuple[Node, str]]:
        """Names that are neither declared nor there, but for those that the script asks for by typeof first."""
        unresolved = list(self._of_surroundings())
        tested = {one.name for one in unresolved if _is_tested(one)}
        self._made |= {one.name for one in unresolved if _is_assigned(one)}
        called = {one.name for one in unresolved if one.field in ("function", "constructor")}
        self._unknowable |= bool(called & _UNKNOWABLE)
        for one in unresolved:
            name = one.name.decode("utf-8", "replace")
            if name in _TOLD_ELSEWHERE or is_there(name) or one.name in tested or one.name in self._made:
                continue
            if name in self._of_node:
                continue
            if _is_operator(one):
                continue
            message = why_absent(name)
            if message == f"`{name}` is not available":
                if self._unknowable:
                    continue
                message = f"`{name}` is not defined{self._near(name)}"
            yield one.node, message

    def _near(self, name: str) -> str:
        if name.encode("utf-8", "replace") in self._declared:
            return " here"
        self._compared += 1
        if self._compared > _MOST_COMPARED or len(name) > _LONGEST_COMPARED:
            return ""
        known = [each.decode("utf-8", "replace") for each in islice(self._declared, _MOST_DECLARED)]
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=CLOSE)
        return f"; did you mean `{nearest[0]}`?" if nearest else ""

    # ---- members ----

    def members(self) -> Iterator[tuple[Node, str]]:
        """Members that an object of the surroundings lacks, where they are called or read through."""
        uses: list[tuple[Node, bytes, bytes]] = []
        asked: set[tuple[bytes, bytes]] = set()
        for one in self._of_surroundings():
            access = _access(self._syntax, one)
            if access is None:
                continue
            node, owner, member = access
            if _is_needed(node):
                uses.append((node, owner, member))
            else:
                asked.add((owner, member))
        for node, owner, member in uses:
            name, text = owner.decode("utf-8", "replace"), member.decode("utf-8", "replace")
            if (owner, member) in asked or (owner, member) in self._made_members:
                continue
            if owner == b"globalThis":
                if member in self._made or is_there(text) or text in self._of_node:
                    continue
                yield node, why_absent(text) if why_absent(text).count(":") else f"`{text}` is not defined"
            elif lacks(name, text) and owner not in self._made and not (self._of_node and name == "process"):
                yield node, f"`{name}.{text}` is not available"

    # ---- locales ----

    def locales(self) -> Iterator[tuple[Node, str]]:
        """Locales, time zones and options that are not there, where they stand in the call itself."""
        for number, (call, scope) in enumerate(self._calls):
            if not number % NODES_BETWEEN_LOOKS:
                self._syntax.check_deadline()
            function = call.child_by_field_name("function") or call.child_by_field_name("constructor")
            arguments = call.child_by_field_name("arguments")
            if function is None or arguments is None or function.type != "member_expression":
                continue
            member, owner = function.child_by_field_name("property"), function.child_by_field_name("object")
            if member is None or owner is None:
                continue
            name = self._syntax.text(member)
            if name in _RANGES:
                yield member, f"`{name.decode()}` is not available"
                continue
            index = _LOCALE_METHODS.get(name)
            if self._syntax.text(owner) == b"Intl" and scope.bindings.get(b"Intl") is None:
                index = 0
            if index is None:
                continue
            given = [one for one in named_children(arguments) if one.type != "comment"]
            if len(given) > index:
                yield from self._locale(given[index], name)
            if len(given) > index + 1 and given[index + 1].type == "object":
                yield from self._options(given[index + 1], name.decode())

    def _locale(self, node: Node, method: bytes) -> Iterator[tuple[Node, str]]:
        locale = self._literal(node)
        if locale is None or method in _CASES or has_locale(locale):
            return
        yield node, f"the locale {locale[:40]!r} is not available; there are {', '.join(locale_names())}"

    def _options(self, options: Node, method: str) -> Iterator[tuple[Node, str]]:
        known = options_of(method)
        for pair in named_children(options):
            key, value = pair.child_by_field_name("key"), pair.child_by_field_name("value")
            if pair.type == "shorthand_property_identifier":
                key = pair
            if key is None or key.type not in ("property_identifier", "string", "shorthand_property_identifier"):
                continue
            name = self._syntax.text(key).decode("utf-8", "replace").strip("'\"")
            if known and name not in known:
                nearest = difflib.get_close_matches(name.lower(), [each.lower() for each in known], n=1, cutoff=CLOSE)
                meant = next((each for each in known if nearest and each.lower() == nearest[0]), "")
                hint = f"; did you mean `{meant}`?" if meant else ""
                yield key, f"`{name[:40]}` is no option of `{method}`{hint}"
                continue
            text = self._literal(value) if value is not None else None
            if value is None or text is None:
                continue
            if name == "timeZone" and not has_time_zone(text):
                yield value, f"there is no time zone {text[:60]!r}"
            elif text in UNAVAILABLE.get(name, ()):
                yield value, f"`{name}` of {text!r} is not available"
            elif name in OPTIONS and OPTIONS[name] and text not in OPTIONS[name]:
                yield value, f"`{name}` is one of {', '.join(sorted(OPTIONS[name]))}"

    def _literal(self, node: Node) -> str | None:
        """The text of a string without escapes."""
        if node.type != "string":
            return None
        text = self._syntax.text(node)[1:-1].decode("utf-8", "replace")
        return None if "\\" in text else text


def _is_no_use(one: _Reference) -> bool:
    """Whether a name stands there and means no variable: an export's other name, or one of another file's, or what of
    JSX is told of as such."""
    if one.parent.type == "export_specifier":
        clause = one.parent.parent
        statement = clause.parent if clause is not None else None
        return one.field == "alias" or (statement is not None and statement.child_by_field_name("source") is not None)
    return one.parent.type.startswith("jsx_")


def _is_operator(one: _Reference) -> bool:
    """Whether it is an ``await`` that the grammar takes for a function's name, as in ``await (await f()).g()``."""
    function = one.scope.function
    return one.name == b"await" and one.field == "function" and (function.is_async or function.is_program)


def _is_tested(one: _Reference) -> bool:
    operator = one.parent.child_by_field_name("operator")
    return operator is not None and (
        (one.parent.type == "unary_expression" and operator.type == "typeof")
        or (one.parent.type == "binary_expression" and operator.type == "instanceof" and one.field == "right")
    )


def _is_assigned(one: _Reference) -> bool:
    kind = one.parent.type
    return (
        (kind == "assignment_expression" and one.field == "left")
        or (kind == "for_in_statement" and one.field == "left")
        or kind in _ASSIGNING_PARENTS
        or (kind == "pair_pattern" and one.field == "value")
        or (kind in ("assignment_pattern", "object_assignment_pattern") and one.field == "left")
        or one.node.type == "shorthand_property_identifier_pattern"
    )


def _access(syntax: SyntaxTree, one: _Reference) -> tuple[Node, bytes, bytes] | None:
    """``name.member`` where that is what is done with a name."""
    if one.parent.type != "member_expression" or one.field != "object":
        return None
    member = one.parent.child_by_field_name("property")
    return None if member is None else (one.parent, one.name, syntax.text(member))


def _is_needed(access: Node) -> bool:
    """Whether the member is called or read through, without asking whether it is there."""
    parent = access.parent
    if parent is None or any(child.type == "optional_chain" for child in children(parent)):
        return False
    if parent.type in ("call_expression", "new_expression"):
        function = parent.child_by_field_name("function") or parent.child_by_field_name("constructor")
        return function == access
    return (
        parent.type in ("member_expression", "subscript_expression") and parent.child_by_field_name("object") == access
    )
