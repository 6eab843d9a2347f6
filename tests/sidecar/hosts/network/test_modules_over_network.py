"""npm's modules that speak to others: as in Node, in the same program over the same servers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.configuration.host_sections import OutgoingSection
from sidecar.configuration.tree import Configuration
from sidecar.hosts.node.packages import Packages
from sidecar.hosts.services import Services
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


@pytest.mark.parametrize("name", ["soap", "stripe", "rss"])
async def test_services_of_others(name: str, modules: Both, site: Site) -> None:
    services_site.serve(site)
    await modules.same(f"{name}_program.js", name, {"url": site.url("").rstrip("/"), "port": site.port})
