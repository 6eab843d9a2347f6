"""What tests of Node's modules in the sandbox share: one Node and one context for each file."""

from collections.abc import Iterator

import pytest

from tests.sidecar.hosts.node.comparison import Both, Node, Sandbox


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    node = Node()
    yield Both(node, Sandbox())
    node.close()
