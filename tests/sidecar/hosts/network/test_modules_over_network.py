"""npm's modules that speak to others: as in Node, in the same program over the same servers."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.configuration.host_sections import OutgoingSection
from sidecar.configuration.tree import Configuration
from sidecar.hosts.node.packages import Packages
from sidecar.hosts.services import Services
from tests.acceptance.processes import free_port
from tests.sidecar.hosts.authority import Authority
from tests.sidecar.hosts.module_runs import scripts
from tests.sidecar.hosts.network import services_site
from tests.sidecar.hosts.network.both import Both
from tests.sidecar.hosts.network.ftp_server import ftp_server
from tests.sidecar.hosts.network.plain_peer import Peer, plain_peer
from tests.sidecar.hosts.web_site import Site


@pytest.fixture
async def modules(authority: Authority, installed: Packages, npm_folder: Path) -> AsyncIterator[Both]:
    services = Services(Configuration(outgoing=OutgoingSection(networks=("127.0.0.1/32",))))
    async with scripts(services, packages=installed) as runs:
        made = Both(runs, authority.file, npm_folder)
        yield made
        await made.close()
    await services.close()


@pytest.mark.parametrize(("file", "name"), [("axios", "axios"), ("axios", "axiosStreams"), ("cookies", "cookies")])
async def test_axios(file: str, name: str, modules: Both, peer: Peer) -> None:
    await modules.same(f"{file}_program.js", name, {"url": f"http://127.0.0.1:{peer.port}"})


async def test_axios_over_tls(modules: Both, tmp_path: Path) -> None:
    stranger = Authority(tmp_path)
    async with plain_peer(stranger.server("localhost")) as peer:
        await modules.same("axios_program.js", "axiosOverTls", {"port": peer.port, "ca": stranger.pem})


@pytest.mark.parametrize("secure", [False, True])
async def test_ftp(secure: bool, modules: Both, authority: Authority, tmp_path: Path) -> None:
    said = []
    for ask in (modules.theirs, modules.ours):
        folder = tmp_path / ask.__name__
        folder.mkdir()
        with ftp_server(folder, authority.chain("localhost") if secure else None) as port:
            said.append(await ask("ftp_program.js", "ftp", {"port": port, "secure": secure, "ca": authority.pem}))
        assert (folder / "folder" / "b.txt").read_bytes() == b"first\nsecond\n"
    assert said[0] == said[1]
    assert said[0]["got"] == [150_003, "end"]


@pytest.mark.parametrize("name", ["soap", "stripe", "rss", "elastic"])
async def test_services_of_others(name: str, modules: Both, site: Site) -> None:
    services_site.serve(site)
    await modules.same(f"{name}_program.js", name, {"url": site.url("").rstrip("/"), "port": site.port})


async def test_help_scout(modules: Both, site: Site) -> None:
    services_site.serve(site)
    nobody = free_port("127.0.0.1", socket.SOCK_STREAM)
    said = await modules.same("help_scout_program.js", "helpScout", {"port": site.port, "nobody": nobody})
    assert [one["id"] for one in said[2]] == [10, 11, 20, 21]


async def test_what_a_module_keeps_for_itself_is_its_runs_alone(modules: Both, site: Site) -> None:
    """Of helpscout-2.0 it is the token, which Node has for all who are in one process."""
    services_site.serve(site)
    runs = [("acme", "a"), ("beta", "b"), ("acme", "c"), ("acme", "a")]

    async def ask(tenant: str, client: str) -> str:
        given = {"port": site.port, "client": client}
        return str(await modules.ours("help_scout_program.js", "token", given, tenant=tenant))

    wanted = [f"of {client}" for _, client in runs]
    assert [await ask(*run) for run in runs] == wanted
    assert await asyncio.gather(*(ask(*run) for run in runs)) == wanted
    asked = [path for _, path, _, _ in site.requests if "oauth2/token" in path]
    assert len(asked) == 2 * len(runs)
    theirs = [
        await modules.theirs("help_scout_program.js", "token", {"port": site.port, "client": client})
        for client in ("a", "b")
    ]
    assert theirs == ["of a", "of a"]
