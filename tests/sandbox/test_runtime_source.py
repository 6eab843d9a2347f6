"""The JavaScript of our own, read as JavaScript: it parses, names what it uses, and uses what it names."""

import subprocess
from pathlib import Path

import pytest
import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from sandbox import runtime
from tests.acceptance.processes import require_program

REPOSITORY = Path(__file__).resolve().parents[2]
ADAPTERS = sorted((REPOSITORY / "sidecar" / "hosts").glob("*.js"))
LANGUAGE = Language(tree_sitter_javascript.language())
BUILT_IN_TEXT = """
    globalThis JSON Reflect Object String Number Boolean Array Symbol Promise Error TypeError RangeError
    RegExp Math InternalError eval undefined NaN Infinity Map Set WeakMap WeakSet Date parseInt parseFloat isNaN
    encodeURIComponent arguments Proxy BigInt Date Uint8Array Int8Array
"""
BUILT_IN = frozenset(BUILT_IN_TEXT.split())
DECLARES = {"variable_declarator": "name", "function_declaration": "name", "class_declaration": "name"}


def _nodes(node: Node) -> list[Node]:
    found = [node]
    for child in node.children:
        found += _nodes(child)
    return found


def _text(node: Node) -> str:
    return (node.text or b"").decode()


def _names(pattern: Node) -> list[str]:
    """Names that a pattern binds: an identifier, or the leaves of a destructuring."""
    if pattern.type in {"identifier", "shorthand_property_identifier_pattern"}:
        return [_text(pattern)]
    if pattern.type == "pair_pattern":
        value = pattern.child_by_field_name("value")
        return _names(value) if value is not None else []
    if pattern.type == "assignment_pattern":
        left = pattern.child_by_field_name("left")
        return _names(left) if left is not None else []
    if pattern.type in {"object_pattern", "array_pattern", "rest_pattern", "formal_parameters"}:
        return [name for child in pattern.named_children for name in _names(child)]
    return []


def mistakes(text: str) -> list[str]:
    """Syntax errors, names used and declared nowhere, names declared and never used. Scopes are taken as one."""
    root = Parser(LANGUAGE).parse(text.encode()).root_node
    nodes = _nodes(root)
    found = [f"{node.start_point.row + 1}: syntax" for node in nodes if node.type == "ERROR" or node.is_missing]
    declared: dict[str, int] = {}
    for node in nodes:
        patterns = []
        if node.type in DECLARES:
            patterns = [node.child_by_field_name(DECLARES[node.type])]
        elif node.type in {"arrow_function", "function_expression", "function_declaration", "method_definition"}:
            patterns = [node.child_by_field_name("parameters"), node.child_by_field_name("parameter")]
        elif node.type == "catch_clause":
            patterns = [node.child_by_field_name("parameter")]
        elif node.type == "for_in_statement" and node.child_by_field_name("kind") is not None:
            patterns = [node.child_by_field_name("left")]
        if node.type == "function_declaration":
            patterns.append(node.child_by_field_name("name"))
        for pattern in patterns:
            if pattern is not None:
                for name in _names(pattern):
                    declared.setdefault(name, node.start_point.row + 1)
    used: dict[str, int] = {}
    counts: dict[str, int] = {}
    for node in nodes:
        if node.type in {"identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern"}:
            counts[_text(node)] = counts.get(_text(node), 0) + 1
            used.setdefault(_text(node), node.start_point.row + 1)
    found += [
        f"{line}: {name} is not declared"
        for name, line in used.items()
        if name not in declared and name not in BUILT_IN
    ]
    found += [f"{line}: {name} is not used" for name, line in declared.items() if counts.get(name, 0) < 2]
    return found


def test_the_check_finds_mistakes() -> None:
    assert mistakes("const a = 1; b(a);") == ["1: b is not declared"]
    assert mistakes("const a = 1;") == ["1: a is not used"]
    assert mistakes("const a = (;") != []
    assert mistakes("const f = ({ a, b: [c = 1] }, ...d) => a + c + d; f(1);") == []
    assert mistakes("try { eval(1); } catch (e) { } for (const k of [1]) eval(k);") == ["1: e is not used"]


@pytest.mark.parametrize("suspends", [False, True])
def test_the_runtime_has_no_such_mistakes(suspends: bool) -> None:
    other = runtime.source(not suspends)
    # A name that the files in common declare may be for the other sort of run alone.
    found = [line for line in mistakes(runtime.source(suspends)) if not line.endswith("is not used")]
    unused = {line.split(": ", 1)[1] for line in mistakes(runtime.source(suspends)) if line.endswith("is not used")}
    assert found == []
    assert unused & {line.split(": ", 1)[1] for line in mistakes(other)} == set()


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda path: path.name)
def test_adapters_have_no_such_mistakes(adapter: Path) -> None:
    assert mistakes(adapter.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("suspends", [False, True])
def test_node_can_read_the_runtime(suspends: bool, tmp_path: Path) -> None:
    source = tmp_path / "runtime.js"
    source.write_text(runtime.source(suspends), encoding="utf-8")
    subprocess.run([require_program("node"), "--check", str(source)], check=True, capture_output=True, timeout=20)
