"""Both processes as `scriptforge up` starts them, under load, when one is killed and when the disk is full."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from sipio.errors import SipioError
from sipio.rpc.client import RpcClient
from tests.acceptance.processes import Program, require_program, wait_until
from tests.acceptance.serving import ROOT, SCRIPTFORGE, request
from tests.database_fixtures import database_address, servers
from tests.database_servers import Server, mariadb, new_database, postgresql

__all__ = ["database_address", "servers"]

SECONDS = 60.0
CALLERS = 8
COUNTS = """import { incr } from 'cxKV';
export async function main(data) {
  data.routing.count = await incr('calls');
  return data;
}
"""
KEEPS = """import { kv } from 'cxKV';
export async function main(data) {
  await kv.set(data.key, 'x'.repeat(1000));
  return data.key;
}
"""


class Both:
    """The two processes, ready once constructed."""

    def __init__(self, folder: Path, *launcher: str, database: str | None = None) -> None:
        """``database`` is its address, by default a SQLite file of their own."""
        self.data = folder / "data"
        self.environment = {
            **os.environ,
            "SCRIPTFORGE_PLATFORM__LISTEN": "127.0.0.1:0",
            "SCRIPTFORGE_PLATFORM__METRICS": "",
            "SCRIPTFORGE_METRICS__LISTEN": "",
            "SCRIPTFORGE_SANDBOX__WORKERS": "1",
            "SCRIPTFORGE_PLATFORM__WORKERS": "1",
            "SCRIPTFORGE_PLATFORM__REQUESTS_A_SECOND": "100000",
        }
        if database is not None:
            self.environment["SCRIPTFORGE_CATALOG__URL"] = database
        self._launcher = launcher
        self._log = folder / "up.log"
        self.token = ""
        self.start()

    def start(self) -> None:
        """Start both."""
        command = [*self._launcher, SCRIPTFORGE, "up", "--data", str(self.data)]
        self.up = Program(command, self._log, ROOT, self.environment)
        self.up.wait_for("Ctrl-C ends both", seconds=SECONDS)
        self.url = self.up.lines("^HTTP API")[0].split()[-1].removesuffix("/api/v1/")
        self.token = self.token or self.up.lines("^token")[0].split()[-1]
        self.client = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=SECONDS, trust_env=False
        )

    def pid(self, command: str) -> int:
        """Of `scriptforge serve` or `scriptforge platform`."""
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = entry.read_bytes().split(b"\0")
                parent = int((entry.parent / "stat").read_text().rpartition(")")[2].split()[1])
                if command.encode() in words and parent == self.up.process.pid:
                    return int(entry.parent.name)
        pytest.fail(f"there is no scriptforge {command}")

    def script(self, script: str, text: str) -> str:
        """Save one; its uuid."""
        body = {"name": f"{script}.js", "text": text, "public": True}
        saved = self.client.put(f"/api/v1/scripts/{script}", json=body)
        assert saved.is_success, saved.text
        uuid: str = saved.json()["uuid"]
        return uuid

    async def caller(self) -> RpcClient:
        """A switch."""
        folder = self.data if not self._launcher else Path(f"/proc/{self.up.process.pid}/root{self.data}")
        return await RpcClient.connect(f"unix:{folder}/scriptforge.sock")

    def stop(self) -> None:
        """End both."""
        self.client.close()
        self.up.stop()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for it."""
    async with asyncio.timeout(SECONDS):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.05)


async def _counted(caller: RpcClient) -> bool:
    return "count" in (await caller.call("route", request("acme")))["routing"]


async def _changed(caller: RpcClient) -> bool:
    return bool((await caller.call("route", request("plain")))["routing"]["cli"] == "1")


async def assigned(both: Both) -> None:
    """The script that counts decides acme's calls."""
    both.script("counts", COUNTS)
    body = {"customer": "acme", "script": "counts"}
    assert both.client.put("/api/v1/assignments", json=body).is_success
    caller = await both.caller()
    await until(lambda: _counted(caller))
    await caller.close()


@pytest.mark.timeout(300)
async def test_whichever_is_killed_under_load_nothing_acknowledged_is_lost(
    database_address: str, tmp_path: Path
) -> None:
    both = Both(tmp_path, database=database_address)
    await assigned(both)
    counts: list[int] = []
    kept: list[str] = []
    saved: list[str] = []

    async def until_it_ends(turn: Callable[[int], Awaitable[None]]) -> None:
        with suppress(SipioError, httpx.TransportError):
            for number in range(100_000):
                await turn(number)

    for command in ("serve", "platform"):
        callers = [await both.caller() for _ in range(CALLERS)]
        api = httpx.AsyncClient(
            base_url=both.url, headers={"Authorization": f"Bearer {both.token}"}, timeout=SECONDS, trust_env=False
        )

        async def calls(number: int, callers: list[RpcClient] = callers) -> None:
            answer = await callers[number % CALLERS].call("route", request("acme"))
            if "count" in answer["routing"]:
                counts.append(answer["routing"]["count"])

        async def keeps(number: int, api: httpx.AsyncClient = api, command: str = command) -> None:
            key = f"{command}-{number}"
            if (await api.put(f"/api/v1/kv/keys/{key}", json={"value": key})).is_success:
                kept.append(key)

        async def saves(number: int, api: httpx.AsyncClient = api, command: str = command) -> None:
            app = f"{command}-{number}"
            if (await api.put(f"/api/v1/apps/{app}", json={"name": app})).is_success:
                saved.append(app)

        before = len(counts), len(kept), len(saved)
        loads = [asyncio.ensure_future(until_it_ends(turn)) for turn in (calls, calls, calls, keeps, saves)]

        async def is_loaded(before: tuple[int, ...] = before) -> bool:
            now = len(counts), len(kept), len(saved)
            return all(one >= then + 20 for one, then in zip(now, before, strict=True))

        await until(is_loaded)
        os.kill(both.pid(command), signal.SIGKILL)
        await asyncio.gather(*loads)
        for caller in callers:
            await caller.close()
        await api.aclose()
        assert await asyncio.to_thread(both.up.finish, SECONDS) == 1, "where one has ended so does the other"
        both.client.close()
        both.start()

    assert len(set(counts)) == len(counts)
    last = int(both.client.get("/api/v1/kv/keys/calls").json()["value"])
    assert last >= max(counts)
    for key in kept:
        assert both.client.get(f"/api/v1/kv/keys/{key}").json()["value"] == key
    for app in saved:
        assert both.client.get(f"/api/v1/apps/{app}").is_success, app
    assert both.client.get("/api/v1/audit/verify").json()["intact"]
    caller = await both.caller()
    assert (await caller.call("route", request("acme")))["routing"]["count"] == last + 1
    await caller.close()
    both.stop()


@pytest.mark.timeout(300)
async def test_on_a_full_disk_calls_are_decided_and_it_is_told(tmp_path: Path) -> None:
    """The folder is a small file system that nobody outside of the two sees."""
    unshare = [require_program("unshare"), "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    small = tmp_path / "data"
    small.mkdir()
    mount = 'mount -t tmpfs -o size=24m,mode=0700 tmpfs "$0" && exec "$@"'
    both = Both(tmp_path, *unshare, "--", "sh", "-c", mount, str(small))
    inside = Path(f"/proc/{both.up.process.pid}/root{small}")
    try:
        await assigned(both)
        page = f"/run/{both.script('keeps', KEEPS)}"
        plain = f"/run/{both.script('plain', 'export const main = (data) => data.key')}"
        both.script("route", "export function main(data) { data.routing.cli = '1'; return data; }\n")
        both.client.put("/api/v1/assignments", json={"customer": "plain", "script": "route"}).raise_for_status()
        assert both.client.get(page, params={"key": "first"}).text == "first"
        caller = await both.caller()
        await until(lambda: _changed(caller))
        filler = inside / "filler"
        fill = ["dd", "if=/dev/zero", f"of={filler}", "bs=4096"]
        await asyncio.to_thread(subprocess.run, fill, capture_output=True, check=False)
        # What needs no room goes on.
        assert both.client.get(plain, params={"key": "there"}).text == "there"
        assert (await caller.call("route", request("plain")))["routing"]["cli"] == "1"
        # What does is refused, in words, and nothing is changed by it.
        refused = {
            both.client.put(f"/api/v1/apps/full{number}", json={"name": "x" * 200}).status_code for number in range(300)
        }
        assert 507 in refused
        assert refused <= {201, 507}
        made = both.client.put("/api/v1/apps/full999", json={"name": "x"})
        assert (made.status_code, made.json()["type"]) == (507, "urn:scriptforge:full")
        assert both.client.get("/api/v1/apps/full999").status_code == 404
        failed = both.client.get(page, params={"key": "full"})
        assert (failed.status_code, "room" in failed.text) == (500, True), failed.text
        # A decision that counts has its error action, which is to go on with the switch's own.
        answer = await caller.call("route", request("acme"))
        assert (answer["action"], answer["outcome"]) == ("route", "script_error")
        filler.unlink()
        wait_until(lambda: both.client.put("/api/v1/apps/again", json={"name": "x"}).is_success, "there is room again")
        assert both.client.get(page, params={"key": "again"}).text == "again"
        assert "count" in (await caller.call("route", request("acme")))["routing"]
        assert both.client.get("/api/v1/audit/verify").json()["intact"]
        await caller.close()
        assert both.up.lines("Traceback") == []
    finally:
        both.stop()


SMALL: dict[str, tuple[Callable[[int], Server], int]] = {"postgresql": (postgresql, 100), "mysql": (mariadb, 140)}
"""What starts a server on a disk of its own, and its megabytes: some 50 more than an empty one takes."""


@pytest.fixture(params=SMALL)
def small_server(request: pytest.FixtureRequest) -> Iterator[tuple[str, Server]]:
    make, megabytes = SMALL[request.param]
    server = make(megabytes)
    yield request.param, server
    server.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a server a disk of its own")
@pytest.mark.timeout(300)
async def test_on_a_full_disk_of_the_databases_server_calls_are_decided_and_nothing_acknowledged_is_lost(
    small_server: tuple[str, Server], tmp_path: Path
) -> None:
    name, server = small_server
    assert server.disk is not None
    both = Both(tmp_path, database=new_database(name, server))
    try:
        await assigned(both)
        plain = f"/run/{both.script('plain', 'export const main = (data) => data.key')}"
        both.script("route", "export function main(data) { data.routing.cli = '1'; return data; }\n")
        both.client.put("/api/v1/assignments", json={"customer": "plain", "script": "route"}).raise_for_status()
        caller = await both.caller()
        await until(lambda: _changed(caller))
        server.disk.fill()
        acknowledged: list[str] = []
        refused: list[tuple[int, str]] = []
        while len(refused) < 5:
            key = f"key-{len(acknowledged)}"
            answer = both.client.put(f"/api/v1/kv/keys/{key}", json={"value": "x" * 5_000})
            if answer.is_success:
                acknowledged.append(key)
            else:
                refused.append((answer.status_code, answer.json()["type"]))
        # Full, or, of a server that ended itself for it, gone: never our own fault.
        assert set(refused) <= {(507, "urn:scriptforge:full"), (503, "urn:scriptforge:database-unreachable")}
        assert both.client.get(plain, params={"key": "there"}).text == "there"
        assert (await caller.call("route", request("plain")))["routing"]["cli"] == "1"
        answer = await caller.call("route", request("acme"))
        assert (answer["action"], answer["outcome"]) in {("route", "script_error"), ("route", "returned")}
        server.disk.make_room()
        if server.program.process.poll() is not None:
            server.start()
        wait_until(
            lambda: both.client.put("/api/v1/apps/again", json={"name": "x"}).is_success, "there is room again", SECONDS
        )
        for key in acknowledged:
            assert both.client.get(f"/api/v1/kv/keys/{key}").is_success, key
        assert both.client.get("/api/v1/audit/verify").json()["intact"]
        await until(lambda: _counted(caller))
        await caller.close()
        assert both.up.lines("Traceback") == []
    finally:
        both.stop()
