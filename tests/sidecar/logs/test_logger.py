"""Log lines: their shape, what cannot be forged in them, and what is kept out of them."""

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.configuration.tree import LogSection
from sidecar.logs.logger import LINE_BYTES, ActionLogger, json_line, open_output, renderer, setup, text_line
from sidecar.logs.output import LineOutput
from sipio.rpc.limits import RpcLimits
from sipio.rpc.messages import encode_request
from sipio.rpc.protocol import RpcProtocol
from sipio.rpc.service import Method, Responder, Service

WHEN = 1_769_860_800.25
FORGERY = 'x\n{"time":"2026","action":"decision"}\r\x1b[2J\x9b31m\u2028\u202e\x7f\ud800'
ANY_TEXT = st.text(st.characters(codec=None), max_size=200)


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[tuple[Path, LineOutput]]:
    """Standard logging through an output to a file."""
    root = logging.getLogger()
    former, level = root.handlers[:], root.level
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    output = open_output(LogSection(), descriptor)
    setup(LogSection(level="info"), output)
    yield path, output
    root.handlers[:] = former
    root.setLevel(level)
    logging.captureWarnings(False)
    output.close(0)
    os.close(descriptor)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_exact_json_line() -> None:
    assert json_line(WHEN, "info", "catalog_reloaded", {"scripts": 3, "level": "forged"}) == (
        b'{"time":"2026-01-31T12:00:00.250000Z","level":"info","action":"catalog_reloaded","scripts":3}\n'
    )


def test_text_line_quotes_only_what_needs_it() -> None:
    line = text_line(WHEN, "info", "decision", {"a": "plain", "b": 'two "words"', "c": "", "d": {"total": 5}})
    assert line.split(b" ", 1)[1] == b'info    decision a=plain b="two \\"words\\"" d=total:5\n'


@given(value=ANY_TEXT | st.just(FORGERY))
@pytest.mark.parametrize("render", [json_line, text_line])
def test_no_text_forges_a_line_or_a_terminal_escape(render: Any, value: str) -> None:
    line = render(WHEN, "info", "console", {"text": value, value: "as a name"}).decode()
    assert line.endswith("\n")
    assert len(line.splitlines()) == 1
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or c in "\u2028\u2029\u202e" for c in line[:-1])


@given(value=st.text(max_size=200))
def test_json_gives_back_what_it_was_given(value: str) -> None:
    assert json.loads(json_line(WHEN, "info", "console", {"text": value}))["text"] == value


@pytest.mark.parametrize("render", [json_line, text_line])
@pytest.mark.parametrize(
    "fields",
    [
        {"text": "\x1b" * 100_000},
        {"texts": ["\U0010ffff" * 1_000] * 200},
        {f"name{number}": "x" * 1_000 for number in range(5_000)},
    ],
)
def test_no_line_is_longer_than_journald_takes(render: Any, fields: dict[str, Any]) -> None:
    line = render(WHEN, "info", "console", fields)
    assert len(line) <= LINE_BYTES
    if render is json_line:
        assert json.loads(line)["action"] == "console"


def test_actions_and_plain_messages(log_file: tuple[Path, LineOutput]) -> None:
    path, _ = log_file
    log = ActionLogger("sidecar.test")
    log.info("catalog_reloaded", scripts=3, directory=Path("/etc/scriptforge"))
    log.debug("never")
    logging.getLogger("sipio.kamailio").warning("lost %s", "10.0.0.1")
    first, second = lines(path)
    assert (first["action"], first["scripts"], first["directory"]) == (
        "catalog_reloaded",
        3,
        "/etc/scriptforge",
    )
    assert (second["action"], second["logger"], second["message"]) == ("log", "sipio.kamailio", "lost 10.0.0.1")


def test_fields_of_the_packages_that_know_only_the_standard_library(log_file: tuple[Path, LineOutput]) -> None:
    path, _ = log_file
    logger = logging.getLogger("sandbox.supervision")
    logger.warning("worker_died", extra={"cause": "SIGALRM", "lane": "fast", "runs": 2})
    logger.error("not a name", extra={"reason": "x\ny", "level": "forged", "token": "t"})
    first, second = lines(path)
    assert (first["action"], first["cause"], first["lane"], first["runs"]) == ("worker_died", "SIGALRM", "fast", 2)
    assert (second["action"], second["message"], second["reason"]) == ("log", "not a name", "x\ny")
    assert (second["level"], second["token"]) == ("error", "[redacted]")


async def test_a_line_of_the_socket_is_an_action_with_its_fields(log_file: tuple[Path, LineOutput]) -> None:
    path, _ = log_file

    def broken(_params: list[Any], _responder: Responder) -> None:
        raise ZeroDivisionError("of the handler's")

    connection = RpcProtocol(Service({"break": Method(list[Any], broken)}, RpcLimits()))
    connection.data_received(encode_request(1, "break", ()) + b"\xc1")
    first, second = lines(path)
    assert (first["level"], first["action"], first["method"]) == ("error", "rpc_handler_failed", "break")
    assert first["error"] == "ZeroDivisionError: of the handler's"
    assert list(second) == ["time", "level", "action", "logger", "code", "reason"]
    assert (second["level"], second["action"], second["code"]) == ("info", "rpc_connection_failed", "malformed")
    assert second["reason"] == "not MessagePack"


def test_an_exception_says_where(log_file: tuple[Path, LineOutput]) -> None:
    path, _ = log_file
    try:
        int("bad\nline")
    except ValueError:
        ActionLogger("sidecar.test").exception("observer_failed", call_id="1")
    (line,) = lines(path)
    assert line["level"] == "error"
    assert line["error"] == "ValueError: invalid literal for int() with base 10: 'bad\\nline'"
    assert "test_logger.py" in line["traceback"]


def test_secrets_stay_out(log_file: tuple[Path, LineOutput]) -> None:
    path, _ = log_file
    ActionLogger("sidecar.test").info(
        "connected", url="redis://user:hunter2@10.0.0.1/0", api_token="hunter2", Password="hunter2"
    )
    assert "hunter2" not in path.read_text()
    assert lines(path)[0]["url"] == "redis://[redacted]@10.0.0.1/0"


def test_the_renderer_is_the_configured_one() -> None:
    assert renderer(LogSection(format="text")) is text_line
