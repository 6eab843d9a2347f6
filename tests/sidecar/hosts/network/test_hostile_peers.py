"""Servers and archives that are made to harm who asks for them: the run is told or ends, and the next is as ever."""

import base64
import gzip
import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sandbox.outcome import OutOfMemory, TimedOut
from sidecar.configuration.host_sections import OutgoingSection
from sidecar.configuration.tree import Configuration
from sidecar.hosts.node.packages import Packages
from sidecar.hosts.services import Services
from tests.sidecar.hosts.authority import Authority
from tests.sidecar.hosts.module_runs import Scripts, scripts
from tests.sidecar.hosts.network.both import FOLDER, MAIN, Both
from tests.sidecar.hosts.network.plain_peer import Peer

FILE = "hostile_program.js"
SMALL, BOMB = 1_000, 200_000_000


@asynccontextmanager
async def hosting(installed: Packages, **outgoing: float) -> AsyncIterator[Scripts]:
    section = OutgoingSection(networks=("127.0.0.1/32",), connection_bytes=2_000_000, **outgoing)  # type: ignore[arg-type]
    services = Services(Configuration(outgoing=section))
    async with scripts(services, packages=installed) as runs:
        yield runs
    await services.close()


@pytest.fixture
async def hosted(installed: Packages) -> AsyncIterator[Scripts]:
    async with hosting(installed) as runs:
        yield runs


@pytest.fixture
def ours(hosted: Scripts, authority: Authority) -> Both:
    return Both(hosted, authority.file)


async def asked(ours: Both, name: str, peer: Peer, path: str, **options: Any) -> Any:
    return await ours.ours(FILE, name, {"url": f"http://127.0.0.1:{peer.port}{path}", "options": options})


async def test_an_answer_of_ten_gigabytes(ours: Both, peer: Peer) -> None:
    said = await asked(ours, "http", peer, "/endless")
    assert said["code"] == "ERR_OUTGOING_LIMIT"
    assert 1_500_000 < said["length"] <= 2_000_000
    assert (await asked(ours, "axios", peer, "/endless"))["code"] == "ERR_OUTGOING_LIMIT"
    bounded = await asked(ours, "axios", peer, "/endless", maxContentLength=100_000)
    assert bounded["message"] == "maxContentLength size of 100000 exceeded"
    assert await asked(ours, "axios", peer, "/json") == {"given": 200}


async def test_headers_without_end(ours: Both, peer: Peer) -> None:
    assert (await asked(ours, "axios", peer, "/endless-headers"))["code"] == "HPE_HEADER_OVERFLOW"


@pytest.mark.parametrize("path", ["/waits", "/begins"])
async def test_a_server_that_never_ends(
    path: str, installed: Packages, authority: Authority, peer: Peer, ours: Both
) -> None:
    async with hosting(installed, connection_idle_seconds=0.5) as impatient:
        said = await asked(Both(impatient, authority.file), "axios", peer, path)
    assert said["code"] in ("ECONNRESET", "ETIMEDOUT", "ECONNABORTED", "ERR_OUTGOING_LIMIT"), said
    # Where nobody else ends it before.
    said = await asked(ours, "axios", peer, path, timeout=100)
    assert (said["code"], said["message"]) == ("ECONNABORTED", "timeout of 100ms exceeded")


@pytest.mark.parametrize("name", ["axios", "http"])
async def test_a_redirect_to_this_machine(name: str, ours: Both, peer: Peer) -> None:
    said = await asked(ours, name, peer, "/redirect-private")
    # http follows none.
    assert said.get("code") == ("ERR_OUTGOING_REFUSED" if name == "axios" else None), said


def archive(size: int) -> str:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a", bytes(size))
    return base64.b64encode(written.getvalue()).decode()


@pytest.mark.parametrize(
    ("name", "key", "packed"),
    [
        ("unpack", "archive", archive),
        ("gunzip", "packed", lambda size: base64.b64encode(gzip.compress(bytes(size))).decode()),
    ],
    ids=["decompress-zip", "zlib"],
)
async def test_a_bomb(name: str, key: str, packed: Any, ours: Both, hosted: Scripts) -> None:
    async def given(size: int) -> Any:
        return await ours.ours(FILE, name, {key: packed(size)})

    fine = [SMALL] if name == "unpack" else SMALL
    assert await given(SMALL) == fine
    text = (FOLDER / FILE).read_text(encoding="utf-8") + MAIN
    bomb = {"name": name, "data": {key: packed(BOMB)}}
    completion = await hosted.begin(text, bomb, memory_bytes=8_000_000, seconds=60.0)
    # A busy machine may come to the limit of processor time first: some 5 MB are unpacked in a second.
    assert isinstance(completion.outcome, OutOfMemory | TimedOut), completion
    assert await given(SMALL) == fine
