"""A destination by a transport that we do not have, as a WebRTC phone's Contact names one."""

import asyncio

import pytest

from sipio.sip.address import Address
from sipio.sip.dns_locator import DnsLocator
from sipio.sip.transport import SipTransports


class User:
    def __init__(self) -> None:
        self.unreachable: asyncio.Queue[Address] = asyncio.Queue()

    def received(self, data: bytes, source: Address) -> None:
        raise AssertionError(f"{data!r} from {source}")

    def connected(self, address: Address) -> None:
        raise AssertionError(f"connected to {address}")

    disconnected = connected

    def failed(self, address: Address) -> None:
        self.unreachable.put_nowait(address)


@pytest.mark.parametrize("host", ["abc.invalid", "127.0.0.1"])
async def test_it_cannot_be_reached(host: str) -> None:
    user = User()
    transports = SipTransports(user, None, DnsLocator())
    to = Address("ws", host, 0)
    transports.send(to, b"BYE sip:a@b SIP/2.0\r\n\r\n")
    async with asyncio.timeout(60):
        assert await user.unreachable.get() == to
    await transports.close()
