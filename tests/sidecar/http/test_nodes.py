"""Daemons and platforms that share a Valkey or Redis, over the API and on the command line."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar import __version__
from sidecar.nodes.node import GONE_SECONDS
from tests.acceptance.processes import Program
from tests.acceptance.serving import SCRIPTFORGE, Serving
from tests.database_fixtures import servers
from tests.database_servers import Servers
from tests.shared_connection import new_prefix, shared_address
from tests.sidecar.cli.remote.terminal import Terminal
from tests.sidecar.http.platform_desk import ROOT, PlatformDesk

__all__ = ["servers"]


@pytest.fixture(scope="module")
def section(servers: type[Servers]) -> str:
    return f'[shared]\nurl = "{shared_address()}"\nprefix = "{new_prefix()}"\n'


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, section: str) -> Iterator[PlatformDesk]:
    desk = PlatformDesk(tmp_path_factory.mktemp("platform"), more=f'{section}name = "east"\n')
    yield desk
    desk.stop()


def names(desk: PlatformDesk) -> list[tuple[str, str]]:
    found = desk.operator.get("/api/v1/nodes").raise_for_status().json()
    return [(one["name"], one["role"]) for one in found]


def wait_for(desk: PlatformDesk, expected: list[tuple[str, str]], seconds: float = 60.0) -> float:
    began = time.monotonic()
    while (found := names(desk)) != expected:
        assert time.monotonic() - began < seconds, found
        time.sleep(0.05)
    return time.monotonic() - began


def test_who_is_there_is_listed_and_who_is_not_goes(desk: PlatformDesk, section: str, tmp_path: Path) -> None:
    daemons = []
    try:
        for name in ("north", "south"):
            folder = tmp_path / name
            folder.mkdir()
            scripts = {"plain": "function main(data) { return data }"}
            daemons.append(Serving(folder, scripts, configuration=f'{section}name = "{name}"\n'))
        both = [("north", "daemon"), ("south", "daemon")]
        for daemon in daemons:
            daemon.ready()
        wait_for(desk, [("east", "platform"), *both])
        platform, north, _ = desk.operator.get("/api/v1/nodes").json()
        assert (north["pid"], north["version"]) == (daemons[0].pid, __version__)
        assert north["catalog"] != ""
        assert platform["catalog"] != ""
        assert (north["runs"], north["calls"], north["runs_a_second"]) == (0, 0, 0)
        assert north["since"].endswith("Z")
        os.kill(daemons[1].pid, signal.SIGKILL)
        daemons[0].send(signal.SIGTERM)
        assert daemons[0].program.finish() == 0
        wait_for(desk, [("east", "platform"), ("south", "daemon")])
        assert wait_for(desk, [("east", "platform")], seconds=GONE_SECONDS + 60) > GONE_SECONDS - 8
    finally:
        for daemon in daemons:
            daemon.stop()


def test_who_shares_nothing_is_listed_in_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    desk = PlatformDesk(tmp_path, more='[shared]\nname = "east"\n')
    own = tmp_path / "daemon.toml"
    own.write_text(
        f'[catalog]\nurl = "{desk.address}"\n[socket]\nunix = "{tmp_path / "daemon.sock"}"\n'
        '[metrics]\nlisten = ""\n[shared]\nname = "north"\n'
    )
    daemon = Program([SCRIPTFORGE, "serve", "--config", str(own)], tmp_path / "daemon.log", ROOT)
    try:
        wait_for(desk, [("east", "platform"), ("north", "daemon")])
        desk.script("plain")
        began = time.monotonic()
        while len(revisions := {one["revision"] for one in desk.operator.get("/api/v1/nodes").json()}) > 1:
            assert time.monotonic() - began < GONE_SECONDS, revisions
            time.sleep(0.05)
        for name in ("SCRIPTFORGE_API", "SCRIPTFORGE_TOKEN", "SCRIPTFORGE_SERVER", "SCRIPTFORGE_TENANT"):
            monkeypatch.delenv(name, raising=False)
        terminal = Terminal(monkeypatch, capfdbinary, tmp_path / "home")
        status, output, _ = terminal("nodes", "--config", str(desk.configuration))
        assert (status, [line.split()[:2] for line in output.splitlines()[1:]]) == (
            0,
            [["east", "platform"], ["north", "daemon"]],
        )
        assert {line.split()[4] for line in output.splitlines()[1:]} == {str(*revisions)}
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.finish() == 0
        wait_for(desk, [("east", "platform")])
    finally:
        daemon.stop()
        desk.stop()


def test_they_are_the_operators_to_see(desk: PlatformDesk) -> None:
    assert desk.acme.get("/api/v1/nodes").status_code == 403
    assert desk.anybody.get("/api/v1/nodes").status_code == 401


def test_the_command_asks_a_platform_or_the_server_itself(
    desk: PlatformDesk, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    for name in ("SCRIPTFORGE_API", "SCRIPTFORGE_TOKEN", "SCRIPTFORGE_SERVER", "SCRIPTFORGE_TENANT"):
        monkeypatch.delenv(name, raising=False)
    terminal = Terminal(monkeypatch, capfdbinary, tmp_path / "home")
    wait_for(desk, [("east", "platform")])
    assert terminal("login", desk.url, typed=f"{desk.operator_token}\n")[0] == 0
    for options in ([], ["--config", str(desk.configuration)]):
        status, output, _ = terminal("nodes", *options)
        assert status == 0
        heading, line = output.splitlines()
        assert heading.split()[:4] == ["NAME", "ROLE", "PID", "VERSION"]
        assert line.split()[:4] == ["east", "platform", str(desk.program.process.pid), __version__]
        assert line.endswith(" s ago")
        (found,) = json.loads(terminal("nodes", "--json", *options)[1])
        assert sorted(found) == sorted(desk.operator.get("/api/v1/nodes").json()[0])
        assert found["name"] == "east"
    status, _, error = terminal("nodes", "--server", "x", "--shared")
    assert (status, "--server asks a server" in error) == (2, True)
    nobody = tmp_path / "nobody.toml"
    nobody.write_text("")
    assert "nothing is shared: set shared.url, or catalog.url" in terminal("nodes", "--config", str(nobody))[2]
    nobody.write_text('[shared]\nurl = "redis://:secret@127.0.0.1:1"\n')
    status, _, error = terminal("nodes", "--config", str(nobody))
    assert status == 1
    assert error.startswith("scriptforge: valkey://:***@127.0.0.1:1/0: ")
    assert len(error.splitlines()) == 1
    assert "secret" not in error
