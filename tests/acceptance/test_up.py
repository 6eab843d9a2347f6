"""What someone does first: a token, an app of two files that import each other, a run from a browser, a call.

Everything is asked as the README asks it, of the processes that ``scriptforge up`` starts.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.kamailio import Kamailio
from tests.acceptance.processes import Program
from tests.acceptance.serving import ROOT, SCRIPTFORGE
from tests.acceptance.sipp import only_invite
from tests.acceptance.wire import Wire

COUNTING = ROOT / "examples" / "counting"
CUSTOMER = "127.0.0.31"
CUSTOMERS = {CUSTOMER: "acme/premium"}
CALLER = "15557770001"
"""Who calls in SIPp's scenario."""
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Upgrade-Insecure-Requests": "1",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-User": "?1",
}
"""What one sends that has an address typed into it."""
SECONDS = 60.0
LIVE_SECONDS = 30.0


@contextmanager
def running(directory: Path, peer: str) -> Iterator[Program]:
    """``scriptforge up`` for a Kamailio, once both processes serve."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCRIPTFORGE_")} | {
        "SCRIPTFORGE_KAMAILIO__PEERS": json.dumps([peer]),
        "SCRIPTFORGE_PLATFORM__LISTEN": "127.0.0.1:0",
        "SCRIPTFORGE_PLATFORM__METRICS": "",
        "SCRIPTFORGE_METRICS__LISTEN": "",
    }
    up = Program([SCRIPTFORGE, "up", "--data", str(directory / "data")], directory / "up.log", ROOT, environment)
    try:
        up.wait_for("Ctrl-C ends both", seconds=SECONDS)
        yield up
    finally:
        up.stop()


def printed(up: Program, what: str) -> str:
    """What ``scriptforge up`` has said of something."""
    (line,) = up.lines(rf"^{what} ")
    return line.split()[-1]


def tags(client: httpx.Client, saved: dict[str, Any]) -> dict[str, str]:
    """The ETags of files as they are now."""
    return {name: client.get(f"/api/v1/scripts/{one['id']}").headers["etag"] for name, one in saved.items()}


def files(client: httpx.Client, count: str, **seen: str) -> Any:
    """Save both files, with another text of ``count.ts``; what is told of each by its name."""
    texts = {"count.ts": count, "calls.js": (COUNTING / "calls.js").read_text()}
    wanted = [
        {"name": name, "text": text, "public": name == "calls.js", "seen": seen.get(name)}
        for name, text in texts.items()
    ]
    answer = client.post("/api/v1/apps/counting/scripts", json={"scripts": wanted})
    assert answer.status_code == 200, answer.text
    return {one["name"]: one for one in answer.json()["items"]}


def live(up: Program, position: int, changed: float) -> None:
    """Return once the call daemon works by a change that was acknowledged at this time: within a second."""
    line = json.loads(up.wait_for('"action":"catalog_loaded","scripts":2,"assignments":1', position, seconds=SECONDS))
    assert datetime.fromisoformat(line["time"]).timestamp() - changed < LIVE_SECONDS


def told_by_a_call(wire: Wire) -> str | None:
    """What the gateway is told of a call of the customer's."""
    gateway = wire.gateway("gw-one")
    wire.caller("acme", source=CUSTOMER).finish()
    return only_invite(gateway.finish()).get("X-Calls")


@pytest.fixture
def kamailio(tmp_path: Path) -> Iterator[Kamailio]:
    started = Kamailio(tmp_path / "kamailio", customers=CUSTOMERS)
    try:
        started.wait_until_ready()
        yield started
    finally:
        started.stop()


@pytest.fixture
def wire(kamailio: Kamailio, tmp_path: Path) -> Iterator[Wire]:
    started = Wire(kamailio, tmp_path)
    yield started
    started.stop()


@pytest.mark.timeout(240)
def test_a_token_an_app_of_two_files_a_run_from_a_browser_and_the_next_call(
    kamailio: Kamailio, wire: Wire, tmp_path: Path
) -> None:
    count = (COUNTING / "count.ts").read_text()
    before = kamailio.program.position
    with running(tmp_path, kamailio.peer) as up:
        kamailio.program.wait_for("sidecar connected", before, seconds=SECONDS)
        url = printed(up, "HTTP API").removesuffix("/api/v1/")
        operator = {"Authorization": f"Bearer {printed(up, 'token')}"}
        with httpx.Client(base_url=url, headers=operator, timeout=SECONDS, trust_env=False) as client:
            assert client.put("/api/v1/tenants/acme").status_code == 201
            asked = {"name": "acme's author", "scopes": ["read", "write"]}
            made = client.post("/api/v1/tokens", params={"tenant": "acme"}, json=asked)
            assert made.status_code == 201
        author = {"Authorization": f"Bearer {made.json()['token']}"}
        with (
            httpx.Client(base_url=url, headers=author, timeout=SECONDS, trust_env=False) as client,
            httpx.Client(base_url=url, headers=BROWSER, timeout=SECONDS, trust_env=False) as browser,
        ):
            assert client.put("/api/v1/apps/counting", json={"name": "Counting"}).status_code == 201
            saved = files(client, count)
            calls = saved["calls.js"]

            page = browser.get(f"/run/{calls['uuid']}", params={"number": CALLER})
            assert (page.status_code, page.text) == (200, f"Call 1 of {CALLER}")
            assert page.headers["content-type"] == "text/plain; charset=utf-8"

            assert told_by_a_call(wire) is None, "nothing is assigned yet"

            position = up.position
            route = {"customer": "acme", "route": "premium", "script": calls["id"]}
            assert client.put("/api/v1/assignments", json=route).status_code == 201
            live(up, position, time.time())
            assert told_by_a_call(wire) == "2", "the browser's run was the first"
            assert told_by_a_call(wire) == "3"

            seen = tags(client, saved)
            position = up.position
            files(client, count.replace("calls:", "calls since the change:"), **seen)
            live(up, position, time.time())
            assert told_by_a_call(wire) == "1"
            assert browser.get(str(page.request.url)).text == f"Call 2 of {CALLER}"

        os.kill(up.process.pid, signal.SIGINT)
        assert up.finish(SECONDS) == 0
        platform, daemon = (json.loads(line) for line in up.lines('"action":"stopped"'))
        assert "runs" in platform
        assert daemon["decisions"] == 4
        assert up.lines("Traceback") == []
        warned = {json.loads(line)["action"] for line in up.lines('"level":"(warning|error)"')}
        assert warned == set()
