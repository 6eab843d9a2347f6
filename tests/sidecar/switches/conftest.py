"""Fixtures of the switches."""

import pytest

from tests.sidecar.switches.switch_doubles import Workers


@pytest.fixture
def workers() -> Workers:
    return Workers()
