"""Everything wrong with one script, as problems with line and column."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from typing import Final

from tree_sitter import Node

from sidecar.kind import RULES, Kind, KindRules
from sidecar.language import es_module
from sidecar.language.absent import absent
from sidecar.language.awaits import mistaken_calls
from sidecar.language.modules import AVAILABLE
from sidecar.language.names import Names, Reference, Use, find_names
from sidecar.language.near_misses import near_misses
from sidecar.language.surroundings import OF_THE_HOST
from sidecar.language.syntax import Fault, syntax_errors
from sidecar.language.syntax_tree import CheckTimeoutError, SyntaxTree, parse_script
from sidecar.problem import Problem, Severity

CHECK_SECONDS: Final = 10.0
"""One script may take so long to check. A megabyte of ordinary code takes a few; what takes longer was made to."""
PROBLEMS: Final = 50
"""So many are named in one script: nobody reads further, and a megabyte of mistakes must not become a gigabyte of
words."""

Confirm = Callable[[str, Kind], Iterable[Fault]]
"""Compiles a script that is right so far and gives what the engine itself finds wrong: tree-sitter's grammar lets
some things pass, such as a name declared twice."""

_SYNCHRONOUS: Final = "which runs synchronously; make it an App"
_TIMERS: Final = frozenset({"setTimeout", "setInterval", "setImmediate", "queueMicrotask"})
_OLDER_DIALECT: Final = frozenset({"vars", "exit", "err"})


def check_script(
    text: str,
    kind: Kind,
    file: str,
    *,
    confirm: Confirm | None = None,
    seconds: float = CHECK_SECONDS,
    modules: Collection[str] = AVAILABLE,
) -> tuple[Problem, ...]:
    """The problems of a script in the order of its lines; empty where nothing is wrong.

    ``modules`` are the names that it may import or require, where its kind has modules at all.
    Neither the size nor the nesting of the text can make this crash or take longer than ``seconds``.
    """
    warnings: list[Fault] = []
    try:
        faults = _faults(text, RULES[kind], modules, time.monotonic() + seconds, warnings)
    except CheckTimeoutError:
        faults = [(1, 1, f"is too complex: looking through it took longer than {seconds:g} s")]
    if not faults and confirm is not None:
        faults = list(confirm(text, kind))
    problems = [(fault, Severity.ERROR) for fault in set(faults)] + [(one, Severity.WARNING) for one in set(warnings)]
    problems.sort(key=lambda problem: problem[0])
    if len(problems) > PROBLEMS:
        (line, column, _), _ = problems[PROBLEMS]
        # What is left out may be worse than what is shown.
        rest = Severity.ERROR if any(severity is Severity.ERROR for _, severity in problems) else Severity.WARNING
        problems = [*problems[:PROBLEMS], ((line, column, "there is more from here on"), rest)]
    return tuple(Problem(file, line, column, severity, message) for (line, column, message), severity in problems)


def _faults(
    text: str, rules: KindRules, modules: Collection[str], deadline: float, warnings: list[Fault]
) -> list[Fault]:
    nul = text.find("\x00")
    if nul >= 0:  # the engine takes the text as a C string and would run what is before it
        return [(text.count("\n", 0, nul) + 1, nul - text.rfind("\n", 0, nul), "contains a NUL character")]
    syntax = parse_script(text, deadline)
    errors = syntax_errors(syntax)
    if errors:
        return errors
    names = find_names(syntax, rules.entry)
    faults = [(*syntax.place(node), message) for node, message in names.foreign]
    faults += _marked(syntax, _awaits(names, rules))
    faults += _marked(syntax, _modules(syntax, names, rules, modules))
    faults += _marked(syntax, _asynchronous(names, rules))
    faults += _entry_point(syntax, names, rules)
    # A script that is right but for its size is not refused for what would have been a warning.
    with contextlib.suppress(CheckTimeoutError):
        # To find the column of each takes as long as its line: no more than will be shown, and one that says so.
        warnings += _marked(syntax, islice(absent(syntax), PROBLEMS + 1))
        warnings += _marked(syntax, near_misses(syntax, rules.entry))
        if rules.drives_calls:
            warnings += _marked(syntax, mistaken_calls(syntax, rules.entry))
    return faults


def _marked(syntax: SyntaxTree, found: Iterable[tuple[Node, str]]) -> list[Fault]:
    return [(*syntax.place(node), message) for node, message in found]


def _awaits(names: Names, rules: KindRules) -> Iterator[tuple[Node, str]]:
    if rules.waits:
        for node in names.stray_awaits:
            yield node, "`await` in a function that is not `async`"
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
        elif name in _TIMERS and not rules.has_timers:
            yield reference.node, f"`{name}` in {rules.called}, which has no timers; make it an App"


def _modules(
    syntax: SyntaxTree, names: Names, rules: KindRules, modules: Collection[str]
) -> Iterator[tuple[Node, str]]:
    why = f"in {rules.called}" + (": not available" if rules.has_modules else ", which has no modules")
    if rules.has_modules:
        yield from es_module.faults(syntax, names.module_forms, modules)
    else:
        for node in names.module_forms:
            word = "export" if node.type == "export_statement" else "import"
            yield node, f"`{word}` {why}{_start_here(rules) if word == 'export' else ''}"
    tested = _tested(names)
    for reference in names.references:
        if reference.use is Use.TESTED or reference.name in tested:
            continue
        if reference.name == "require":
            if rules.has_modules:
                yield from _required(syntax, reference, modules)
            else:
                yield reference.node, f"`require` {why}"
        elif reference.name in ("module", "exports"):
            yield reference.node, f"`{_dotted(syntax, reference)}` {why}{_start_here(rules)}"
        elif reference.name in OF_THE_HOST and not rules.has_modules:
            yield (
                reference.node,
                f"`{reference.name}` in {rules.called}, which asks nothing of its host; make it an App",
            )


def _required(syntax: SyntaxTree, reference: Reference, modules: Collection[str]) -> Iterator[tuple[Node, str]]:
    arguments = reference.parent.child_by_field_name("arguments") if reference.use is Use.CALLED else None
    given = arguments.named_children if arguments is not None else []
    if len(given) == 1 and given[0].type == "string":
        unknown = es_module.unknown_module(syntax.text(given[0])[1:-1].decode("utf-8", "replace"), modules)
        if unknown:
            yield given[0], unknown
    else:
        yield reference.node, "`require` takes the name of a module in quotes"


def _start_here(rules: KindRules) -> str:
    return f"; {_starts_in(rules)}"


def _starts_in(rules: KindRules) -> str:
    return f"{rules.called} starts in `function {rules.entry}(data)`"


def _dotted(syntax: SyntaxTree, reference: Reference) -> str:
    if reference.name == "module" and reference.parent.type == "member_expression":
        member = reference.parent.child_by_field_name("property")
        if member is not None and syntax.text(member) in (b"exports", b"export"):
            return f"module.{syntax.text(member).decode()}"
    return reference.name


def _tested(names: Names) -> frozenset[str]:
    """Names that the script asks for by typeof before it uses them: it runs without them."""
    return frozenset(reference.name for reference in names.references if reference.use is Use.TESTED)


def _entry_point(syntax: SyntaxTree, names: Names, rules: KindRules) -> list[Fault]:
    if names.entry_generators:
        message = f"`{rules.entry}` is a generator: calling it runs nothing"
        return _marked(syntax, ((node, message) for node in names.entry_generators))
    speaks_older_dialect = any(
        reference.name == "vars" or (reference.name in _OLDER_DIALECT and reference.use is Use.CALLED)
        for reference in names.references
    )
    exports = any(reference.name in ("module", "exports") for reference in names.references) or any(
        node.type == "export_statement" and (not rules.has_modules or es_module.exports_entry(syntax, node))
        for node in names.module_forms
    )
    if names.has_entry or speaks_older_dialect or exports:  # what is wrong with an export has been said
        return []
    return [(1, 1, f"no entry point: {_starts_in(rules)}")]
