"""Log lines of the packages below sidecar: a stable action, and fields that an alert can be made on."""

import ast
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ["sandbox", "sipio"]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
ACTION = re.compile("[a-z]+(_[a-z]+)+")
TAKEN = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "time", "level", "action", "logger"}
"""Attributes of every record, and what the line that is written has of its own."""


def log_calls(folder: str) -> Iterator[tuple[str, ast.Call]]:
    for file in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LEVELS
                and isinstance(node.func.value, ast.Name)
                and "log" in node.func.value.id.lower()
            ):
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_line_is_an_action_with_fields(folder: str) -> None:
    found = list(log_calls(folder))
    assert found
    for place, call in found:
        assert isinstance(call.func, ast.Attribute)
        assert isinstance(call.func.value, ast.Name)
        assert call.func.value.id == "logger", place
        [action] = call.args
        assert isinstance(action, ast.Constant), place
        assert ACTION.fullmatch(str(action.value)), place
        extra = next((keyword.value for keyword in call.keywords if keyword.arg == "extra"), None)
        # Without a field it would be taken for a plain message: sidecar's LineHandler.
        assert isinstance(extra, ast.Dict | ast.Call), place
        keys = extra.keys if isinstance(extra, ast.Dict) else [*extra.args, extra.func]
        assert keys, place
        names = {key.value for key in keys if isinstance(key, ast.Constant)}
        assert not names & TAKEN, place


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_logger_is_named_after_its_module(folder: str) -> None:
    for file in sorted((ROOT / folder).rglob("*.py")):
        made = [line for line in file.read_text(encoding="utf-8").splitlines() if "getLogger(" in line]
        assert made in ([], ["logger = logging.getLogger(__name__)"]), file
