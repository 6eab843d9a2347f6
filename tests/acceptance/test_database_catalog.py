"""A real daemon over a catalog in a database: what is saved decides the next call, and nothing acknowledged is lost."""

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sidecar.catalog.database import audit, scripts
from sipio.rpc.client import RpcClient
from tests.acceptance.processes import Program, wait_until
from tests.acceptance.serving import ROOT, Serving, request
from tests.database_fixtures import database_address, servers
from tests.database_servers import Servers, new_database
from tests.sidecar.catalog.database.store_desk import Desk, made

__all__ = ["database_address", "servers"]

SAVING = """
import asyncio, sys
from tests.sidecar.catalog.database.store_desk import MAIN, Desk
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.storage.engine import Storage

async def save():
    desk = Desk(Storage(DatabaseUrl.parse(sys.argv[1])))
    number = 0
    while True:
        number += 1
        saved = await desk.save("acme", "a", f"{MAIN}// {sys.argv[2]} {number}\\n")
        print("saved", saved.version, saved.hash, flush=True)

asyncio.run(save())
"""


def script(number: int) -> str:
    return f"function main(data) {{ data.routing.number = {number} }}\n"


def serving(directory: Path, desk: Desk) -> Serving:
    environment = {
        "SCRIPTFORGE_CATALOG__DIRECTORY": "/etc/scriptforge",
        "SCRIPTFORGE_CATALOG__URL": desk.storage.url.with_password(),
    }
    return Serving(directory, {}, "", environment=environment)


async def decided(client: RpcClient) -> Any:
    return (await client.call("route", request("acme")))["routing"].get("number")


async def decided_as(client: RpcClient, number: int) -> None:
    """Return once a call is decided by this version."""
    deadline = time.monotonic() + 20
    while await decided(client) != number:
        assert time.monotonic() < deadline


def reader_of(daemon: Serving) -> Path:
    """What /proc has of the process that asks the database."""
    children = " ".join(one.read_text() for one in Path(f"/proc/{daemon.pid}/task").glob("*/children"))
    (found,) = [
        Path(f"/proc/{pid}")
        for pid in children.split()
        if b"sidecar.catalog.database.reader" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return found


@pytest.fixture
async def desk(database_address: str) -> Any:
    desk = await made(database_address)
    yield desk
    await desk.close()


@pytest.mark.timeout(240)
async def test_what_is_saved_decides_the_next_call_of_every_daemon(desk: Desk, tmp_path: Path) -> None:
    await desk.put("acme", "a", script(1))
    await desk.assign("acme", "route", customer="acme", script="a")
    daemons = [serving(tmp_path / name, desk) for name in ("one", "other")]
    clients = [await daemon.ready().client() for daemon in daemons]
    for client in clients:
        assert await decided(client) == 1
    for number in (2, 3):
        await desk.save("acme", "a", script(number))
        await asyncio.gather(*(decided_as(client, number) for client in clients))
    versions = [(await client.call("scripts", {}))["version"] for client in clients]
    assert versions[0] == versions[1]
    for client in clients:
        await client.close()
    for daemon in daemons:
        daemon.send(signal.SIGTERM)
        assert daemon.program.finish() == 0
        assert not daemon.program.lines("Traceback")


@pytest.mark.timeout(240)
async def test_calls_are_decided_while_the_database_is_gone(servers: type[Servers], tmp_path: Path) -> None:
    desk = await made(new_database("postgresql"))
    await desk.put("acme", "a", script(1))
    await desk.assign("acme", "route", customer="acme", script="a")
    daemon = serving(tmp_path, desk).ready()
    client = await daemon.client()
    await desk.save("acme", "a", script(2))
    await decided_as(client, 2)
    server = servers.get("postgresql")
    server.stop()
    try:
        daemon.program.wait_for('"action":"catalog_broken"')
        assert await decided(client) == 2
        daemon.send(signal.SIGHUP)
        assert await decided(client) == 2
        await client.close()
        # One that starts meanwhile decides as the one before did.
        daemon.stop()
        daemon = serving(tmp_path, desk).ready()
        client = await daemon.client()
        assert await decided(client) == 2
        assert daemon.program.lines("cannot be asked")
        assert not daemon.program.lines("unused@")
    finally:
        server.start()
    await desk.save("acme", "a", script(3))
    await decided_as(client, 3)
    await client.close()
    daemon.stop()
    await desk.close()


@pytest.mark.timeout(240)
async def test_a_process_that_is_killed_in_a_write_loses_nothing_that_was_acknowledged(
    desk: Desk, tmp_path: Path
) -> None:
    await desk.put("acme", "a")
    for turn in range(3):
        command = [sys.executable, "-c", SAVING, desk.storage.url.with_password(), str(turn)]
        saving = Program(command, tmp_path / f"saving{turn}.log", ROOT)
        saving.wait_for("saved", seconds=60)
        await asyncio.sleep(0.05 + 0.037 * turn)  # somewhere in a write
        saving.signal(signal.SIGKILL)
        saving.finish()
        _, version, digest = saving.lines("^saved")[-1].split()
        async with desk.store.reading("acme") as scope:
            found = {one.number: one.hash for one in await scripts.list_versions(scope, "a", limit=10_000)}
            assert found[int(version)] == digest
            assert (await scripts.get_script(scope, "a")).version >= int(version)
            assert (await audit.verify(scope.connection)).broken is None


@pytest.mark.timeout(120)
async def test_a_daemon_that_is_killed_leaves_no_reader_and_starts_again(tmp_path: Path) -> None:
    desk = await made(f"sqlite:///{tmp_path / 'platform.db'}")
    await desk.put("acme", "a", script(1))
    await desk.assign("acme", "route", customer="acme", script="a")
    daemon = serving(tmp_path, desk).ready()
    reader = reader_of(daemon)
    assert b"sqlite" not in (reader / "cmdline").read_bytes()
    daemon.send(signal.SIGKILL)
    daemon.program.finish()
    wait_until(lambda: not reader.exists(), "reader gone")
    await desk.save("acme", "a", script(2))
    daemon = serving(tmp_path, desk).ready()
    client = await daemon.client()
    assert await decided(client) == 2
    await client.close()
    daemon.stop()
    await desk.close()


@pytest.mark.timeout(60)
async def test_without_a_database_and_a_copy_it_does_not_start_and_says_why(tmp_path: Path) -> None:
    environment = {
        "SCRIPTFORGE_CATALOG__DIRECTORY": "/etc/scriptforge",
        "SCRIPTFORGE_CATALOG__URL": f"sqlite:///{tmp_path}/none.db",
    }
    daemon = Serving(tmp_path, {}, "", environment=environment)
    assert daemon.program.finish() == 1
    assert daemon.program.lines("there is no database; `scriptforge db upgrade` makes one")
    assert not daemon.program.lines("Traceback")
