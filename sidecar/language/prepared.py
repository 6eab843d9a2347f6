"""A script's text and those of the files that it imports, made ready to run: once, when they are saved."""

import time
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from sandbox.program import Form, SourceFile
from sidecar.kind import MAIN, RULES, Kind
from sidecar.language.app_files import AppFiles
from sidecar.language.entry_point import has_entry_point
from sidecar.language.exports import is_entry_name
from sidecar.language.file_graph import Graph, GraphFile, file_graph, javascript
from sidecar.language.file_modules import DEFAULT
from sidecar.language.syntax_tree import CheckTimeoutError

PREPARE_SECONDS: Final = 10.0
_ALONE: Final = AppFiles()


class Prepared(NamedTuple):
    """What runs."""

    text: str
    """Without types, and with a first line of ``#!`` as a comment; the very same text where it had none of these."""
    entries: tuple[str, ...]
    """Names of functions that a caller may call: ``main`` where there is one as far as the text shows, which stands for
    the whole text where that speaks the older dialect, and of an App what it exports, or where it exports nothing what
    it declares at its top. Data has none."""
    form: Form = Form.SCRIPT
    links: Mapping[str, str] = {}
    """As a `sandbox.program.SourceFile` has them."""
    exports: tuple[str, ...] = (DEFAULT,)
    files: Mapping[str, SourceFile] = {}
    """The files that it imports, be it by way of others, by path."""
    modules: tuple[str, ...] = ()
    """What else is named in quotes: modules of the host, of Node, and those that are installed."""
    modules_at_top: tuple[str, ...] = ()
    """Of them those that are named outside of every function: who evaluates the texts needs them."""
    takes_calls: bool = True
    """Whether it has a ``main``, as far as its text shows. What has none is for other files, and for who calls a
    function of it by its name."""


def no_function(function: str, entries: Collection[str]) -> str:
    """What is said where a script has no function of a name, with those that it has."""
    return f"there is no function {function!r} for callers; there are {', '.join(sorted(entries)) or 'none'}"


def prepare(text: str, kind: Kind, app: AppFiles = _ALONE, modules: Collection[str] | None = None) -> Prepared:
    """Makes a script ready to run. Takes some milliseconds, for a long text seconds: never during a call.

    ``modules`` are the names of the host's, which go before files in `require`.

    Raises nothing: what is wrong with it the check says, or the engine.
    """
    deadline = time.monotonic() + PREPARE_SECONDS
    try:
        if not RULES[kind].has_modules:
            return Prepared(javascript(text, app.entry, deadline)[0], (MAIN,))
        return prepared(file_graph(text, kind, app, modules, deadline), kind)
    except CheckTimeoutError:
        # It is refused by the check.
        return Prepared(text, (MAIN,))


def prepared(graph: Graph, kind: Kind) -> Prepared:
    """What runs of a graph with nothing wrong in it."""
    own = graph.entry
    others = {path: one for path, one in graph.files.items() if one is not own}
    named = {name for one in graph.files.values() for name in one.links}
    links = [link for one in graph.files.values() for link in one.modules.links if link.name not in named]
    takes_calls = has_entry_point(graph, RULES[kind])
    form = own.modules.form
    if form is Form.SCRIPT and own.links:
        form = Form.COMMON
    return Prepared(
        text=own.text + own.modules.ending,
        entries=_entries(graph, takes_calls=takes_calls),
        form=form,
        links=_links(graph, own),
        exports=_exports(own),
        files={path: _source_file(graph, one) for path, one in others.items()},
        takes_calls=takes_calls,
        modules=tuple(sorted({link.name for link in links})),
        modules_at_top=tuple(sorted({link.name for link in links if link.is_at_top})),
    )


def _source_file(graph: Graph, one: GraphFile) -> SourceFile:
    form = Form.COMMON if one.modules.form is Form.SCRIPT else one.modules.form
    # What only a script's own file gives to callers is in no other.
    return SourceFile(text=one.text, form=form, links=_links(graph, one), exports=_exports(one))


def _links(graph: Graph, one: GraphFile) -> dict[str, str]:
    return {name: "" if path == graph.app.entry else path for name, path in one.links.items()}


def _exports(one: GraphFile) -> tuple[str, ...]:
    if one.modules.form in (Form.MODULE, Form.DATA):
        return (DEFAULT,)
    return tuple(dict.fromkeys([DEFAULT, *one.modules.exports]))


def _entries(graph: Graph, *, takes_calls: bool) -> tuple[str, ...]:
    if graph.entry.modules.form is Form.DATA:
        return ()
    return tuple(dict.fromkeys([*([MAIN] if takes_calls else []), *_functions(graph.files, graph.entry)]))


def _functions(files: Mapping[str, GraphFile], one: GraphFile) -> list[str]:
    """What a caller may call of a file: what is its own, and what it takes from others and is a function there."""
    found: list[str] = []
    seen: set[str] = set()
    waiting = [one]
    while waiting:
        file = waiting.pop()
        if file.path in seen:
            continue
        seen.add(file.path)
        found += file.modules.functions
        for name, export in file.modules.exports.items():
            taken = export if export.source else file.modules.imports.get(export.name, export)
            target = files.get(file.links.get(taken.source, "")) if taken.source else None
            if target is not None and is_entry_name(name) and taken.name in (*target.modules.functions, MAIN):
                found.append(name)
        waiting += [files[file.links[star]] for star in file.modules.stars if file.links.get(star) in files]
    return found
