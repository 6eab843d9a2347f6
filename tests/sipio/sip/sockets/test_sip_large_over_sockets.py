"""Requests too long for a datagram, on real sockets."""

import asyncio

from sipio.sip.endpoint import SipListener
from sipio.sip.events import CallReceived, SessionAnswered, SessionConfirmed, SessionEnded
from tests.sipio.sip.sip_endpoints import MEDIA, endpoint

LONG = [("X-Long", "x" * 1_500)]
BOTH = [SipListener(transport=transport, port=0) for transport in ("udp", "tcp")]


async def _free_on_both() -> int:
    """A port that is free over UDP and TCP."""
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


async def test_a_long_invite_comes_over_tcp_and_the_call_goes_on_over_udp() -> None:
    port = await _free_on_both()
    listeners = [SipListener(transport=transport, port=port) for transport in ("udp", "tcp")]
    async with endpoint(*listeners) as (callee, heard), endpoint(*BOTH) as (caller, told):
        outgoing = caller.invite(f"sip:100@127.0.0.1:{port}", from_="sip:a@b", media=MEDIA, headers=LONG)
        incoming = (await heard.first(CallReceived)).session
        assert incoming.source.transport == "tcp"
        assert (incoming.request.get("via") or "").startswith("SIP/2.0/TCP")
        incoming.accept(MEDIA)
        await told.first(SessionAnswered)
        await heard.first(SessionConfirmed)
        outgoing.bye()
        assert (await heard.first(SessionEnded)).reason == "BYE"
        assert callee.snapshot().bad_requests == 0


async def test_where_tcp_is_refused_a_long_invite_comes_over_udp() -> None:
    async with endpoint(SipListener(port=0)) as (callee, heard), endpoint(*BOTH) as (caller, told):
        outgoing = caller.invite(
            f"sip:100@127.0.0.1:{callee.addresses[0].port}", from_="sip:a@b", media=MEDIA, headers=LONG
        )
        incoming = (await heard.first(CallReceived)).session
        assert incoming.source.transport == "udp"
        assert incoming.request.get("x-long") == LONG[0][1]
        incoming.accept(MEDIA)
        await told.first(SessionAnswered)
        await heard.first(SessionConfirmed)
        outgoing.bye()
        assert (await heard.first(SessionEnded)).reason == "BYE"
