"""A default that stands twice, in the configuration and in the settings that a part may be used with alone, agrees."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from sandbox.pool import PoolSettings
from sandbox.program import Limits
from sidecar.configuration.tree import Configuration
from sidecar.runs.limits import decision_limits
from sidecar.runs.pool_settings import decision_pool
from sidecar.switches.freeswitch import freeswitch_settings
from sidecar.switches.kamailio import kamailio_limits
from sidecar.switches.sip import driver_settings
from sidecar.switches.sip_accounts import SipAccounts
from sidecar.switches.socket import rpc_limits
from sipio.freeswitch.settings import FreeswitchSettings
from sipio.kamailio.limits import KamailioLimits
from sipio.rpc.limits import RpcLimits
from sipio.sip_driver.settings import SipDriverSettings

DEFAULT = Configuration()
CALLS = DEFAULT.voice.calls


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Each field that two settings do not have in common, with both values."""
    if isinstance(one, msgspec.Struct):
        assert type(one) is type(other)
        for name in one.__struct_fields__:
            yield from differences(getattr(one, name), getattr(other, name), f"{path}.{name}")
    elif one != other:
        yield f"{path[1:]}: {one!r} {other!r}"


@pytest.mark.parametrize(
    ("alone", "configured", "meant"),
    [
        (KamailioLimits(), kamailio_limits(DEFAULT.kamailio), set()),
        (RpcLimits(), rpc_limits(DEFAULT.socket), set()),
        (PoolSettings(), decision_pool(DEFAULT), set()),
        (Limits(), decision_limits(DEFAULT.decisions.timeout_ms / 1000, DEFAULT), set()),
        (FreeswitchSettings(), freeswitch_settings(DEFAULT), set()),
        # Alone it keeps nothing on a disk, and counts sessions, of which a bridged call has two.
        (
            SipDriverSettings(),
            driver_settings(DEFAULT, SipAccounts()),
            {"media.speech.cache", "media.fetch.cache", "user_agent.limits.calls"},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_defaults_agree(alone: Any, configured: Any, meant: set[str]) -> None:
    found = [difference for difference in differences(alone, configured) if difference.partition(":")[0] not in meant]
    assert found == []
