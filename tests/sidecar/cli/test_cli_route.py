"""`scriptforge route`: a running server asked, its answers and its refusals."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli import main
from sidecar.cli.route import default_address
from sidecar.configuration.tree import Configuration, SocketSection
from sidecar.errors import ConfigurationError
from sipio.errors import MalformedMessage
from sipio.host_port import HostPort
from sipio.routing import Action, Decision, HeaderChanges, RoutingRequest, ScriptReference
from sipio.rpc.addresses import TcpAddress, UnixAddress
from sipio.rpc.server import RpcServer
from sipio.rpc.switch import SwitchMethods

CALL = '{"customer":"acme","route":"gold","routing":{"cli":"1","egress_routing":[{"gw":{"a":{}}}]}}'


class Answers:
    """Adds a header, or whatever a customer's name stands for; keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[RoutingRequest] = []

    def route(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> Any:
        self.asked.append(request)
        if request.customer == "misshapen":
            raise MalformedMessage("routing is not what it should be")
        answer(
            Decision(
                action=Action.REJECT if request.customer == "late" else Action.ROUTE,
                code=503 if request.customer == "late" else 0,
                reason="Script Timeout" if request.customer == "late" else "",
                routing=request.routing,
                headers=HeaderChanges(add=[("X", "1")]),
                outcome="timed_out" if request.customer == "late" else "returned",
                script=ScriptReference(id="s", name="s.js", version="1"),
                micros={"total": 1000},
            )
        )


class Serving:
    """A server in an event loop of its own, in a thread: the command has its own loop."""

    def __init__(self, path: Path) -> None:
        self.router = Answers()
        self.tcp = ""
        self._path = path
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        methods = SwitchMethods(self.router, name="s", version="1", stats=dict, scripts=dict).methods
        server = RpcServer(methods)
        bound = await server.start([UnixAddress(path=self._path), TcpAddress(host="127.0.0.1", port=0)])
        assert isinstance(bound[1], TcpAddress)
        self.tcp = f"tcp:127.0.0.1:{bound[1].port}"
        self._ready.set()
        await self._stop.wait()
        await server.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


@pytest.fixture
def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    (tmp_path / "call.json").write_text(CALL)
    (tmp_path / "sidecar.toml").write_text('[socket]\nunix = "s"\n')
    monkeypatch.chdir(tmp_path)
    started = Serving(Path("s"))
    yield started
    started.stop()


def route(*options: str) -> int:
    return main(["route", "--data", "call.json", "--config", "sidecar.toml", *options])


def test_the_configured_daemon_is_asked(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    assert route() == 0
    assert capsys.readouterr().out == ("ROUTE to a  (s.js returned)\n  + X: 1  (all destinations)\ntime 1.00 ms\n")
    (asked,) = serving.router.asked
    assert (asked.customer, asked.route) == ("acme", "gold")
    assert asked.call_id.startswith("scriptforge-route-")


def test_options_go_before_the_file(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--customer", "late", "--did", "49", "--route", "r", "--call-id", "mine", "--timeout-ms", "7"]
    assert route("--socket", serving.tcp, *options) == 5
    assert capsys.readouterr().out.startswith("REJECT 503 Script Timeout  (s.js timed out)\nthe daemon's log")
    (asked,) = serving.router.asked
    assert (asked.customer, asked.did, asked.direction, asked.route) == ("late", "49", "origination", "r")
    assert (asked.call_id, asked.timeout_ms) == ("mine", 7)


def test_json(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    assert route("--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told.keys() == {"decision", "exit_status"}
    assert told["decision"]["headers"] == {"add": [["X", "1"]], "remove": []}


def test_a_call_that_the_daemon_refuses(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    assert route("--customer", "misshapen") == 2
    assert capsys.readouterr().err == "call.json: error: routing is not what it should be\n"


@pytest.mark.parametrize("address", ["unix:none", "tcp:127.0.0.1:1", "carrier-pigeon"])
def test_nobody_there(address: str, serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    assert route("--socket", address) == 1
    assert capsys.readouterr().err.startswith("scriptforge: ")


def test_an_unusable_file(serving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    Path("call.json").write_text("{")
    assert route() == 2
    assert capsys.readouterr().err.startswith("call.json:1:2: error: is not JSON")


def test_default_addresses() -> None:
    assert default_address(Configuration(socket=SocketSection(unix=Path("/s")))) == "unix:/s"
    assert default_address(Configuration(socket=SocketSection(unix=None, tcp=HostPort("h", 1)))) == "tcp:h:1"
    with pytest.raises(ConfigurationError, match="--socket"):
        default_address(Configuration(socket=SocketSection(unix=None)))
    tls = SocketSection(unix=None, tcp=HostPort("h", 1), tls_certificate=Path("c"), tls_key=Path("k"))
    with pytest.raises(ConfigurationError, match="--socket"):
        default_address(Configuration(socket=tls))
