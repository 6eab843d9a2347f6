"""Whether calls can be given to a file, or only other files have use of it."""

from typing import Final

from sandbox.program import Form
from sidecar.kind import KindRules
from sidecar.language.app_files import DECLARATIONS
from sidecar.language.file_graph import Graph, provides
from sidecar.language.file_modules import DEFAULT
from sidecar.language.names import Names, Use

_OLDER_DIALECT: Final = frozenset({"vars", "exit", "err"})


def has_entry_point(graph: Graph, rules: KindRules) -> bool:
    """Whether a script's own file has what a run calls, as far as its text shows; also where it cannot be told."""
    names = graph.entry.names
    if names is None:
        return graph.entry.modules.form is not Form.DATA
    return names.has_entry or _speaks_older_dialect(names) or _exports_entry(graph, rules)


def is_for_others(graph: Graph, rules: KindRules) -> bool:
    """Whether other files could import something of a script's own file, were it types alone."""
    one = graph.entry
    if not rules.has_modules:
        return False
    if one.modules.form is Form.DATA or one.path.endswith(DECLARATIONS):
        return True
    return bool(one.modules.exports or one.modules.stars or one.modules.functions or one.types)


def _speaks_older_dialect(names: Names) -> bool:
    return any(
        reference.name == "vars" or (reference.name in _OLDER_DIALECT and reference.use is Use.CALLED)
        for reference in names.references
    )


def _exports_entry(graph: Graph, rules: KindRules) -> bool:
    one = graph.entry
    if one.modules.form is Form.COMMON:
        return (
            one.modules.opaque or one.modules.is_function or not {rules.entry, DEFAULT}.isdisjoint(one.modules.exports)
        )
    return one.modules.form is Form.MODULE and (
        provides(graph.files, one, rules.entry) or provides(graph.files, one, DEFAULT)
    )
