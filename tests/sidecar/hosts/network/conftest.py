"""What tests of connections share: a pool of one worker for each file, Node beside it, and a peer."""

from collections.abc import AsyncIterator

import pytest

from sidecar.configuration.host_sections import OutgoingSection
from sidecar.configuration.tree import Configuration
from sidecar.hosts.services import Services
from tests.sidecar.hosts.authority import Authority
from tests.sidecar.hosts.module_runs import Scripts, scripts
from tests.sidecar.hosts.network.both import Both
from tests.sidecar.hosts.network.plain_peer import Peer, plain_peer


@pytest.fixture
async def runs(authority: Authority) -> AsyncIterator[Scripts]:
    section = OutgoingSection(networks=("127.0.0.1/32",), tls_ca=authority.file, connection_bytes=2_000_000)
    services = Services(Configuration(outgoing=section))
    async with scripts(services) as made:
        yield made
    await services.close()


@pytest.fixture
async def both(runs: Scripts, authority: Authority) -> AsyncIterator[Both]:
    made = Both(runs, authority.file)
    yield made
    await made.close()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with plain_peer() as made:
        yield made
