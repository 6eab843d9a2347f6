"""Kamailio as the configuration asks for it."""

import logging
from typing import Any, cast

import pytest

from sidecar.configuration.tree import KamailioSection
from sidecar.switches.kamailio import KamailioPart, _call_ended
from sipio.host_port import HostPort
from sipio.kamailio.messages import CallEnded
from tests.sidecar.switches.switch_doubles import Passing


def test_a_call_that_ended_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    _call_ended("10.0.0.1:8448", CallEnded(call_id="c1", customer="acme", answered=True, started=5, seconds=3))
    [record] = [cast("Any", record) for record in caplog.records]
    assert record.msg == "call_ended"
    assert record.fields == {
        "kamailio": "10.0.0.1:8448",
        "call_id": "c1",
        "customer": "acme",
        "answered": True,
        "started": 5,
        "seconds": 3,
    }


async def test_a_kamailio_that_is_not_there_is_tried_again_and_counted() -> None:
    switch = KamailioPart(KamailioSection(peers=(HostPort("127.0.0.1", 1),)), Passing())
    await switch.start()
    assert switch.state().addresses == ["127.0.0.1:1"]
    assert [(peer.peer, peer.connected) for peer in switch.snapshots()] == [("127.0.0.1:1", False)]
    switch.stop_accepting()
    await switch.close()
