"""Everything wrong with one script, as problems with line and column."""

import contextlib
import posixpath
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from typing import Final

from tree_sitter import Node

from sandbox.program import Form
from sidecar.kind import DRIVER_FUNCTIONS, RULES, Kind, KindRules
from sidecar.language.absent import absent
from sidecar.language.app_files import AppFiles
from sidecar.language.awaits import mistaken_calls
from sidecar.language.entry_point import has_entry_point, is_for_others
from sidecar.language.file_graph import Graph, GraphFile, file_graph, provides, wrong_forms
from sidecar.language.file_modules import only_text
from sidecar.language.modules import AVAILABLE
from sidecar.language.names import Names, Reference, Use
from sidecar.language.namespace_uses import lacking_members
from sidecar.language.near_misses import near_misses
from sidecar.language.prepared import Prepared, prepared
from sidecar.language.surroundings import OF_THE_HOST
from sidecar.language.syntax import Fault
from sidecar.language.syntax_tree import CheckTimeoutError, SyntaxTree
from sidecar.problem import Problem, Severity

CHECK_SECONDS: Final = 10.0
"""One script may take so long to check. A megabyte of ordinary code takes a few; what takes longer was made to."""
PROBLEMS: Final = 50
"""So many are named in one script: nobody reads further, and a megabyte of mistakes must not become a gigabyte of
words."""

Confirm = Callable[[Prepared, Kind], Iterable[tuple[str, Fault]]]
"""Compiles a script that is right so far and gives what the engine itself finds wrong, and in which file, its own being
an empty text: tree-sitter's grammar lets some things pass, such as a name declared twice."""

_Placed = tuple[str, Fault]
"""The path of a file, and what is wrong there."""

_NO_ENTRY: Final = "no `{entry}`, which calls need"
_FOR_OTHERS: Final = f"{_NO_ENTRY}: other files may import this one"
_SYNCHRONOUS: Final = "which runs synchronously; make it an App"
_TIMERS: Final = frozenset({"setTimeout", "setInterval", "setImmediate", "queueMicrotask"})
_BODIES: Final = frozenset({"Request", "Response"})


def check_script(
    text: str,
    kind: Kind,
    file: str,
    *,
    confirm: Confirm | None = None,
    seconds: float = CHECK_SECONDS,
    modules: Collection[str] = AVAILABLE,
    app: AppFiles | None = None,
) -> tuple[Problem, ...]:
    """The problems of a script and of the files that it imports, each file's in the order of its lines; empty where
    nothing is wrong.

    ``modules`` are the names that it may import or require, where its kind has modules at all, and ``app`` has the
    other files that it may: without it there are none. Neither the size nor the nesting of a text can make this crash
    or take longer than ``seconds``.
    """
    app = app or AppFiles(entry=posixpath.basename(file) or file)
    warnings: list[_Placed] = []
    faults: list[_Placed] = []
    try:
        graph = file_graph(text, kind, app, modules, time.monotonic() + seconds)
        for one in graph.files.values():
            faults += ((one.path, fault) for fault in _faults(one, graph, kind, warnings))
        if not faults and confirm is not None and graph.entry.modules.form is not Form.DATA:
            faults = [(path or app.entry, fault) for path, fault in confirm(prepared(graph, kind), kind)]
    except CheckTimeoutError:
        faults = [(app.entry, (1, 1, f"is too complex: looking through it took longer than {seconds:g} s"))]
    problems = [(fault, Severity.ERROR) for fault in set(faults)] + [(one, Severity.WARNING) for one in set(warnings)]
    problems.sort(key=lambda problem: (problem[0][0] != app.entry, problem[0]))
    if len(problems) > PROBLEMS:
        (path, (line, column, _)), _ = problems[PROBLEMS]
        # What is left out may be worse than what is shown.
        rest = Severity.ERROR if any(severity is Severity.ERROR for _, severity in problems) else Severity.WARNING
        problems = [*problems[:PROBLEMS], ((path, (line, column, "there is more from here on")), rest)]
    return tuple(
        Problem(file if path == app.entry else app.shown(path), line, column, severity, message)
        for (path, (line, column, message)), severity in problems
    )


def without_those_for_others(problems: Iterable[Problem], imported: Collection[str]) -> Iterator[Problem]:
    """The problems of scripts that were looked at together, where some import others, whose files are ``imported``: to
    have no entry is as it should be for these."""
    remarks = tuple(_NO_ENTRY.format(entry=rules.entry) for rules in RULES.values())
    return (one for one in problems if one.file not in imported or not one.message.startswith(remarks))


def _faults(one: GraphFile, graph: Graph, kind: Kind, warnings: list[_Placed]) -> list[Fault]:
    rules = RULES[kind]
    syntax, names = one.syntax, one.names
    is_entry = one is graph.entry
    if is_entry and one.modules.form is Form.DATA and not rules.has_modules:
        return [(1, 1, "is data: a script is JavaScript or TypeScript")]
    if syntax is None or names is None:
        return one.faults
    faults = [(*syntax.place(node), message) for node, message in names.foreign]
    faults += _marked(syntax, _awaits(names, rules, one))
    faults += _marked(syntax, _modules(syntax, names, rules, one))
    faults += one.faults
    faults += _marked(syntax, _asynchronous(names, rules))
    told: list[Fault] = []
    if is_entry:
        faults += _driver_functions(graph) if kind is Kind.DRIVER else _entry_point(syntax, graph, rules, told)
    # A script that is right but for its size is not refused for what would have been a warning.
    with contextlib.suppress(CheckTimeoutError):
        # To find the column of each takes as long as its line: no more than will be shown, and one that says so.
        told += _marked(syntax, islice(absent(syntax, has_modules=rules.has_modules), PROBLEMS + 1))
        told += _marked(syntax, islice(lacking_members(one, graph), PROBLEMS + 1))
        if is_entry:
            if rules.has_assignments:
                told += _marked(syntax, near_misses(syntax, rules.entry))
            if rules.drives_calls:
                told += _marked(syntax, mistaken_calls(syntax, rules.entry))
    warnings += ((one.path, fault) for fault in told)
    return faults


def _marked(syntax: SyntaxTree, found: Iterable[tuple[Node, str]]) -> list[Fault]:
    return [(*syntax.place(node), message) for node, message in found]


def _awaits(names: Names, rules: KindRules, one: GraphFile) -> Iterator[tuple[Node, str]]:
    if rules.waits:
        for node in names.stray_awaits:
            yield node, "`await` in a function that is not `async`"
        for node in names.top_awaits if one.modules.form is Form.COMMON else ():
            yield node, "`await` at the top of a file with `module.exports`; write `export` in place of that"
    else:
        for node in (*names.stray_awaits, *names.top_awaits):
            yield node, f"`await` in {rules.called}, {_SYNCHRONOUS}"


def _asynchronous(names: Names, rules: KindRules) -> Iterator[tuple[Node, str]]:
    if not rules.waits:
        for node in names.async_functions:
            yield node, f"`async` in {rules.called}, {_SYNCHRONOUS}"
    tested = _tested(names)
    for reference in names.references:
        name = reference.name
        if reference.use is Use.TESTED or name in tested:
            continue
        if name == "Promise" and not rules.waits:
            yield reference.node, f"`Promise` in {rules.called}, {_SYNCHRONOUS}"
        elif name in _BODIES and not rules.waits:
            yield reference.node, f"`{name}` in {rules.called}, whose body comes as a promise; make it an App"
        elif name in _TIMERS and not rules.has_timers:
            yield reference.node, f"`{name}` in {rules.called}, which has no timers; make it an App"


def _modules(syntax: SyntaxTree, names: Names, rules: KindRules, one: GraphFile) -> Iterator[tuple[Node, str]]:
    why = f"in {rules.called}, which has no modules"
    if rules.has_modules:
        yield from wrong_forms(names)
    else:
        for node in names.module_forms:
            word = "export" if node.type == "export_statement" else "import"
            yield node, f"`{word}` {why}{_start_here(rules) if word == 'export' else ''}"
    tested = _tested(names)
    for reference in names.references:
        if reference.use is Use.TESTED or reference.name in tested:
            continue
        if reference.name == "require":
            if not rules.has_modules:
                yield reference.node, f"`require` {why}"
            elif reference.use is not Use.CALLED or only_text(reference.parent) is None:
                yield reference.node, "`require` takes the name of a module in quotes"
        elif reference.name in ("module", "exports"):
            if not rules.has_modules:
                yield reference.node, f"`{_dotted(syntax, reference)}` {why}{_start_here(rules)}"
            elif one.modules.form is Form.MODULE:
                yield reference.node, f"`{_dotted(syntax, reference)}` in an ES module: write `export`"
        elif reference.name in OF_THE_HOST and not rules.has_modules:
            yield (
                reference.node,
                f"`{reference.name}` in {rules.called}, which asks nothing of its host; make it an App",
            )


def _start_here(rules: KindRules) -> str:
    return f"; {_starts_in(rules)}"


def _starts_in(rules: KindRules) -> str:
    return f"{rules.called} starts in `function {rules.entry}({rules.parameters})`"


def _dotted(syntax: SyntaxTree, reference: Reference) -> str:
    if reference.name == "module" and reference.parent.type == "member_expression":
        member = reference.parent.child_by_field_name("property")
        if member is not None and syntax.text(member) in (b"exports", b"export"):
            return f"module.{syntax.text(member).decode()}"
    return reference.name


def _tested(names: Names) -> frozenset[str]:
    """Names that the script asks for by typeof before it uses them: it runs without them."""
    return frozenset(reference.name for reference in names.references if reference.use is Use.TESTED)


def _entry_point(syntax: SyntaxTree, graph: Graph, rules: KindRules, warnings: list[Fault]) -> list[Fault]:
    one = graph.entry
    names = one.names
    if names is None:
        return []
    if names.entry_generators:
        message = f"`{rules.entry}` is a generator: calling it runs nothing"
        return _marked(syntax, ((node, message) for node in names.entry_generators))
    # What is wrong with an export of a kind that has none has been said.
    exports = not rules.has_modules and (
        any(reference.name in ("module", "exports") for reference in names.references)
        or any(node.type == "export_statement" for node in names.module_forms)
    )
    if exports or has_entry_point(graph, rules):
        return []
    if not (rules.drives_calls and is_for_others(graph, rules)):
        return [(1, 1, f"no entry point: {_starts_in(rules)}")]
    # What is called by name, over HTTP or by a job, needs no entry, nor does what other files import.
    if one.modules.functions:
        called = ", ".join(f"`{name}`" for name in one.modules.functions[:3])
        warnings.append((1, 1, f"{_NO_ENTRY.format(entry=rules.entry)}: only {called} can be called, by name"))
    else:
        warnings.append((1, 1, _FOR_OTHERS.format(entry=rules.entry)))
    return []


def _driver_functions(graph: Graph) -> list[Fault]:
    """A Driver is asked by its functions' names, and has one of them at least."""
    one = graph.entry
    names = one.names
    if names is None or names.has_entry or one.modules.is_function:
        return []
    if any(provides(graph.files, one, name) for name in DRIVER_FUNCTIONS if one.modules.form is Form.MODULE):
        return []
    if not {*one.modules.functions, *one.modules.exports}.isdisjoint(DRIVER_FUNCTIONS):
        return []
    wanted = ", ".join(f"`{name}`" for name in DRIVER_FUNCTIONS[:-1])
    return [(1, 1, f"no function of a Driver: export one of {wanted} or `{DRIVER_FUNCTIONS[-1]}`")]
