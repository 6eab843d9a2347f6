"""What the tests of calls share."""

import pytest

from tests.sipio.sip.sip_network import Network, Node


@pytest.fixture(params=["udp", "tcp"])
def pair(request: pytest.FixtureRequest) -> tuple[Network, Node, Node]:
    network = Network()
    return network, network.node(transport=request.param), network.node(transport=request.param)
