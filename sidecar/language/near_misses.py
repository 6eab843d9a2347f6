"""Properties of ``data`` that are one mistake away from those that are read: ``data.header`` changes nothing."""

import difflib
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from tree_sitter import Node

from sidecar.language.scopes import Scope, ScopeWalk, Visit
from sidecar.language.syntax_tree import SyntaxTree

READ: Final = ("routing", "egress_routing", "headers", "remove_headers")
"""What is read of what a routing script returns."""
READ_OF_ROUTING: Final = ("egress_routing", "headers", "remove_headers", "cli", "dest_number")
"""What of ``data.routing`` means something to the sidecar itself; anything else is the switch's."""
READ_OF_LIST: Final = ("headers", "remove_headers")
"""What of ``data.egress_routing`` is read beside its destinations."""
READ_OF_DESTINATION: Final = ("gw", *READ_OF_LIST)
"""What of ``data.egress_routing[0]`` is."""
CLOSE: Final = 0.75
"""How near a name has to be: ``header``, ``removeHeaders`` and ``egressRouting`` are, ``customer`` is not."""
_GIVEN: Final = re.compile(rb"\.\s{0,100}([A-Za-z_$][A-Za-z0-9_$]{2,30})\s{0,100}(?:[-+*/%&|^?<>]{1,3})?=(?!=)")
"""A property that is given a value. Most scripts give none a name that is nearly right, and are not walked."""
_MOST_GIVEN: Final = 5_000
"""So many assignments are looked at, some 50 us each: a script of 1,000 lines has some hundred."""
_ASSIGNMENTS: Final = frozenset(["assignment_expression", "augmented_assignment_expression"])


def meant(name: str, read: tuple[str, ...] = READ) -> str:
    """The one of the names that are read that this one is nearly, empty for one that is read itself or like none."""
    if name in read:
        return ""
    nearest = difflib.get_close_matches(name.lower(), read, n=1, cutoff=CLOSE)
    return nearest[0] if nearest else ""


def near_misses(syntax: SyntaxTree, entry: str) -> Iterator[tuple[Node, str]]:
    """Each property of the entry's first parameter that is given a value under a name nearly right, with what to tell.

    Raises CheckTimeoutError at the tree's deadline.
    """
    written = {match[1].decode() for match in islice(_GIVEN.finditer(syntax.source), _MOST_GIVEN)}
    if not any(meant(name) or meant(name, READ_OF_ROUTING) for name in written):
        return
    data: set[tuple[Scope, bytes]] = set()
    assigned: list[tuple[Node, Scope]] = []
    for visit in ScopeWalk(syntax):
        name = _first_parameter(syntax, visit, entry.encode())
        if name is not None:
            data.add((visit.scope, name))
        elif visit.type in _ASSIGNMENTS:
            target = visit.node.child_by_field_name("left")
            if target is not None and target.type == "member_expression":
                assigned.append((target, visit.scope))
    for target, scope in assigned:
        owner, member = target.child_by_field_name("object"), target.child_by_field_name("property")
        if owner is None or member is None:
            continue
        owner, read = _of_data(syntax, owner)
        if owner is None or owner.type != "identifier":
            continue
        name = syntax.text(owner)
        declared_in = scope.bindings.get(name)
        if declared_in is None or (declared_in, name) not in data:
            continue
        wrong = syntax.text(member).decode("utf-8", "replace")
        wanted = meant(wrong, read)
        if wanted:
            yield member, f"`{wrong}` is read by nothing; did you mean `{wanted}`?"


def _of_data(syntax: SyntaxTree, owner: Node) -> tuple[Node | None, tuple[str, ...]]:
    """What is left of an expression where it begins in ``data``, and what is read of the object that it gives."""
    is_destination = owner.type == "subscript_expression"
    destinations = owner.child_by_field_name("object") if is_destination else owner
    holder = _asked_for(syntax, destinations, b"egress_routing")
    if holder is not None:
        read = READ_OF_DESTINATION if is_destination else READ_OF_LIST
        return _asked_for(syntax, holder, b"routing") or holder, read
    if is_destination:
        return None, READ
    data = _asked_for(syntax, owner, b"routing")
    return (owner, READ) if data is None else (data, READ_OF_ROUTING)


def _asked_for(syntax: SyntaxTree, node: Node | None, name: bytes) -> Node | None:
    """What a property of this name is asked of; None for anything else."""
    key = node.child_by_field_name("property") if node is not None and node.type == "member_expression" else None
    if node is None or key is None or syntax.text(key) != name:
        return None
    return node.child_by_field_name("object")


def _first_parameter(syntax: SyntaxTree, visit: Visit, entry: bytes) -> bytes | None:
    """The name of the entry's first parameter, where the node is the entry."""
    if visit.type not in ("function_declaration", "function_expression", "arrow_function"):
        return None
    name = visit.node.child_by_field_name("name")
    parent = visit.parent.node
    if name is None and visit.parent.type == "variable_declarator":
        name = parent.child_by_field_name("name")
    is_entry = name is not None and syntax.text(name) == entry
    if not is_entry and visit.parent.type == "export_statement":
        is_entry = any(child.type == "default" for child in parent.children)
    single = visit.node.child_by_field_name("parameter")
    parameters = visit.node.child_by_field_name("parameters")
    given = single if single is not None else next(iter(parameters.named_children if parameters else ()), None)
    return syntax.text(given) if is_entry and given is not None and given.type == "identifier" else None
