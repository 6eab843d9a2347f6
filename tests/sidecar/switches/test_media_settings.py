"""Media as the configuration asks for it."""

import pytest

from sidecar.configuration.tree import Configuration, SipSection
from sidecar.errors import ConfigurationError
from sidecar.switches.media import media_settings


@pytest.mark.parametrize("ports", ["20000", "b-c", "80-90", "30000-20000", "20000-70000", "30001-30002", "٣000-40000"])
def test_ports_that_are_no_range_are_the_operators_error(ports: str) -> None:
    with pytest.raises(ConfigurationError, match=r"sip\.rtp_ports"):
        media_settings(Configuration(sip=SipSection(rtp_ports=ports)))
