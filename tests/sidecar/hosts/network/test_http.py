"""http and net of the sandbox: as Node's own, in the same program over the same peer."""

import socket

import pytest

from sidecar.hosts.outgoing.connection_errors import REFUSED
from tests.sidecar.hosts.module_runs import Scripts
from tests.sidecar.hosts.network.both import Both
from tests.sidecar.hosts.network.plain_peer import Peer

FILE = "http_programs.js"
ANSWERS = """
json error empty unchanged chunked until-end headers resets leaves leaves-within leaves-within-chunks leaves-within-head
endless-headers large-header no-http bad-version bad-status bad-header bad-chunk bad-length two-lengths two-framings
split redirect
""".split()  # noqa: SIM905 - a list literal is thirty lines


async def test_each_answer_is_what_node_makes_of_it(both: Both, peer: Peer) -> None:
    wrong = {}
    for path in ANSWERS:
        asked = {"port": peer.port, "path": f"/{path}"}
        theirs, ours = await both.theirs(FILE, "asked", asked), await both.ours(FILE, "asked", asked)
        if theirs != ours:
            wrong[path] = theirs, ours
    assert wrong == {}


@pytest.mark.parametrize(
    "name",
    ["heads", "expects", "get", "keepsAlive", "afterSplit", "aborts", "signals", "timesOut", "upgrades", "talks"],
)
async def test_a_client_does_what_nodes_does(name: str, both: Both, peer: Peer) -> None:
    await both.same(FILE, name, {"port": peer.port})


@pytest.mark.parametrize("name", ["refuses", "netRefuses", "names"])
async def test_what_is_wrong_is_told_in_nodes_words(name: str, both: Both) -> None:
    await both.same(FILE, name)


async def test_who_does_not_listen_and_who_is_not_known(both: Both) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    await both.same(FILE, "netFails", {"free": free})


async def test_what_is_an_address(both: Both) -> None:
    fours = ["1.2.3.4", "1.2.3", "01.2.3.4", "1.2.3.4.", "256.1.1.1", "1.2.3.4 ", ""]
    sixes = ["::", "::1", "1::2::3", "fe80::1%eth0", "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8", "g::", "::1%"]
    longest = ["1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "12345::"]
    await both.same(FILE, "isIP", {"texts": [*fours, *sixes, *longest]})


async def test_a_head_without_a_body_has_none(both: Both, peer: Peer) -> None:
    said = await both.same(FILE, "asked", {"port": peer.port, "path": "/unchanged", "options": {"method": "HEAD"}})
    assert "body" not in said


async def test_an_answer_without_end_ends_with_what_may_come(runs: Scripts, peer: Peer, both: Both) -> None:
    said = await both.ours(FILE, "length", {"port": peer.port, "path": "/endless"})
    assert said["code"] == "ERR_OUTGOING_LIMIT"
    assert 1_500_000 < said["length"] <= 2_000_000


@pytest.mark.parametrize(
    "host", ["127.0.0.2", "10.0.0.1", "169.254.169.254", "localhost.localdomain", "[::1]", "0x7f.2"]
)
async def test_an_address_of_this_side_is_refused(host: str, both: Both) -> None:
    said = await both.ours(FILE, "error", {"url": f"http://{host}:8080/"})
    assert said["code"] in (REFUSED, "ENOTFOUND", "EAI_AGAIN")


async def test_a_server_is_not_to_be_had(runs: Scripts) -> None:
    for text in ("require('net').createServer()", "require('http').createServer()", "require('tls').createServer()"):
        error = await runs.error(f"module.exports.main = () => {{ {text}; }}", memory_bytes=100_000_000)
        assert "createServer" in error.message
