"""The user agent on real sockets: UDP, TCP, TLS, on asyncio's loop and on uvloop."""

import asyncio
import ipaddress
import ssl
from typing import Any

import pytest
from cryptography import x509

from sipio.errors import LocalError
from sipio.sip.endpoint import SipEndpoint, SipListener
from sipio.sip.events import CallReceived, SessionAnswered, SessionConfirmed, SessionEnded, SipEvent
from sipio.sip.settings import TimerValues, UserAgentSettings
from sipio.sip.transport import CannotListen
from tests.sipio.sip.sip_endpoints import MEDIA, endpoint, target, tls_contexts
from tests.sipio.sip.sip_name_server import name_server


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's context for 127.0.0.1."""
    return tls_contexts(tmp_path_factory.mktemp("tls") / "both.pem", x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_call_over_each_transport(
    transport: str, host: str, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    # The certificate is for the address alone; that it is refused is the point.
    refused = transport == "tls" and host == "localhost"
    listener = SipListener(transport=transport, port=0, tls=tls[0])
    async with endpoint(listener) as (callee, heard), endpoint(listener, client_tls=tls[1]) as (caller, told):
        outgoing = caller.invite(target(callee, transport, host), from_="sip:a@b", media=MEDIA)
        if refused:
            assert (await told.first(SessionEnded)).reason == "transport failed"
            return
        incoming = (await heard.first(CallReceived)).session
        incoming.accept(MEDIA)
        await told.first(SessionAnswered)
        await heard.first(SessionConfirmed)
        assert caller.sessions == callee.sessions == 1
        outgoing.bye()
        assert (await heard.first(SessionEnded)).reason == "BYE"
        if transport != "udp":
            assert callee.snapshot().connections == 1


async def test_a_phone_on_tcp_is_hung_up_over_its_own_connection() -> None:
    """Its Contact cannot be reached; the connection that it called by can."""
    async with endpoint(SipListener(transport="tcp", port=0)) as (callee, heard):
        reader, writer = await asyncio.open_connection("127.0.0.1", callee.addresses[0].port)
        writer.write(
            b"INVITE sip:1@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 10.9.9.9:1;branch=z9hG4bK1\r\n"
            b"From: <sip:a@b>;tag=1\r\nTo: <sip:1@c>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
            b"Contact: <sip:a@10.9.9.9:1;transport=tcp>\r\nContent-Length: 0\r\n\r\n"
        )
        (await heard.first(CallReceived)).session.accept(MEDIA)
        async with asyncio.timeout(60):
            answer = await reader.readuntil(b"a=sendrecv\r\n")
            tag = answer.rpartition(b"\r\nTo: ")[2].partition(b"\r\n")[0]
            writer.write(
                b"ACK sip:1@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 10.9.9.9:1;branch=z9hG4bK2\r\n"
                b"From: <sip:a@b>;tag=1\r\nTo: " + tag + b"\r\nCall-ID: c\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"
            )
            ended = await heard.first(SessionEnded)
            assert ended.reason == "no usable SDP in the ACK"
            assert (await reader.readline()).startswith(b"BYE sip:a@10.9.9.9:1;transport=tcp")
        writer.close()


async def test_keep_alives_are_answered_and_nonsense_closes_the_connection() -> None:
    async with endpoint(SipListener(transport="tcp", port=0)) as (callee, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", callee.addresses[0].port)
        writer.write(b"\r\n\r\n")
        async with asyncio.timeout(60):
            assert await reader.readexactly(2) == b"\r\n"
            writer.write(b"OPTIONS sip:a SIP/2.0\r\nContent-Length: x\r\n\r\n")
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        writer.close()


@pytest.mark.parametrize(
    ("target_uri", "reason"),
    [("sip:1@127.0.0.1:1;transport=tcp", "transport failed"), ("sip:1@no.such.name.invalid", "no server found")],
)
async def test_who_cannot_be_reached_ends_the_call_at_once(target_uri: str, reason: str) -> None:
    listeners = [SipListener(transport=transport, port=0) for transport in ("udp", "tcp")]
    async with name_server() as (_, locator), endpoint(*listeners, locator=locator) as (caller, told):
        caller.invite(target_uri, from_="sip:a@b", media=MEDIA)
        ended = await told.first(SessionEnded)
        assert (ended.status, ended.reason) == (503, reason)


async def test_closing_ends_calls_and_says_so() -> None:
    listener = SipListener(port=0)
    async with endpoint(listener) as (callee, heard):
        async with endpoint(listener) as (caller, told):
            caller.invite(target(callee, "udp"), from_="sip:a@b", media=MEDIA)
            (await heard.first(CallReceived)).session.accept(MEDIA)
            await told.first(SessionAnswered)
            await heard.first(SessionConfirmed)
        assert (await heard.first(SessionEnded)).reason == "BYE"
        assert told.events[-1].__class__ is SessionEnded


async def test_ports_that_are_taken_and_transports_that_are_none() -> None:
    async with endpoint(SipListener(transport="tcp", port=0)) as (callee, _):
        taken = SipListener(transport="tcp", port=callee.addresses[0].port)
        with pytest.raises(CannotListen, match=r"^tcp:127.0.0.1:[0-9]+: Address already in use$"):
            await SipEndpoint([SipListener(port=0), taken], UserAgentSettings(), lambda _: None).start()
    for wrong in (SipListener(transport="sctp", port=0), SipListener(transport="tls", port=0)):
        with pytest.raises(LocalError):
            await SipEndpoint([wrong], UserAgentSettings(), lambda _: None).start()


async def test_an_advertised_address_stands_in_contact_and_via() -> None:
    listener = SipListener(port=0)
    behind = SipListener(port=0, advertised_host="203.0.113.9")
    async with endpoint(listener) as (callee, heard), endpoint(behind) as (caller, _):
        caller.invite(target(callee, "udp"), from_="sip:a@b", media=MEDIA)
        invite = (await heard.first(CallReceived)).session.request
        assert "@203.0.113.9:" in invite.get("contact")
        assert "203.0.113.9:" in invite.get("via")


async def test_two_udp_listeners_each_answer_for_themselves() -> None:
    async with (
        endpoint(SipListener(port=0), SipListener(port=0)) as (callee, heard),
        endpoint(SipListener(port=0)) as (caller, told),
    ):
        port = callee.addresses[1].port
        caller.invite(f"sip:1@127.0.0.1:{port}", from_="sip:a@b", media=MEDIA)
        incoming = (await heard.first(CallReceived)).session
        incoming.accept(MEDIA)
        answer = (await told.first(SessionAnswered)).response
        assert f"127.0.0.1:{port}>" in (answer.get("contact") or "")


async def test_a_broken_driver_loses_no_other_event() -> None:
    # Timers so slow and a transport so reliable that nothing else would take out what was left.
    slow = UserAgentSettings(timers=TimerValues(t1=60))
    listener = SipListener(transport="tcp", port=0)
    async with endpoint(listener, settings=slow) as (callee, heard), endpoint(listener) as (caller, told):
        problems: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))

        def react(event: SipEvent) -> None:
            if isinstance(event, CallReceived):
                event.session.accept(MEDIA)
                raise RuntimeError("a bug of ours")  # noqa: TRY004 - any error

        heard.react = react
        caller.invite(target(callee, "tcp"), from_="sip:a@b", media=MEDIA)
        await told.first(SessionAnswered)
        await heard.first(SessionConfirmed)
        assert len(problems) == 1
