"""Two networks, two families, two transports: whatever a call comes by or goes to, everything in it is of that one."""

import re
from collections.abc import AsyncIterator
from itertools import product

import pytest

from sipio.call_control import Answer, Bridge
from sipio.media.settings import MediaSettings
from sipio.sip.endpoint import SipListener
from sipio.sip.events import SessionAnswered, SessionEnded
from sipio.sip_driver.driver import SipDriver
from sipio.sip_driver.settings import SipDriverSettings
from tests.acceptance.phone import phone
from tests.sipio.sip_driver.test_sip_driver import Handler

NETWORKS = {"127.0.0.81": "127.0.0.91", "127.0.0.82": "127.0.0.92", "::1": "::1"}
"""Where we listen, and who calls there."""
TRANSPORTS = ("udp", "tcp")


@pytest.fixture
async def everywhere() -> AsyncIterator[tuple[SipDriver, Handler]]:
    handler = Handler()
    listeners = [
        SipListener(transport=transport, host=host, port=0) for transport, host in product(TRANSPORTS, NETWORKS)
    ]
    settings = SipDriverSettings(media=MediaSettings(port_first=30_000, port_last=33_999))
    driver = SipDriver(listeners, settings, handler)
    await driver.start()
    yield driver, handler
    await driver.close(1.0)


def port_of(driver: SipDriver, transport: str, host: str) -> int:
    return next(one.port for one in driver.addresses if (one.transport, one.host) == (transport, host))


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@pytest.mark.parametrize(("transport", "host"), list(product(TRANSPORTS, NETWORKS)))
async def test_a_call_is_answered_with_the_addresses_of_the_network_that_it_came_by(
    transport: str, host: str, everywhere: tuple[SipDriver, Handler]
) -> None:
    driver, handler = everywhere
    async with phone(NETWORKS[host], transport=transport) as caller:
        port = port_of(driver, transport, host)
        made = caller.call(f"sip:100@{bracketed(host)}:{port};transport={transport}", user="4420")
        await handler.until(lambda: handler.calls)
        handler.calls[0].perform(Answer(), lambda _: None)
        answer = (await made.wait_for(SessionAnswered)).response
        assert f"@{bracketed(host)}:{port}" in (answer.get("contact") or "")
        assert made.session.media.remote_host == host
        assert re.findall(r"^[oc]=.*?(\S+)\r?$", answer.body.decode(), re.MULTILINE) == [host, host]
        assert f"IN IP{6 if ':' in host else 4} {host}" in answer.body.decode()
        made.session.bye()
        await made.wait_for(SessionEnded)


@pytest.mark.parametrize(("transport", "host"), list(product(TRANSPORTS, ["127.0.0.81", "127.0.0.82"])))
async def test_a_bridge_has_the_addresses_of_each_sides_network(
    transport: str, host: str, everywhere: tuple[SipDriver, Handler]
) -> None:
    """The other leg goes by IPv6, which one listener of ours has."""
    driver, handler = everywhere
    async with phone(NETWORKS[host], transport=transport) as caller, phone("::1") as other:
        made = caller.call(f"sip:100@{host}:{port_of(driver, transport, host)};transport={transport}", user="4420")
        await handler.until(lambda: handler.calls)
        handler.calls[0].perform(Bridge(destinations=[f"sip:b@[::1]:{other.port}"]), lambda _: None)
        rung = await other.rung()
        invite = rung.session.request
        for name in ("via", "contact", "from"):
            assert "[::1]" in (invite.get(name) or ""), name
        assert re.findall(r"^[oc]=.*?(\S+)\r?$", invite.body.decode(), re.MULTILINE) == ["::1", "::1"]
        await made.wait_for(SessionAnswered)
        assert made.session.media.remote_host == host
        made.session.bye()
        await rung.wait_for(SessionEnded)
