"""A running daemon whose npm modules are other ones: the next call has them, whichever catalog it decides by."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from sidecar.catalog.compile import Rules
from sidecar.catalog.database.checks import Checks
from sidecar.catalog.module_grants import ModuleGrants
from sidecar.npm.writing import add_modules, remove_module
from sipio.rpc.client import RpcClient
from tests.acceptance.serving import Serving, request
from tests.sidecar.catalog.database.store_desk import RULES, made
from tests.sidecar.npm.test_writing import built, told

USES = "const number = require('number');\nexports.main = (data) => { data.routing.number = number; return data };\n"
ENTRIES = """
[[tenant]]
tenant = "beta"
granted = { modules = { number = "1.0.0" } }
[[script]]
file = "newest.js"
kind = "app"
[[script]]
file = "pinned.js"
kind = "app"
tenant = "beta"
[[route]]
customer = "newest"
script = "newest"
[[route]]
customer = "pinned"
script = "pinned"
"""


def install(directory: Path, number: int) -> None:
    add_modules(directory, [built("number", f"{number}.0.0", f"module.exports = {number}")], told)


async def decided(client: RpcClient, customer: str) -> Any:
    return (await client.call("route", request(customer)))["routing"].get("number")


async def decided_as(client: RpcClient, number: int) -> None:
    deadline = time.monotonic() + 60
    while await decided(client, "newest") != number:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    assert await decided(client, "pinned") == 1


async def in_database(url: str) -> None:
    desk = await made(url)
    desk.checks = Checks(Rules(modules=RULES.modules | {"number"}), 1_000_000)
    for tenant, name in (("acme", "newest"), ("beta", "pinned")):
        await desk.put(tenant, name, USES, kind="app")
        await desk.assign(tenant, "route", customer=name, script=name)
    await desk.grant("beta", ModuleGrants(modules={"number": "1.0.0"}))
    await desk.close()


@pytest.mark.parametrize("kept_in", ["directory", "database"])
async def test_what_is_installed_and_removed_decides_the_next_call(kept_in: str, tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    install(modules, 1)
    environment = {"SCRIPTFORGE_MODULES__DIRECTORY": str(modules)}
    if kept_in == "database":
        environment["SCRIPTFORGE_CATALOG__URL"] = url = f"sqlite:///{tmp_path}/catalog.db"
        await in_database(url)
        environment["SCRIPTFORGE_CATALOG__DIRECTORY"] = "/etc/scriptforge"
    daemon = Serving(tmp_path, {"newest": USES, "pinned": USES}, ENTRIES, environment=environment).ready()
    client = await daemon.client()
    await decided_as(client, 1)
    before = await client.call("scripts", {})
    install(modules, 2)
    await decided_as(client, 2)
    after = await client.call("scripts", {})
    versions = [{one["id"]: one["version"] for one in found["scripts"]} for found in (before, after)]
    assert versions[0]["newest"] != versions[1]["newest"]
    assert versions[0]["pinned"] == versions[1]["pinned"]
    remove_module(modules, "number", "2.0.0", told)
    daemon.send(signal.SIGHUP)
    await decided_as(client, 1)
    assert await client.call("scripts", {}) == before
    await client.close()
    await asyncio.to_thread(daemon.stop)
    assert daemon.program.lines("Traceback") == []
    assert len(daemon.program.lines('"action":"modules_read"')) == 2
