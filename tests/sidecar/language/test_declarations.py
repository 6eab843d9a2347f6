"""The declarations for editors: they parse, and name what there is, no more and no less."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

from sandbox import runtime
from sidecar import hosts
from sidecar.cli import main, types
from sidecar.hosts.call import PARSERS, parse, result
from sidecar.hosts.customer_folders import CustomerFolders
from sidecar.hosts.grants import Grants, shipped_names
from sidecar.hosts.request import SOCKET_MODULE
from sidecar.language.awaits import ACTIONS, MODULE
from sidecar.language.modules import AVAILABLE, NODE
from sidecar.language.surroundings import is_there
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


def call_server() -> Node:
    (found,) = (
        node
        for node in nodes(JAVASCRIPT.parse(hosts.source("call").encode()).root_node, "class_declaration")
        if text_of(node.child_by_field_name("name")) == "CallServer"
    )
    return found


def test_it_parses() -> None:
    assert not DECLARED.has_error, [node.start_point for node in nodes(DECLARED, "ERROR")]


def test_every_function_of_ctx_is_declared_and_no_other() -> None:
    there = members(call_server())
    assert {"answer", "waitForHangup", "get"} < there
    assert members(named(DECLARED, "Ctx")) == there


def test_parameters_are_as_many() -> None:
    def counts(root: Node) -> dict[str, int]:
        found: dict[str, int] = {}
        for node in nodes(root, "method_definition", "method_signature"):
            parameters = node.child_by_field_name("parameters")
            assert parameters is not None
            name = text_of(node.child_by_field_name("name"))
            count = sum(one.type != "comment" for one in parameters.named_children)
            found[name] = max(found.get(name, 0), count)
        return found

    assert counts(named(DECLARED, "Ctx")) == counts(call_server())


def performed() -> dict[str, str]:
    """The name of each function of ctx that performs an action, with the action's."""
    found = {}
    for method in nodes(call_server(), "method_definition"):
        for call in nodes(method, "call_expression"):
            arguments = call.child_by_field_name("arguments")
            if text_of(call.child_by_field_name("function")) == "perform" and arguments is not None:
                found[text_of(method.child_by_field_name("name"))] = text_of(arguments.named_children[0]).strip('"')
    return found


def options_of_the_adapter() -> dict[str, set[str]]:
    adapter = JAVASCRIPT.parse(hosts.source("call").encode()).root_node
    (table,) = (
        node.child_by_field_name("value")
        for node in nodes(adapter, "variable_declarator")
        if text_of(node.child_by_field_name("name")) == "OPTIONS"
    )
    assert table is not None

    def entries(given: Node) -> Iterator[tuple[str, Node]]:
        for pair in given.named_children:
            value = pair.child_by_field_name("value") if pair.type == "pair" else None
            if value is not None and text_of(pair.child_by_field_name("key")) != "__proto__":
                yield text_of(pair.child_by_field_name("key")), value

    return {kind: {name for name, _ in entries(value)} for kind, value in entries(table)}


class Recorded(dict[str, Any]):
    """Options that know which of them were looked at."""

    def __init__(self, **given: object) -> None:
        super().__init__(given)
        self.looked_at: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.looked_at.add(key)
        return super().get(key, default)


def test_what_ctx_performs_the_daemon_parses_and_its_promise_is_to_be_awaited() -> None:
    assert performed() == {name: name for name in PARSERS}
    # waitFor is answered by digits and is no action of the call's; its promise is awaited all the same.
    assert {name.decode() for name in ACTIONS} == {*PARSERS, "waitFor"}
    promised = {
        text_of(node.child_by_field_name("name"))
        for node in nodes(named(DECLARED, "Ctx"), "method_signature")
        if b"Promise<" in ((node.child_by_field_name("return_type") or node).text or b"")
    }
    # A line of the log need not be waited for; the end of the call seldom is not.
    assert promised == {*PARSERS, "waitFor", "log", "waitForHangup"}


def test_options_are_the_same_for_the_editor_the_adapter_and_the_daemon() -> None:
    folders = CustomerFolders(own=Path("/a"), house=Path("/b"), recordings=Path("/c"))
    ivr, bridge, record = Recorded(other=1), Recorded(other=1), Recorded(file="a")
    parse("ivr", {"options": ivr}, lambda: folders)
    parse("bridge", {"options": bridge, "destinations": ["1"], "continueOn": False}, lambda: folders)
    parse("record", record, lambda: folders)
    parsed = {"ivr": ivr.looked_at, "bridge": bridge.looked_at, "record": record.looked_at - {"file"}}
    (record_declaration,) = (
        node
        for node in nodes(named(DECLARED, "Ctx"), "method_signature")
        if text_of(node.child_by_field_name("name")) == "record"
    )
    declared = {
        "ivr": members(named(DECLARED, "IvrOptions")),
        "bridge": members(named(DECLARED, "BridgeOptions")),
        "record": {text_of(one.child_by_field_name("name")) for one in nodes(record_declaration, "property_signature")},
    }
    assert options_of_the_adapter() == parsed == declared


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
    of_node = {*NODE, *(f"node:{name}" for name in NODE)}
    assert AVAILABLE == Grants().names() == {MODULE.decode(), SOCKET_MODULE, *of_node}
    assert modules == {name for name in shipped_names() if name.startswith("cx")}
    globals_of_apps = runtime.source(suspends=True) + hosts.source("call")
    for node in nodes(DECLARED, "ambient_declaration"):
        for kind in ("function_signature", "class_declaration"):
            for one in node.children:
                if one.type == kind:
                    name = text_of(one.child_by_field_name("name"))
                    assert name in globals_of_apps or is_there(name)


def test_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["types"]) == 0
    assert capsys.readouterr().out == types.text("scriptforge.d.ts")
    assert main(["types", "--write", str(tmp_path)]) == 0
    assert (tmp_path / "scriptforge.d.ts").read_text() == types.text("scriptforge.d.ts")
    assert (tmp_path / "scriptforge-test.d.ts").read_text() == types.text("scriptforge-test.d.ts")
    declared = (tmp_path / "scriptforge-modules.d.ts").read_text()
    assert 'declare module "node:crypto";\n' in declared
    assert TYPESCRIPT.parse(declared.encode()).root_node.has_error is False
    settings = tmp_path / "jsconfig.json"
    assert json.loads(settings.read_text())["compilerOptions"]["checkJs"] is True
    settings.write_text("{}")
    assert main(["types", "--write", str(tmp_path)]) == 0
    assert settings.read_text() == "{}"
    assert "left" in capsys.readouterr().out
    assert main(["types", "--write", str(tmp_path / "none")]) == 1
    assert "No such file" in capsys.readouterr().err


def test_modules_that_cannot_be_read_are_not_declared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "manifest.json").write_text("{")
    (tmp_path / "sidecar.toml").write_text(f'[modules]\ndirectory = "{tmp_path}/modules"\n')
    assert main(["types", "--write", str(tmp_path), "--config", str(tmp_path / "sidecar.toml")]) == 0
    assert "no npm module is declared" in capsys.readouterr().err
    declared = (tmp_path / "scriptforge-modules.d.ts").read_text()
    assert declared == types.modules_text([*NODE, *(f"node:{name}" for name in NODE)])
