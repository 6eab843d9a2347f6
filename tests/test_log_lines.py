"""Log lines of the packages that know only the standard library: a stable action, and fields as ``extra``."""

import ast
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("sandbox", "sipio/kamailio", "sipio/freeswitch")
METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
TAKEN = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
"""Attributes of every record: logging raises KeyError for an extra of such a name."""


def log_calls(file: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in METHODS
            and isinstance(node.func.value, ast.Name)
            and "log" in node.func.value.id
        ):
            yield node


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_log_line_is_an_action_with_fields(folder: str) -> None:
    found = 0
    for file in sorted((ROOT / folder).rglob("*.py")):
        for call in log_calls(file):
            found += 1
            place = f"{file.relative_to(ROOT)}:{call.lineno}"
            assert isinstance(call.func, ast.Attribute), place
            assert isinstance(call.func.value, ast.Name), place
            assert call.func.value.id == "logger", place
            (action,) = call.args
            assert isinstance(action, ast.Constant), place
            assert re.fullmatch("[a-z]+(_[a-z]+)*", str(action.value)), place
            assert {keyword.arg for keyword in call.keywords} <= {"extra", "exc_info"}, place
            for keyword in call.keywords:
                if isinstance(keyword.value, ast.Dict):
                    names = {key.value for key in keyword.value.keys if isinstance(key, ast.Constant)}
                    assert TAKEN.isdisjoint(names), place
    assert found
