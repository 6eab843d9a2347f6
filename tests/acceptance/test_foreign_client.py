"""MessagePack-RPC clients that are not ours, in another language and unchanged, speak to our server."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sipio.routing import Action, Decision, RoutingRequest
from sipio.rpc.addresses import TcpAddress, UnixAddress
from sipio.rpc.server import RpcServer
from sipio.rpc.switch import SwitchMethods

FOLDER = Path(__file__).parent / "foreign_client"
BATCH = 64


class Run:
    def __init__(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> None:
        self.request = request
        self.answer = answer

    def finish(self, outcome: str = "returned") -> None:
        self.answer(Decision(action=Action.ROUTE, routing=self.request.routing, outcome=outcome))

    def cancel(self) -> None:
        self.finish("cancelled")


class BackwardsRouter:
    """Keeps 64 calls until all are there, and answers the last first."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    def route(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> Run:
        run = Run(request, answer)
        if request.customer != "hold":
            self.runs.append(run)
            if len(self.runs) == BATCH:
                for each in reversed(self.runs):
                    each.finish()
        return run


def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.fail("Node is not installed: install the package nodejs (18 or later)")
    if not (FOLDER / "node_modules").is_dir():
        pytest.fail(f"the foreign clients are not installed: run `npm ci --ignore-scripts` in {FOLDER}")
    return found


@pytest.mark.parametrize("where", ["unix", "tcp"])
@pytest.mark.parametrize("library", ["msgpack-rpc-lite", "msgpack5rpc"])
async def test_a_published_client_works_unchanged(library: str, where: str, tmp_path: Path) -> None:
    program = node()
    methods = SwitchMethods(BackwardsRouter(), name="scriptforge", version="1", stats=dict, scripts=dict)
    server = RpcServer(methods.methods)
    unix = UnixAddress(path=tmp_path / "s")
    bound = await server.start([unix, TcpAddress(host="127.0.0.1", port=0)])
    tcp = bound[1]
    assert isinstance(tcp, TcpAddress)
    address = f"unix:{unix.path}" if where == "unix" else f"tcp:127.0.0.1:{tcp.port}"
    process = await asyncio.create_subprocess_exec(
        program,
        "drive.js",
        library,
        address,
        cwd=FOLDER,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(20):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await server.close()
    assert process.returncode == 0, errors.decode()
    got = json.loads(output)
    assert got["hello"]["methods"] == ["cancel", "hello", "ping", "route", "scripts", "stats"]
    assert got["clis"] == [f"+31{number}" for number in range(BATCH)]
    assert got["order"] == list(reversed(range(BATCH)))
    assert got["decision"]["routing"] == {"cli": "+310", "price": 0.5}
    assert got["unknown_method"] == "unknown_method"
    assert got["bad_request"] == "bad_request"
    assert got["cancelled"] == "cancelled"
    assert server.snapshot().in_flight == 0
