"""The ES module dialect rewritten to what the sandbox runs: one function's body, in which ``main`` is found by name.

Each form is replaced where it stands. Every line stays the author's line, and a column changes only behind an import on
its own line, so that errors keep their places.
"""

import re
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Final, NamedTuple

from tree_sitter import Node

from sidecar.kind import MAIN, RULES, Kind
from sidecar.language.exports import exported_functions
from sidecar.language.names import find_names
from sidecar.language.syntax_tree import CheckTimeoutError, SyntaxTree, parse_script

REWRITE_SECONDS: Final = 10.0

_NOT_A_LINE_END: Final = re.compile("[^\r\n\u2028\u2029]")
_HOIST: Final = ("function_declaration", "generator_function_declaration", "class_declaration")
_FUNCTIONS: Final = ("function_expression", "generator_function")


class Prepared(NamedTuple):
    """A script's text made ready to run."""

    text: str
    """Without import and export statements, and with a first line of ``#!`` as a comment; the very same text where it
    had none of these.

    A form that is not available here stays, and the engine says so.
    """
    entries: tuple[str, ...]
    """Names of functions that a caller may call: ``main``, which stands for the whole text where it speaks the older
    dialect, and an App's exported functions, each under the name by which it was exported."""


def prepare(text: str, kind: Kind) -> Prepared:
    """Makes a script's text ready to run. Takes some milliseconds, for a long text seconds: never during a call."""
    if text.startswith("#!"):
        # A comment, where it begins a text (ECMA-262 12.5); what runs is the body of a function, which it does not.
        text = f"//{text[2:]}"
    return _without_modules(text, kind)


def _without_modules(text: str, kind: Kind) -> Prepared:
    unchanged = Prepared(text, (MAIN,))
    if not RULES[kind].has_modules or ("import" not in text and "export" not in text):
        return unchanged
    try:
        syntax = parse_script(text, time.monotonic() + REWRITE_SECONDS)
        statements = [
            node
            for node in syntax.tree.root_node.children
            if node.type in ("import_statement", "export_statement") and not node.has_error
        ]
        if not statements:
            return unchanged
        return _Rewriting(syntax, statements).run()
    except CheckTimeoutError:
        # It is refused by the check, or by the engine for the statements it still has.
        return unchanged


def faults(syntax: SyntaxTree, module_forms: Iterable[Node], modules: Collection[str]) -> Iterator[tuple[Node, str]]:
    """What of import and export forms is not available where there are these modules, each with its node."""
    for node in module_forms:
        if node.type not in ("import_statement", "export_statement"):
            word = "import()" if node.type == "import" else "import.meta"
            yield node, f"`{word}` is not available; write `import x from '...'` at the top"
            continue
        if node.parent is not None and node.parent.type != "program":
            word = node.type.removesuffix("_statement")
            yield node, f"`{word}` stands within something else; it belongs at the top of the file"
            continue
        source = node.child_by_field_name("source")
        if node.type == "export_statement":
            if source is not None:
                yield node, "`export ... from` is not available"
            continue
        if source is not None:
            unknown = unknown_module(syntax.text(source)[1:-1].decode("utf-8", "replace"), modules)
            if unknown:
                yield source, unknown
        for part in _descend(node, "import_attribute", "import_specifier"):
            if part.type == "import_attribute":
                yield part, "import attributes are not available"
            elif syntax.text(part).startswith((b"default ", b"'", b'"')):
                yield part, "write `import x from '...'` for a module's default"


def exports_entry(syntax: SyntaxTree, node: Node) -> bool:
    """Whether an export statement gives the program its ``main``."""
    if any(child.type == "default" for child in node.children):
        return True
    specifiers = _descend(node, "export_specifier")
    return any(syntax.text(one.children[-1]) in (b"main", b"default") for one in specifiers)


def unknown_module(name: str, modules: Collection[str]) -> str:
    """Empty for one of the modules that there are, else what to tell the author."""
    if name in modules:
        return ""
    return f"there is no module {name[:60]!r}: available: {', '.join(sorted(modules))}"


class _Edit(NamedTuple):
    begin: int
    end: int
    text: bytes


class _Rewriting:
    def __init__(self, syntax: SyntaxTree, statements: list[Node]) -> None:
        self._syntax = syntax
        self._statements = statements
        self._edits: list[_Edit] = []
        self._tail: list[bytes] = []
        self._has_main = find_names(syntax).has_entry

    def run(self) -> Prepared:
        exports = [node for node in self._statements if node.type == "export_statement"]
        for node in self._statements:
            if node.type == "import_statement":
                self._import(node)
            elif node.child_by_field_name("source") is None:
                self._export(node)
        called = {MAIN: MAIN} | {
            name: local for name, local in exported_functions(self._syntax, exports) if name != MAIN
        }
        if any(name != local for name, local in called.items()):
            # Under a name that is none within the script, where it may be that of something else: `setTimeout`.
            found = (f'["{name}"]:typeof {local}==="function"?{local}:void 0' for name, local in called.items())
            self._tail.append(f";return{{__proto__:null,{','.join(found)}}};".encode())
        return Prepared(self._rewritten(), tuple(called))

    def _rewritten(self) -> str:
        source = self._syntax.source
        parts: list[bytes] = []
        position = 0
        for edit in sorted(self._edits):
            parts += [source[position : edit.begin], edit.text]
            position = edit.end
        parts.append(source[position:])
        if self._tail:
            # On a line of its own: the author's last line may end in a comment.
            parts += [b"\n", *self._tail]
        return b"".join(parts).decode()

    # ---- import ----

    def _import(self, node: Node) -> None:
        source = node.child_by_field_name("source")
        if source is None or any(child.type == "import_attribute" for child in node.children):
            return
        required = b"require(" + self._syntax.text(source) + b")"
        end = b"" if node.children[-1].type == ";" else b";"
        clause = next((child for child in node.children if child.type == "import_clause"), None)
        keyword = node.children[0]
        if clause is None:
            self._blank(keyword)
            self._replace(source, required + end)
            return
        self._replace(keyword, b"const ")
        parts = [child for child in clause.named_children if child.type != "comment"]
        first = parts[0]
        if first.type == "identifier" and len(parts) > 1:
            # import d, { a } from 'm': the second is taken from the first.
            self._edits.append(_Edit(first.end_byte, first.end_byte, b" = " + required))
            required = self._syntax.text(first)
        for part in parts:
            self._import_names(part)
        for child in node.children:
            if child.type == "from":
                self._replace(child, b"=   ")
        self._replace(source, required + end)

    def _import_names(self, part: Node) -> None:
        if part.type == "namespace_import":
            for child in part.children:
                if child.type in ("*", "as"):
                    self._blank(child)
        for specifier in _descend(part, "import_specifier"):
            for child in specifier.children:
                if child.type == "as":
                    self._replace(child, b": ")

    # ---- export ----

    def _export(self, node: Node) -> None:
        declaration = node.child_by_field_name("declaration")
        value = node.child_by_field_name("value")
        clause = next((child for child in node.children if child.type == "export_clause"), None)
        if clause is not None:
            self._export_names(node, clause)
        elif declaration is not None:
            self._export_declaration(node, declaration)
        elif value is not None:
            self._export_value(node, value)

    def _export_declaration(self, node: Node, declaration: Node) -> None:
        is_default = any(child.type == "default" for child in node.children)
        self._blank_until(node, declaration)
        name = declaration.child_by_field_name("name")
        if is_default and not self._has_main and declaration.type in _HOIST and name is not None:
            self._has_main = True
            self._tail.append(b";var main = " + self._syntax.text(name) + b";")

    def _export_names(self, node: Node, clause: Node) -> None:
        for specifier in _descend(clause, "export_specifier"):
            names = [child for child in specifier.children if child.type not in ("as", "comment")]
            exported = self._syntax.text(names[-1])
            local = self._syntax.text(names[0])
            if exported in (b"main", b"default") and local != b"main" and not self._has_main:
                self._has_main = True
                self._tail.append(b";var main = " + local + b";")
        # What stood before may end without a semicolon, and what follows begin with a bracket.
        self._edits.append(_Edit(node.start_byte, node.end_byte, b";" + self._spaces(node)[1:]))

    def _export_value(self, node: Node, value: Node) -> None:
        before = self._syntax.source[node.start_byte : value.start_byte]
        if not self._has_main and value.type in _FUNCTIONS:
            # `function () {}` becomes `function main() {}`, a declaration, which may stand below its use.
            self._has_main = True
            self._blank_until(node, value)
            word = next(child for child in reversed(value.children) if child.type in ("*", "function"))
            self._edits.append(_Edit(word.end_byte, word.end_byte, b" main"))
            return
        # An expression on its own must not begin with `function` or `class`.
        self._edits.append(
            _Edit(node.start_byte, value.start_byte, _padded(before, b"0," if self._has_main else b"var main = "))
        )
        self._has_main = True
        if node.children[-1].type != ";":
            self._edits.append(_Edit(node.end_byte, node.end_byte, b";"))

    # ---- edits ----

    def _replace(self, node: Node, text: bytes) -> None:
        self._edits.append(_Edit(node.start_byte, node.end_byte, text))

    def _blank(self, node: Node) -> None:
        self._replace(node, self._spaces(node))

    def _blank_until(self, node: Node, inner: Node) -> None:
        before = self._syntax.source[node.start_byte : inner.start_byte]
        self._edits.append(_Edit(node.start_byte, inner.start_byte, _padded(before, b"")))

    def _spaces(self, node: Node) -> bytes:
        return _padded(self._syntax.text(node), b"")


def _padded(replaced: bytes, text: bytes) -> bytes:
    """``text`` at the end of as many blanks as keep lines and columns; longer only where it does not fit."""
    blank = _NOT_A_LINE_END.sub(" ", replaced.decode()).encode()
    room = len(blank) - len(blank.rstrip(b" "))
    return blank[: len(blank) - min(room, len(text))] + text


def _descend(node: Node, *types: str) -> Iterator[Node]:
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one.type in types:
            yield one
        else:
            waiting.extend(reversed(one.children))
