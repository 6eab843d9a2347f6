"""What a script reads of a whole module by a dot, where that has nothing of the name: `kv.get` of `import kv from
'cxKV'`."""

from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from sandbox.program import Form
from sidecar.language.file_graph import Graph, GraphFile, no_export, provides
from sidecar.language.file_modules import DEFAULT
from sidecar.language.module_exports import module_exports
from sidecar.language.scopes import ScopeWalk, Visit

_OF_EVERY_OBJECT: Final = frozenset(["constructor", "hasOwnProperty", "toString", "valueOf"])


def lacking_members(one: GraphFile, graph: Graph) -> Iterator[tuple[Node, str]]:
    """Each such use, with what to tell. Raises CheckTimeoutError at the tree's deadline."""
    wholes = dict(_wholes(one, graph))
    if not wholes or one.syntax is None:
        return
    used: list[Visit] = [
        visit for visit in ScopeWalk(one.syntax, frozenset(wholes)) if visit.name in wholes and _is_object(visit)
    ]
    for visit in used:
        # Known once the walk is over: another declaration of the name may stand below.
        scope = visit.parent.scope.declaring(visit.name) if visit.name is not None else None
        member = visit.parent.node.child_by_field_name("property")
        if scope is None or not scope.is_program or member is None or visit.name is None:
            continue
        source = wholes[visit.name]
        name = one.syntax.text(member).decode("utf-8", "replace")
        if not _has(one, graph, source, name):
            other = graph.files.get(one.links.get(source, ""))
            yield member, no_export(other, source, name)


def _wholes(one: GraphFile, graph: Graph) -> Iterator[tuple[bytes, str]]:
    """By the names that they have in a file, the names in quotes of what is imported as a whole."""
    for local, taken in one.modules.imports.items():
        target = graph.files.get(one.links.get(taken.source, ""))
        if target is None:
            # A module of the host has all that it exports as its default too.
            if module_exports(taken.source) not in (None, frozenset((DEFAULT,))):
                yield local.encode(), taken.source
        elif taken.name == "*" and target.modules.form is Form.MODULE and target.syntax is not None:
            yield local.encode(), taken.source


def _has(one: GraphFile, graph: Graph, source: str, name: str) -> bool:
    target = graph.files.get(one.links.get(source, ""))
    if target is not None:
        return provides(graph.files, target, name)
    exports = module_exports(source)
    return exports is None or name in exports or name in _OF_EVERY_OBJECT


def _is_object(visit: Visit) -> bool:
    if visit.is_declaration or visit.field != "object" or visit.parent.type != "member_expression":
        return False
    around = visit.parent.node.parent
    return around is None or around.type != "unary_expression"  # `typeof kv.get` minds whether it is there
