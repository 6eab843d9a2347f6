"""Routing scripts that count in cxKV and ask by fetch, in real daemons: nothing that was answered is lost."""

import asyncio
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.acceptance.pages import serving_pages
from tests.acceptance.serving import SCRIPTFORGE, Serving, request

COUNTS = """import { incr, kv } from 'cxKV';
export async function main(data) {
  const count = await incr('calls');
  if (data.routing.dest_number === '666') throw new Error(`603 Blocked after ${count}`);
  data.routing.count = count;
  data.routing.text = await kv.get('calls');
}
"""
ASKS = """async function main(data) {
  const response = await fetch(`${process.env.BASE}/${data.routing.dest_number}`);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  data.routing.cli = (await response.json()).cli;
}
"""
ASSIGNMENTS = """
[[script]]
file = "counts.js"
kind = "app"
[[script]]
file = "asks.js"
kind = "app"
environment = {{ BASE = "http://127.0.0.1:{port}" }}
[[route]]
customer = "counts"
script = "counts"
[[route]]
customer = "asks"
script = "asks"
timeout_ms = 1000
timeout_action = "503 Too Slow"
error_action = "500 Not Asked"
"""


def serving(directory: Path, port: int = 1) -> Serving:
    file = directory / "values.db"
    if not file.exists():
        subprocess.run([SCRIPTFORGE, "db", "upgrade", "--url", f"sqlite:///{file}"], check=True)
    configuration = f'[storage]\nurl = "sqlite:///{file}"\n[outgoing]\nnetworks = ["127.0.0.1/32"]\n'
    scripts = {"counts": COUNTS, "asks": ASKS}
    return Serving(directory, scripts, ASSIGNMENTS.format(port=port), configuration=configuration)


async def test_calls_are_counted_over_daemons_and_their_deaths(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    (other / "values.db").symlink_to(one / "values.db")
    first = serving(one).ready()
    try:
        second = serving(other).ready()
        try:
            clients = [await first.client(), await second.client()]
            calls = [client.call("route", request("counts")) for client in clients for _ in range(20)]
            answers = [answer["routing"] for answer in await asyncio.gather(*calls)]
            assert sorted(answer["count"] for answer in answers) == list(range(1, 41))
            refused = await clients[0].call("route", request("counts", routing={"dest_number": "666"}))
            assert (refused["code"], refused["reason"]) == (603, "Blocked after 41")
            # What has been answered is there, however the daemon ends.
            last = (await clients[1].call("route", request("counts")))["routing"]
            assert (last["count"], last["text"]) == (42, "42")
            second.send(signal.SIGKILL)
            second.program.finish()
            assert (await clients[0].call("route", request("counts")))["routing"]["count"] == 43
            first.send(signal.SIGKILL)
            first.program.finish()
            for client in clients:
                await client.close()
        finally:
            second.stop()
    finally:
        first.stop()
    again = serving(one).ready()
    try:
        client = await again.client()
        assert (await client.call("route", request("counts")))["routing"]["count"] == 44
        await client.close()
    finally:
        again.stop()


async def test_a_call_waits_for_a_request_as_long_as_its_script_may(tmp_path: Path) -> None:
    with serving_pages() as port:
        daemon = serving(tmp_path, port).ready()
        try:
            client = await daemon.client()

            async def decided(number: str) -> Any:
                return await client.call("route", request("asks", number, routing={"dest_number": number}))

            known = await decided("491")
            assert (known["outcome"], known["routing"]["cli"]) == ("returned", "+4930")
            for number, answer in {
                "492": (403, "Not For You"),
                "hangs": (503, "Too Slow"),
                "breaks": (500, "Not Asked"),
            }.items():
                decision = await decided(number)
                assert (decision["code"], decision["reason"]) == answer
            await client.close()
            assert "fetch failed: http://127.0.0.1" in daemon.record("breaks")["error"]
        finally:
            daemon.stop()
