"""What the engine's errors leave out: which expression was undefined, or is no function, and where.

The engine names the property and not what it was asked of, and notes few places (engine_places.py). The script's text
says the rest.
"""

import re
from collections.abc import Iterable
from typing import Final

import msgspec
from tree_sitter import Node

from sandbox.outcome import Threw
from sidecar.language.engine_places import (
    CALLS,
    NODES,
    Place,
    around,
    called,
    calls_at,
    functions_at,
    is_in_super,
    is_of_this,
    made_at,
)
from sidecar.language.surroundings import why_undefined
from sidecar.language.syntax_tree import SyntaxTree, nth_named_child, walk
from sidecar.language.taken_apart import destructured, iterated

_PROPERTY: Final = re.compile(r"cannot (read|set) property '(.*)' of (undefined|null)", re.DOTALL)
_DESTRUCTURED: Final = "Cannot convert undefined or null to object"
_NO_FUNCTION: Final = frozenset(["not a function", "not a constructor"])
_ITERATED: Final = "Symbol.iterator"
_UNDEFINED: Final = re.compile(r"([A-Za-z_$][\w$]{0,40}) is not defined")
_NOT_ITERABLE: Final = "value is not iterable"
_OPERAND: Final = re.compile(r"invalid '(in|instanceof)' (?:right )?operand")
_CLASS_CALLED: Final = "class constructors must be invoked with 'new'"
_NO_PARENT: Final = "parent class must be constructor"
_TARGETS: Final = {
    "no setter for property": "{target} has a getter and no setter",
    "object is not extensible": "{target} cannot be added: {owner} is not extensible",
    "could not delete property": "could not delete {target}",
    "not an object": "cannot set {target}: {owner} is not an object",
    "value has no property": "cannot change {target}: {owner} is undefined or null",
    _DESTRUCTURED: "cannot delete {target}: {owner} is undefined or null",
}
"""What the engine says of a property that is set, changed or deleted, and what there is to say with the text."""

_MEMBERS: Final = frozenset(["member_expression", "subscript_expression"])
_ASSIGNMENTS: Final = frozenset(["assignment_expression", "augmented_assignment_expression"])
_ALTERNATIVES: Final = 3
"""Expressions that are named where it may have been any of them."""


class Explanation(msgspec.Struct, frozen=True):
    """The engine's message made whole, and the place that it is about, counting from 1, columns in characters."""

    message: str
    line: int
    column: int


def explained(syntax: SyntaxTree, threw: Threw) -> Explanation | None:
    """What the text says of an error that a script threw; None where it says no more than the engine.

    Looks at a bounded number of nodes, whatever the text and the place are.
    """
    if threw.location is None:
        return None
    line, column = threw.location.line, threw.location.column
    offset = syntax.offset(line, column)
    if offset is None:
        return None
    nodes = list(around(syntax, offset))
    frame = threw.stack[0].partition(" ")[0] if threw.stack else ""
    place = Place(syntax, offset, nodes, functions_at(syntax, nodes, offset, column, frame))
    message = threw.message
    found = _in_builtin(place, message, threw.builtin) if threw.builtin else _in_text(place, message)
    if found is not None:
        node, words = found
        return Explanation(words, *syntax.place(node))
    in_same_file = threw.caller is not None and threw.caller.file == threw.location.file
    if threw.caller is not None and in_same_file and not threw.builtin and is_in_super(nodes, offset):
        # An error of a class of the author's own: made where the class is called, not within it.
        caller = syntax.offset(threw.caller.line, threw.caller.column)
        if caller is not None:
            return Explanation(message, *syntax.place_of_byte(caller))
    undefined = _UNDEFINED.fullmatch(message)
    if undefined is not None and (why := why_undefined(undefined[1])):
        return Explanation(f"{message}: {why}", *syntax.place_of_byte(offset))
    made = None if threw.builtin else made_at(syntax, nodes, offset, threw.name)
    return None if made is None or syntax.place(made) == (line, column) else Explanation(message, *syntax.place(made))


def place_of_subject(syntax: SyntaxTree, subject: str) -> tuple[int, int] | None:
    """Line and column of the first text in quotes that is this, or else of what is assigned to a property so called:
    where a script most likely set what turned out to be wrong.

    Raises CheckTimeoutError at the tree's deadline.
    """
    wanted = subject.encode("utf-8", "replace")
    assigned: Node | None = None
    for number, (_, node) in enumerate(walk(syntax, syntax.tree.walk())):
        if number == NODES:
            break
        if node.type == "string" and syntax.text(node)[1:-1] == wanted:
            return syntax.place(node)
        if assigned is None and node.type == "assignment_expression":
            target = node.child_by_field_name("left")
            member = target.child_by_field_name("property") if target is not None else None
            if member is not None and syntax.text(member) == wanted:
                assigned = node
    return None if assigned is None else syntax.place(assigned)


def _in_text(place: Place, message: str) -> tuple[Node, str] | None:
    """What the engine threw in the script's own text."""
    property_error = _PROPERTY.fullmatch(message)
    operand = _OPERAND.fullmatch(message)
    found: tuple[Node, str] | None = None
    if message in _NO_FUNCTION:
        return _no_function(place, message)
    if message == _NO_PARENT:
        return _parent(place)
    if message == _CLASS_CALLED:
        return _class_called(place)
    if operand is not None:
        return _operand(place, operand[1])
    if message in _TARGETS:
        found = _target(place, _TARGETS[message], only_deleted=message == _DESTRUCTURED)
    if found is None and message == _DESTRUCTURED:
        found = destructured(place)
    if message == _NOT_ITERABLE:
        found = iterated(place, "not iterable")
    if property_error is not None:
        doing, name, nothing = property_error.groups()
        if name == _ITERATED:
            found = iterated(place, nothing)
        if found is None:
            found = _property(place, message, name, nothing, is_set=doing == "set")
    return found


def _property(place: Place, message: str, name: str, nothing: str, *, is_set: bool) -> tuple[Node, str] | None:
    """The expressions whose property has this name, and what it was asked of: the one around the place, or those after
    it that note no place of their own."""
    wanted = name.encode("utf-8", "replace")
    around_it: list[Node] = []
    for node in place.within():
        around_it.append(node)
        target = node.child_by_field_name("left") if is_set and node.type in _ASSIGNMENTS else None
        if target is not None and not target.start_byte <= place.offset < target.end_byte:
            around_it.append(target)
    owners = _owners(place.syntax, around_it, wanted)
    if not owners:
        following = (node for node in place.after() if node.type in _MEMBERS and is_of_this(node))
        owners = _owners(place.syntax, following, wanted)
        told = list(dict.fromkeys(place.excerpt(owner) for owner in owners))
        if not 0 < len(told) <= _ALTERNATIVES:
            return None
        return owners[0], f"{message}: {' or '.join(told)} is {nothing}"
    return (owners[0], f"{message}: {place.excerpt(owners[0])} is {nothing}") if len(owners) == 1 else None


def _owners(syntax: SyntaxTree, nodes: Iterable[Node], wanted: bytes) -> list[Node]:
    """What is asked for a property of this name, or, without one, for a property whose name is computed."""
    exact: list[Node] = []
    computed: list[Node] = []
    for node in nodes:
        owner = node.child_by_field_name("object")
        if owner is None:
            continue
        if node.type == "member_expression":
            key = node.child_by_field_name("property")
            if key is not None and syntax.text(key) == wanted:
                exact.append(owner)
        elif node.type == "subscript_expression":
            key = node.child_by_field_name("index")
            if key is None:
                continue
            if key.type in ("string", "number"):
                if syntax.text(key).strip(b"'\"") == wanted:
                    exact.append(owner)
            else:
                computed.append(owner)
    return exact or computed


def _no_function(place: Place, message: str) -> tuple[Node, str] | None:
    calls = calls_at(place.syntax, place.around, place.offset)
    functions = [function for call in calls if (function := called(call)) is not None]
    if not functions or len(functions) > _ALTERNATIVES:
        return None
    told = " or ".join(place.excerpt(function) for function in functions)
    what = "not a constructor" if calls[0].type == "new_expression" and len(calls) == 1 else message
    arguments = calls[0].child_by_field_name("arguments")
    is_split = arguments is not None and arguments.start_point.row > functions[0].end_point.row
    hint = "; is there a semicolon missing after it?" if is_split else ""
    return functions[0], f"{told} is {what}{hint}"


def _class_called(place: Place) -> tuple[Node, str] | None:
    calls = calls_at(place.syntax, place.around, place.offset)
    function = called(calls[0]) if len(calls) == 1 else None
    if function is None:
        return None
    name = place.excerpt(function)
    return function, f"{name} is a class and is made by `new {name}(...)`"


def _parent(place: Place) -> tuple[Node, str] | None:
    for node in place.around:
        if node.type == "class_heritage" and node.named_child_count:
            parent = nth_named_child(node, 0)
            return parent, f"{place.excerpt(parent)} is not a class that another can extend"
    return None


def _operand(place: Place, operator: str) -> tuple[Node, str] | None:
    """The right side of an ``in`` or ``instanceof``."""
    for node in place.within():
        word = node.child_by_field_name("operator") if node.type == "binary_expression" else None
        right = node.child_by_field_name("right")
        if word is not None and word.type == operator and right is not None:
            needed = "an object or a list" if operator == "in" else "a class"
            return right, f"{place.excerpt(right)} is not {needed}, which `{operator}` needs"
    return None


def _target(place: Place, words: str, *, only_deleted: bool) -> tuple[Node, str] | None:
    """The property that is set, changed or deleted around the place."""
    for node in place.within():
        if node.type == "unary_expression":
            operator = node.child_by_field_name("operator")
            target = node.child_by_field_name("argument") if operator and operator.type == "delete" else None
        elif only_deleted:
            continue
        elif node.type in _ASSIGNMENTS:
            target = node.child_by_field_name("left")
        else:
            target = node.child_by_field_name("argument") if node.type == "update_expression" else None
        owner = target.child_by_field_name("object") if target is not None else None
        if target is not None and owner is not None:
            return target, words.format(target=place.excerpt(target), owner=place.excerpt(owner))
    return None


def _in_builtin(place: Place, message: str, builtin: str) -> tuple[Node, str] | None:
    """What a function of the language threw, with the call that the script wrote."""
    for node in place.around:
        if node.type not in CALLS:
            continue
        function = called(node)
        if function is not None and _last_name(place.syntax, function) == builtin:
            arguments = node.child_by_field_name("arguments")
            first = nth_named_child(arguments, 0) if arguments is not None and arguments.named_child_count else None
            return function, f"{place.excerpt(function)}: {_given(place, first, message)}"
    return None


def _given(place: Place, first: Node | None, message: str) -> str:
    """What a function of the language says of what it was given, whose first argument it needs."""
    if message == "not a function":
        return "an argument is not a function"
    if first is None or first.type == "spread_element":
        return message
    property_error = _PROPERTY.fullmatch(message)
    if message == _DESTRUCTURED:
        return f"{place.excerpt(first)} is undefined or null"
    if message == _NOT_ITERABLE:
        return f"{place.excerpt(first)} is not iterable, and a list is needed"
    if property_error is not None and property_error[2] == _ITERATED:
        return f"{place.excerpt(first)} is {property_error[3]}, and a list is needed"
    return message


def _last_name(syntax: SyntaxTree, function: Node) -> str:
    member = function.child_by_field_name("property")
    return syntax.text(member if member is not None else function)[:100].decode("utf-8", "replace")
