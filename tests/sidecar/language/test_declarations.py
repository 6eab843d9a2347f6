"""The declarations for editors: they parse, and name what there is, no more and no less."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

from sandbox import runtime
from sidecar import hosts
from sidecar.calls.actions import result
from sidecar.cli import main, types
from sidecar.language.modules import AVAILABLE
from sipio.call_control import Bridged, BridgeStatus, CollectStatus, Digits, HangupBy

TYPESCRIPT = Parser(Language(tree_sitter_typescript.language_typescript()))
JAVASCRIPT = Parser(Language(tree_sitter_javascript.language()))
DECLARED = TYPESCRIPT.parse(types.text("scriptforge.d.ts").encode()).root_node


def nodes(root: Node, *kinds: str) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.type in kinds:
            yield node
        waiting.extend(node.children)


def text_of(node: Node | None) -> str:
    assert node is not None
    assert node.text is not None
    return node.text.decode()


def named(root: Node, name: str) -> Node:
    kinds = ("class_declaration", "interface_declaration", "type_alias_declaration")
    (found,) = (node for node in nodes(root, *kinds) if text_of(node.child_by_field_name("name")) == name)
    return found


def members(node: Node) -> set[str]:
    kinds = ("property_signature", "method_signature", "method_definition")
    body = node.child_by_field_name("body")
    assert body is not None
    return {text_of(one.child_by_field_name("name")) for one in body.children if one.type in kinds}


def literals(node: Node, name: str) -> set[str]:
    (found,) = (one for one in nodes(node, "property_signature") if text_of(one.child_by_field_name("name")) == name)
    return {text_of(one) for one in nodes(found, "string_fragment")}


def test_it_parses() -> None:
    assert not DECLARED.has_error, [node.start_point for node in nodes(DECLARED, "ERROR")]


def test_every_function_of_ctx_is_declared_and_no_other() -> None:
    adapter = JAVASCRIPT.parse(hosts.source("call").encode()).root_node
    (call_server,) = (
        node
        for node in nodes(adapter, "class_declaration")
        if text_of(node.child_by_field_name("name")) == "CallServer"
    )
    there = members(call_server)
    assert {"answer", "waitForHangup", "get"} < there
    assert members(named(DECLARED, "Ctx")) == there


def test_parameters_are_as_many() -> None:
    adapter = JAVASCRIPT.parse(hosts.source("call").encode()).root_node

    def counts(root: Node) -> dict[str, int]:
        found: dict[str, int] = {}
        for node in nodes(root, "method_definition", "method_signature"):
            parameters = node.child_by_field_name("parameters")
            assert parameters is not None
            name = text_of(node.child_by_field_name("name"))
            count = sum(one.type != "comment" for one in parameters.named_children)
            found[name] = max(found.get(name, 0), count)
        return found

    (call_server,) = (
        node
        for node in nodes(adapter, "class_declaration")
        if text_of(node.child_by_field_name("name")) == "CallServer"
    )
    assert counts(named(DECLARED, "Ctx")) == counts(call_server)


def test_results_have_the_fields_that_scripts_are_given() -> None:
    digits = result(Digits(status=CollectStatus.SUCCESS))
    bridged = result(Bridged(status=BridgeStatus.BUSY))
    assert members(named(DECLARED, "Digits")) == set(digits)
    assert members(named(DECLARED, "Bridged")) == set(bridged)
    assert literals(named(DECLARED, "Digits"), "status") == set(CollectStatus)
    assert literals(named(DECLARED, "Bridged"), "status") == set(BridgeStatus)
    assert literals(named(DECLARED, "HungUp"), "by") == set(HangupBy)


def test_modules_and_globals() -> None:
    modules = {
        text_of(node.child_by_field_name("name")).strip("\"'") for node in nodes(DECLARED, "module") if node.is_named
    }
    assert modules == AVAILABLE
    globals_of_apps = runtime.source(suspends=True) + hosts.source("call")
    for node in nodes(DECLARED, "ambient_declaration"):
        for kind in ("function_signature", "class_declaration"):
            for one in node.children:
                if one.type == kind:
                    assert text_of(one.child_by_field_name("name")) in globals_of_apps


def test_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["types"]) == 0
    assert capsys.readouterr().out == types.text("scriptforge.d.ts")
    assert main(["types", "--write", str(tmp_path)]) == 0
    assert (tmp_path / "scriptforge.d.ts").read_text() == types.text("scriptforge.d.ts")
    settings = tmp_path / "jsconfig.json"
    assert json.loads(settings.read_text())["compilerOptions"]["checkJs"] is True
    settings.write_text("{}")
    assert main(["types", "--write", str(tmp_path)]) == 0
    assert settings.read_text() == "{}"
    assert "left" in capsys.readouterr().out
    assert main(["types", "--write", str(tmp_path / "none")]) == 1
    assert "No such file" in capsys.readouterr().err
