"""No text of one customer's script costs another customer anything: records, notifications, logs, the metrics page."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from sipio.rpc.client import RpcClient
from sipio.rpc.service import Method, Responder
from tests.acceptance.processes import free_port, wait_until
from tests.acceptance.serving import Serving, metrics, request

TEXTS = ["\\ud800", "\\u0000", "\\u001b[2J\\u009b31m\\u2028"]
SCRIPTS = {
    f"throws{number}": f"async function main() {{ throw new Error('{text}') }}" for number, text in enumerate(TEXTS)
}
SCRIPTS["quiet"] = "async function main() { }"
ASSIGNMENTS = "".join(
    f'''
[[script]]
file = "{name}.js"
kind = "app"
[[destination]]
destination = "{name}"
script = "{name}"
[[route]]
customer = "{name}"
script = "{name}"
'''
    for name in SCRIPTS
)


class Switch:
    """Announces calls, hangs up when it is told to, and keeps the records that it is given."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.client: RpcClient

    @classmethod
    async def connect(cls, address: str) -> "Switch":
        switch = cls()
        methods = {
            "call.hangup": Method(list[dict[str, Any]], switch._hang_up),
            "call.record": Method(list[dict[str, Any]], switch._keep, immediate=True),
        }
        switch.client = await RpcClient.connect(address, methods=methods)
        await switch.client.call("hello", {"notify": ["call.record"]})
        return switch

    def _hang_up(self, params: list[dict[str, Any]], responder: Responder) -> None:
        responder.result({})
        self.client.notify("call.event", {"call_id": params[0]["call_id"], "event": "hungup", "by": "script"})

    def _keep(self, params: list[dict[str, Any]], _responder: Responder) -> None:
        self.records[params[0]["id"]] = params[0]


@pytest.mark.parametrize("log_format", ["json", "text"])
async def test_what_scripts_throw_is_kept_told_and_counted_beside_the_calls_of_others(
    tmp_path: Path, log_format: str
) -> None:
    port = free_port("127.0.0.1", socket.SOCK_STREAM)
    environment = {
        "SCRIPTFORGE_VOICE__RECORDS": str(tmp_path / "calls"),
        "SCRIPTFORGE_METRICS__LISTEN": f"127.0.0.1:{port}",
        "SCRIPTFORGE_LOG__FORMAT": log_format,
    }
    daemon = Serving(tmp_path, SCRIPTS, ASSIGNMENTS, environment=environment)
    daemon.program.wait_for("serving")
    try:
        switch = await Switch.connect(f"unix:{daemon.socket}")
        names = [f"{name}-{round_}" for round_ in range(5) for name in SCRIPTS]
        for name in names:
            number = name.rpartition("-")[0]
            started = await switch.client.call("call.start", {"id": name, "from_user": "1", "to_user": number})
            assert started == {"accepted": True}
            assert (await switch.client.call("route", request(number, name)))["action"] == "route"
        async with asyncio.timeout(20):
            while len(switch.records) < len(names):  # noqa: ASYNC110 - a notification sets no event
                await asyncio.sleep(0.02)
        assert switch.records["quiet-0"]["outcome"] == "returned"
        assert switch.records["throws0-0"]["error"] == "Error: \\ud800"
        assert switch.records["throws1-0"]["error"] == "Error: \0"

        def kept() -> set[str]:
            files = (tmp_path / "calls").glob("calls-*.jsonl")
            return {json.loads(line)["id"] for file in files for line in file.read_bytes().splitlines()}

        wait_until(lambda: kept() == set(names), "records of all calls")
        counted = metrics(port)
        assert counted["scriptforge_call_records_dropped_total",] == 0
        await switch.client.close()
    finally:
        daemon.stop()
    written = (tmp_path / "daemon.log").read_bytes()
    assert not set(b"\x1b\x00") & set(written)
    assert b"\xc2\x9b" not in written
    for line in ("observer_failed", "Traceback", "never retrieved"):
        assert line.encode() not in written
