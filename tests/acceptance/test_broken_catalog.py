"""A daemon over a catalog in which something is broken, at a start and at a reload: all others are served."""

import asyncio
import json
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.processes import free_port
from tests.acceptance.serving import SCRIPTFORGE, Serving, metrics, page, request

GOOD = "function main(data) { data.routing.version = 1 }"
ROUTES = "".join(
    f'[[route]]\ncustomer = "{name}"\nscript = "{name}"\nerror_action = "500 Failed"\n' for name in ("acme", "beta")
)
SERVED = {"acme": 1, "beta": 1}


class Site:
    """One catalog, and daemons over it one after the other."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port("127.0.0.1", socket.SOCK_STREAM)
        self.environment = {
            "SCRIPTFORGE_METRICS__LISTEN": f"127.0.0.1:{self.port}",
            "SCRIPTFORGE_CATALOG__WATCH": "false",
        }
        self.daemon = self.started(ROUTES, acme=GOOD, beta=GOOD)

    def started(self, assignments: str, **scripts: str) -> Serving:
        daemon = Serving(self.directory, scripts, assignments, environment=self.environment)
        daemon.program.wait_for('"action":"(serving|start_failed)"')
        return daemon

    def again(self, how: str, change: Callable[[Serving], None]) -> None:
        """Change something, and have it read."""
        position = self.daemon.program.position
        if how == "reload":
            change(self.daemon)
            self.daemon.send(signal.SIGHUP)
            self.daemon.program.wait_for("catalog_(broken|refused)", position)
        else:
            self.daemon.stop()
            change(self.daemon)
            text = ""
            file = self.daemon.catalog / "assignments.toml"
            if file.exists():
                text = file.read_text(encoding="utf-8")
            self.daemon = self.started(text)

    async def decided(self) -> dict[str, Any]:
        """For each customer the version that decided, or the code that refused."""
        client = await self.daemon.client()
        found = {}
        for customer in ("acme", "beta"):
            answer = await client.call("route", request(customer))
            found[customer] = answer.get("code") or answer["routing"].get("version")
        await client.close()
        return found


def write(script: str, text: str) -> Callable[[Serving], None]:
    return lambda daemon: daemon.write(script, text)


def remove(script: str) -> Callable[[Serving], None]:
    return lambda daemon: (daemon.catalog / "scripts" / f"{script}.js").unlink()


def assign(text: str) -> Callable[[Serving], None]:
    return lambda daemon: daemon.assign(text)


CASES = {
    "assignments.toml that is no TOML": (assign("[[route]\n"), SERVED, "last_good"),
    "a wrong entry": (assign(ROUTES + '[[did]]\ndid = 1\nscript = "acme"\n'), SERVED, "last_good"),
    "an assignment that points nowhere": (
        assign(ROUTES.replace('script = "acme"', 'script = "none"')),
        {"acme": 500, "beta": 1},
        "error_action",
    ),
    "a script file that is gone": (remove("acme"), SERVED, "last_good"),
    "a script that does not compile": (write("acme", "function main(data) {"), SERVED, "last_good"),
    "a script that only the engine knows not to compile": (
        write("acme", "function main(data) { let a; let a; }"),
        SERVED,
        "last_good",
    ),
}


@pytest.mark.parametrize("how", ["reload", "start"])
@pytest.mark.parametrize("case", CASES)
async def test_what_is_broken_is_served_by_its_last_good_version_or_gives_its_error_action(
    tmp_path: Path, case: str, how: str
) -> None:
    change, decided, served_by = CASES[case]
    site = Site(tmp_path)
    try:
        assert await site.decided() == SERVED
        await asyncio.to_thread(site.again, how, change)
        assert await site.decided() == decided
        found = await asyncio.to_thread(metrics, site.port)
        assert found["scriptforge_catalog_reload_success",] == 0
        assert found["scriptforge_catalog_broken", served_by] == 1
        status, body = await asyncio.to_thread(page, site.port, "/health")
        assert status == 200
        details = json.loads(body)["details"]
        assert details["catalog_problems"] == 1
        assert served_by.replace("_", " ") in details["catalog_broken"]
        checked = await asyncio.to_thread(
            subprocess.run, [SCRIPTFORGE, "check", str(site.daemon.catalog)], capture_output=True, check=False
        )
        assert checked.returncode == 4
    finally:
        site.daemon.stop()


@pytest.mark.parametrize("how", ["reload", "start"])
async def test_a_script_that_throws_when_it_is_loaded_fails_its_own_calls(tmp_path: Path, how: str) -> None:
    """Nothing is run before a call comes, so it is found out by the call."""
    site = Site(tmp_path)
    try:
        thrower = "throw new Error('at load');\nfunction main(data) {}"
        if how == "reload":
            site.daemon.write("acme", thrower)
            position = site.daemon.program.position
            site.daemon.send(signal.SIGHUP)
            await asyncio.to_thread(site.daemon.program.wait_for, "catalog_loaded", position)
        else:
            await asyncio.to_thread(site.daemon.stop)
            site.daemon = await asyncio.to_thread(site.started, ROUTES, acme=thrower)
        assert await site.decided() == {"acme": 500, "beta": 1}
        [record] = [one for one in site.daemon.records() if one["outcome"] == "script_error"]
        assert record["customer"] == "acme"
        assert record["error"] == "Error: at load"
    finally:
        site.daemon.stop()


def test_a_first_start_with_assignments_that_are_no_toml_is_none(tmp_path: Path) -> None:
    daemon = Serving(tmp_path, {"acme": GOOD}, "[[route]\n")
    try:
        assert daemon.program.finish() == 1
        assert "assignments.toml:1:" in daemon.program.wait_for("start_failed")
    finally:
        daemon.stop()
