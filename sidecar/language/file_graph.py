"""An app's files from one script on: each read once, each name in quotes followed, and what is wrong on the way."""

import contextlib
import json
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tree_sitter import Node

from sandbox.program import Form
from sidecar.kind import RULES, Kind
from sidecar.language.app_files import JSON, TYPESCRIPT, AppFiles, NoSuchFile, find_file, is_path, unknown_module
from sidecar.language.file_modules import DEFAULT, FileModules, How, Link, file_modules, only_text
from sidecar.language.module_exports import module_exports
from sidecar.language.names import Names, find_names
from sidecar.language.syntax import Fault, syntax_errors
from sidecar.language.syntax_tree import SyntaxTree, children, parse_script
from sidecar.language.typescript import without_types

FILES: Final = 100
"""Files of one script in all: each is compiled within the others that import it, on the engine's stack."""
CHARACTERS: Final = 4_000_000
"""Of all files of one script together."""
_CYCLE: Final = "`require` of {name!r}, an ES module that needs this file itself: write `import`"
_NO_TYPES: Final[frozenset[str]] = frozenset()


@dataclass(slots=True)
class GraphFile:
    """One file of a graph."""

    path: str
    text: str
    """As JavaScript, without types; of data the JSON."""
    modules: FileModules
    syntax: SyntaxTree | None = None
    """None for data, and where it could not be read."""
    names: Names | None = None
    types: frozenset[str] = _NO_TYPES
    """Names of types that it exports, which are gone."""
    links: dict[str, str] = field(default_factory=dict)
    """The path that each name in quotes means."""
    faults: list[Fault] = field(default_factory=list)
    """What is wrong with it or with what it imports."""


class Graph(NamedTuple):
    """A script's own file and all that it needs."""

    app: AppFiles
    files: dict[str, GraphFile]
    """By path, the script's own first."""

    @property
    def entry(self) -> GraphFile:
        """The script's own file."""
        return self.files[self.app.entry]


def file_graph(text: str, kind: Kind, app: AppFiles, modules: Collection[str] | None, deadline: float) -> Graph:
    """Follow a script's imports. ``modules`` are the host's, by name; None where nobody knows them.

    Raises CheckTimeoutError at the deadline, on time.monotonic.
    """
    return _Following(kind, app, modules, deadline).follow(text)


def javascript(text: str, path: str, deadline: float) -> tuple[str, list[Fault], frozenset[str]]:
    """A file as JavaScript, what is wrong with it as TypeScript, and the types that it exported."""
    if path.endswith(TYPESCRIPT):
        return without_types(text, deadline)
    if text.startswith("#!"):
        # A comment, where it begins a text (ECMA-262 12.5); what runs is mostly the body of a function.
        text = f"//{text[2:]}"
    return text, [], _NO_TYPES


class _Following:
    def __init__(self, kind: Kind, app: AppFiles, modules: Collection[str] | None, deadline: float) -> None:
        self._kind = kind
        self._app = app
        self._modules = modules
        self._deadline = deadline
        self._files: dict[str, GraphFile] = {}
        self._characters = 0

    def follow(self, text: str) -> Graph:
        waiting = [self._read(self._app.entry, text)]
        while waiting:
            one = waiting.pop()
            for path, link in self._followed(one):
                if path in self._files:
                    continue
                if len(self._files) >= FILES:
                    self._fault(one, link.node, f"more than {FILES} files are imported")
                    break
                further = self._app.texts[path]
                self._characters += len(further)
                if self._characters > CHARACTERS:
                    self._fault(one, link.node, f"the files imported have more than {CHARACTERS:_} characters")
                    break
                waiting.append(self._read(path, further))
        for one in self._files.values():
            for fault in self._wrong_names(one):
                one.faults.append(fault)
        return Graph(self._app, self._files)

    def _read(self, path: str, text: str) -> GraphFile:
        read = self._files[path] = self._data(path, text) if path.endswith(JSON) else self._code(path, text)
        return read

    def _data(self, path: str, text: str) -> GraphFile:
        made = GraphFile(path, text, FileModules(Form.DATA))
        wrong = wrong_json(text)
        if wrong is not None:
            made.faults.append(wrong)
        return made

    def _code(self, path: str, text: str) -> GraphFile:
        nul = text.find("\x00")
        if nul >= 0:  # the engine takes the text as a C string and would run what is before it
            place = text.count("\n", 0, nul) + 1, nul - text.rfind("\n", 0, nul)
            return GraphFile(path, text, FileModules(Form.SCRIPT), faults=[(*place, "contains a NUL character")])
        written, faults, types = javascript(text, path, self._deadline)
        if faults:
            return GraphFile(path, text, FileModules(Form.SCRIPT), types=types, faults=list(faults))
        syntax = parse_script(written, self._deadline)
        faults = syntax_errors(syntax)
        rules = RULES[self._kind]
        if faults or not rules.has_modules:
            names = None if faults else find_names(syntax, rules.entry)
            return GraphFile(path, written, FileModules(Form.SCRIPT), syntax, names, types, faults=list(faults))
        names = find_names(syntax, rules.entry)
        was_module = written != text and _has_module_words(text)
        modules = file_modules(syntax, names, path, was_module)
        return GraphFile(path, written, modules, syntax, names, types)

    # ---- what names in quotes mean ----

    def _followed(self, one: GraphFile) -> Iterator[tuple[str, Link]]:
        for link in one.modules.links:
            path = self._path(one, link)
            if path:
                one.links[link.name] = path
                self._check_attributes(one, link, path)
                yield path, link

    def _path(self, one: GraphFile, link: Link) -> str:
        """The path that a link leads to; empty for a module of the host, or where something is wrong with it."""
        known = self._modules
        try:
            if is_path(link.name):
                return find_file(self._app, one.path, link.name)
            if known is not None and link.name in known:
                self._check_attributes(one, link, "")
                return ""
            if link.how is How.REQUIRE:
                with contextlib.suppress(NoSuchFile):
                    return find_file(self._app, one.path, f"./{link.name}")
            if known is None:
                return ""
        except NoSuchFile as error:
            self._fault(one, link.node, str(error))
            return ""
        self._fault(one, link.node, unknown_module(self._app, one.path, link.name, known))
        return ""

    def _check_attributes(self, one: GraphFile, link: Link, path: str) -> None:
        if link.attributes is None or one.syntax is None:
            return
        given = b"".join(one.syntax.text(link.attributes).split()).replace(b'"', b"'").rstrip(b",}")
        if not path.endswith(JSON) or given not in (b"with{type:'json'", b"with{'type':'json'"):
            self._fault(one, link.attributes, "the one attribute of an import is `type: 'json'`, of a JSON file")

    # ---- what is imported by name ----

    def _wrong_names(self, one: GraphFile) -> Iterator[Fault]:
        if one.syntax is None:
            return
        for link in one.modules.links:
            path = one.links.get(link.name)
            if path is None:
                yield from self._wrong_names_of_host(one, link)
                continue
            other = self._files.get(path)
            if other is None or (other.faults and other.syntax is None):
                continue
            if link.how is How.REQUIRE:
                if other.modules.form is Form.MODULE and self._needs(other, one.path):
                    yield (*one.syntax.place(link.node), _CYCLE.format(name=link.name[:60]))
                if one.modules.form is Form.MODULE:
                    message = f"`require` of a file in an ES module: write `import ... from {link.name[:60]!r}`"
                    yield (*one.syntax.place(link.node), message)
            for name, node in link.wanted:
                if not self.exports(other, name):
                    yield (*one.syntax.place(node), no_export(other, link.name, name))

    def _wrong_names_of_host(self, one: GraphFile, link: Link) -> Iterator[Fault]:
        """What is imported of a module of the host and is not there."""
        exports = module_exports(link.name) if self._modules is not None and link.name in self._modules else None
        if exports is not None and one.syntax is not None:
            for name, node in link.wanted:
                if name not in exports:
                    yield (*one.syntax.place(node), no_export(None, link.name, name))

    def exports(self, one: GraphFile, name: str) -> bool:
        """Whether a file exports a name, be it what it takes from others."""
        return provides(self._files, one, name)

    def _needs(self, one: GraphFile, path: str) -> bool:
        """Whether a file imports or requires another, be it by way of others."""
        seen = {one.path}
        waiting = [one]
        while waiting:
            for target in waiting.pop().links.values():
                if target == path:
                    return True
                if target not in seen and target in self._files:
                    seen.add(target)
                    waiting.append(self._files[target])
        return False

    @staticmethod
    def _fault(one: GraphFile, node: Node, message: str) -> None:
        if one.syntax is not None:
            one.faults.append((*one.syntax.place(node), message))


_UNKNOWN: Final = ("", "")
"""In place of a binding: one of a module of the host, or of one of which nobody knows what it exports."""


def no_export(other: GraphFile | None, source: str, name: str) -> str:
    """What to tell of a name that a file, or where there is none the module of the host, does not export."""
    shown = source[:60]
    if other is None:
        known = module_exports(source) or frozenset()
    elif name in other.types:
        return f"{name[:60]!r} of {shown!r} is a type: write `import type` or `export type`"
    elif other.modules.form is Form.DATA:
        return f"{shown!r} is JSON: write `import data from {shown!r}`"
    elif name == DEFAULT:
        return f"{shown!r} has no default export: write `import {{ name }} from {shown!r}`"
    else:
        known = frozenset(other.modules.exports)
    there = ", ".join(sorted(known - {DEFAULT})[:10])
    return f"{shown!r} has no export {name[:60]!r}" + (f"; it has {there}" if there else "")


def provides(files: dict[str, GraphFile], one: GraphFile, name: str) -> bool:
    """Whether a file exports a name, be it what it takes from others: one thing, and not two (ECMA-262 16.2.1.7)."""
    found = _bindings(files, one, name)
    return _UNKNOWN in found or len(found) == 1


def _bindings(files: dict[str, GraphFile], one: GraphFile, name: str) -> set[tuple[str, str]]:
    """The files and names in them that a name which a file exports may mean."""
    found: set[tuple[str, str]] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [(one, name)]
    while waiting:
        file, wanted = waiting.pop()
        if (file.path, wanted) in seen:
            continue
        seen.add((file.path, wanted))
        if file.modules.form is not Form.MODULE:
            # An ES module sees all that it sets as its default.
            if wanted == DEFAULT or (file.modules.form is not Form.DATA and wanted in file.modules.exports):
                found.add((file.path, wanted))
            continue
        export = file.modules.exports.get(wanted)
        if export is not None and not export.source:
            # Also where it is imported and exported again: for the engine that is a binding of this file's.
            found.add((file.path, export.name or wanted))
            continue
        sources = [export.source] if export is not None else file.modules.stars if wanted != DEFAULT else []
        for source in sources:
            target = file.links.get(source)
            if target is None:
                exports = module_exports(source)
                if exports is None or export is not None or wanted in exports:
                    found.add(_UNKNOWN)
            elif export is not None and export.name == "*":
                found.add((target, "*"))
            elif target in files:
                waiting.append((files[target], export.name if export is not None else wanted))
    return found


def _has_module_words(text: str) -> bool:
    """Whether a TypeScript file was an ES module for its types."""
    syntax = parse_script(text, time.monotonic() + 1.0, typescript=True)
    return any(node.type in ("import_statement", "export_statement") for node in children(syntax.tree.root_node))


def wrong_json(text: str) -> Fault | None:
    """What is wrong with a JSON file."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        return error.lineno, error.colno, f"is not JSON: {error.msg}"
    except RecursionError:
        return 1, 1, "is nested too deep"
    except ValueError as error:
        place = text.find(str(error))
        return text.count("\n", 0, place) + 1, place - text.rfind("\n", 0, place), f"is not JSON: {error}"
    return None


def wrong_forms(names: Names) -> Iterator[tuple[Node, str]]:
    """What is wrong with a file's import and export forms themselves."""
    for node in names.module_forms:
        if node.type == "import":
            if node.parent is None or only_text(node.parent, most=2) is None:
                yield node, "`import()` takes the name of a module in quotes"
        elif node.type == "meta_property":
            yield node, "`import.meta` is not available: process.env says which script it is"
        elif node.parent is not None and node.parent.type != "program":
            word = node.type.removesuffix("_statement")
            yield node, f"`{word}` stands within something else; it belongs at the top of the file"
