"""Servers are kept with their tokens, by name, for their owner alone; CI names one by its environment."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.sidecar.cli.remote.terminal import Terminal
from tests.sidecar.http.platform_desk import PlatformDesk


def test_a_server_and_its_token_are_kept_for_their_owner_alone(desk: PlatformDesk, terminal: Terminal) -> None:
    file = terminal.home / "scriptforge" / "servers.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert json.loads(terminal.done("login", "--list", "--json")) == [
        {"name": "default", "url": desk.url, "default": True}
    ]
    assert json.loads(file.read_text())["servers"]["default"]["token"] not in terminal.done("login", "--list")


def test_a_file_that_others_may_read_is_not_used(terminal: Terminal) -> None:
    file = terminal.home / "scriptforge" / "servers.json"
    file.chmod(0o640)
    status, _, err = terminal("apps", "list")
    assert status == 1
    assert f"others may read it: chmod 600 {file}" in err


def test_of_several_servers_the_last_is_asked_or_the_one_that_is_named(
    desk: PlatformDesk, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.done("apps", "make", "of-acme")
    said = terminal.done("login", f"{desk.url}/api/v1/", "--name", "beta", typed=desk.token("beta", "read"))
    assert said == f"logged in to {desk.url} as 'a test' of beta: read\n"
    assert "of-acme" not in terminal.done("apps", "list")
    assert "of-acme" in terminal.done("apps", "list", "--server", "default")
    monkeypatch.setenv("SCRIPTFORGE_SERVER", "default")
    assert "of-acme" in terminal.done("apps", "list")
    monkeypatch.delenv("SCRIPTFORGE_SERVER")
    terminal.done("login", "--use", "default")
    assert "of-acme" in terminal.done("apps", "list")
    terminal.done("login", "--forget", "beta")
    status, _, err = terminal("apps", "list", "--server", "beta")
    assert (status, err) == (6, "scriptforge: there is no server called 'beta'; known: default\n")
    assert terminal("login", "--use", "beta")[0] == 5


def test_the_environment_names_server_token_and_tenant(
    desk: PlatformDesk, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.done("login", "--forget", "default")
    status, _, err = terminal("apps", "list")
    assert status == 6
    assert "no server is known: `scriptforge login URL` keeps one, or set SCRIPTFORGE_API and SCRIPTFORGE_TOKEN" in err
    monkeypatch.setenv("SCRIPTFORGE_API", desk.url)
    assert terminal("apps", "list")[2] == "scriptforge: SCRIPTFORGE_API is set and SCRIPTFORGE_TOKEN is not\n"
    monkeypatch.setenv("SCRIPTFORGE_TOKEN", desk.operator_token)
    monkeypatch.setenv("SCRIPTFORGE_TENANT", "beta")
    terminal.done("apps", "make", "of-beta")
    assert desk.beta.get("/api/v1/apps/of-beta").is_success
    assert terminal("apps", "list", "--tenant", "nobody")[0] == 5
    # What is said to commands that ask a server is no mistake in a configuration.
    terminal.done("config")


def test_a_wrong_token_or_address_keeps_nothing(desk: PlatformDesk, terminal: Terminal, tmp_path: Path) -> None:
    before = terminal.done("login", "--list")
    wrong = f"sf_{'x' * 43}"
    assert terminal("login", desk.url, "--name", "a", typed=wrong)[0] == 6
    assert terminal("login", desk.url, "--name", "a", typed="\n")[2] == (
        "scriptforge: that is no token: it begins with sf_\n"
    )
    assert terminal("login", "ftp://example.com", typed=wrong)[0] == 1
    assert terminal("login", "https://user:secret@example.com", typed=wrong)[0] == 1
    status, _, err = terminal("login", "http://127.0.0.1:1", typed=wrong)
    assert (status, err) == (1, "scriptforge: http://127.0.0.1:1: Connection refused\n")
    assert terminal("login")[0] == 2
    assert terminal.done("login", "--list") == before


class Elsewhere(BaseHTTPRequestHandler):
    """Sends everybody to another server."""

    tokens: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.tokens.append(self.headers["Authorization"])
        self.send_response(302)
        self.send_header("Location", f"http://{self.headers['Host']}/other")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        """Nothing."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_token_is_taken_to_no_other_server(elsewhere: str, terminal: Terminal) -> None:
    status, _, err = terminal("login", elsewhere, typed="sf_secret")
    assert status == 1
    assert f"{elsewhere} sends to {elsewhere}/other: log in to that address" in err
    assert Elsewhere.tokens == ["Bearer sf_secret"]


def test_a_file_that_is_none_is_told_with_what_to_do(terminal: Terminal) -> None:
    file = terminal.home / "scriptforge" / "servers.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{")
    file.chmod(0o600)
    status, _, err = terminal("login", "--list")
    assert status == 1
    assert err == f"scriptforge: {file}: Input data was truncated; without it `scriptforge login` makes it anew\n"
