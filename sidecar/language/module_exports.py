"""What each module of the host exports, read from the declarations that editors have of it."""

import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from tree_sitter import Node

from sidecar.language.file_modules import DEFAULT, declared_names, quoted
from sidecar.language.syntax_tree import SyntaxTree, parse_script

_DECLARATIONS: Final = Path(__file__).with_name("scriptforge.d.ts")
_SECONDS: Final = 10.0
"""Some milliseconds are enough; a machine may be busy."""


def module_exports(name: str) -> frozenset[str] | None:
    """The names that a module of the host exports, ``default`` among them; None for one that nothing is declared of."""
    return _all().get(name)


@cache
def _all() -> Mapping[str, frozenset[str]]:
    text = _DECLARATIONS.read_text(encoding="utf-8")
    syntax = parse_script(text, time.monotonic() + _SECONDS, typescript=True)
    return {
        quoted(syntax, name): frozenset((DEFAULT, *_exported(syntax, body)))
        for node in syntax.tree.root_node.children
        for module in node.named_children
        if node.type == "ambient_declaration" and module.type == "module"
        if (name := module.child_by_field_name("name")) is not None and name.type == "string"
        if (body := module.child_by_field_name("body")) is not None
    }


def _exported(syntax: SyntaxTree, body: Node) -> Iterator[str]:
    for statement in body.named_children:
        if statement.type != "export_statement":
            continue
        if any(child.type == "=" for child in statement.children):
            # `export = all`: what is declared of it stands in the module's own interfaces.
            yield from (syntax.text(name).decode() for name in _properties(body))
        declaration = statement.child_by_field_name("declaration")
        if declaration is not None:
            yield from declared_names(syntax, declaration)
        for clause in statement.named_children:
            for specifier in clause.named_children if clause.type == "export_clause" else ():
                yield syntax.text(specifier.named_children[-1]).decode()


def _properties(body: Node) -> Iterator[Node]:
    for statement in body.named_children:
        members = statement.child_by_field_name("body") if statement.type == "interface_declaration" else None
        for member in members.named_children if members is not None else ():
            name = member.child_by_field_name("name")
            if member.type == "property_signature" and name is not None:
                yield name
