"""Servers located by DNS (RFC 3263), on real sockets, asking a DNS server of the test's own."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cryptography import x509

from sipio.sip import dns_locator
from sipio.sip.dns_locator import DnsLocator
from sipio.sip.endpoint import SipEndpoint, SipListener
from sipio.sip.events import (
    CallReceived,
    RegistrationChanged,
    SessionAnswered,
    SessionConfirmed,
    SessionEnded,
    SipEvent,
)
from sipio.sip.outgoing import OutgoingSession
from sipio.sip.server_lookup import ServerLookup
from sipio.sip.settings import Credentials, RegistrationSettings, UserAgentSettings
from tests.sipio.sip.sip_endpoints import MEDIA, Recorder, endpoint, tls_contexts
from tests.sipio.sip.sip_name_server import NameServer, name_server

Asked = tuple[NameServer, DnsLocator]
UDP = SipListener(port=0)
TCP = SipListener(transport="tcp", port=0)
QUICK = UserAgentSettings(failover_seconds=0.15)


@pytest.fixture
async def dns() -> AsyncIterator[Asked]:
    async with name_server() as found:
        yield found


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A UDP port where nobody ever answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.setblocking(False)
        yield taken


def port_of(silent: socket.socket) -> int:
    found: int = silent.getsockname()[1]
    return found


def heard_by(silent: socket.socket) -> int:
    """How many datagrams have come there since it was last asked."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while silent.recv(65_535):
            count += 1
    return count


def port(found: SipEndpoint) -> int:
    return found.addresses[0].port


def accept(event: SipEvent) -> None:
    if isinstance(event, CallReceived):
        event.session.accept(MEDIA)


def refuse(event: SipEvent) -> None:
    if isinstance(event, CallReceived):
        event.session.reject(503)


async def call(caller: SipEndpoint, told: Recorder, target: str) -> SessionAnswered | SessionEnded:
    """Answered and hung up, or ended."""
    session = caller.invite(target, from_="sip:a@b", media=MEDIA)
    return await outcome(told, session)


async def outcome(told: Recorder, session: OutgoingSession) -> SessionAnswered | SessionEnded:
    async with asyncio.timeout(10):
        while True:
            for event in told.events:
                if isinstance(event, SessionAnswered | SessionEnded) and event.session is session:
                    session.bye()
                    return event
            told.changed.clear()
            await told.changed.wait()


async def test_an_srv_record_gives_host_and_port_and_is_asked_for_once(dns: Asked) -> None:
    server, locator = dns
    async with endpoint(UDP) as (callee, heard), endpoint(UDP, locator=locator) as (caller, told):
        heard.react = accept
        server.srv("_sip._udp.carrier.test", (10, 0, port(callee), "one.carrier.test"))
        server.address("one.carrier.test", "127.0.0.1")
        for _ in range(2):
            assert isinstance(await call(caller, told, "sip:100@carrier.test"), SessionAnswered)
        assert server.asked == [("_sip._udp.carrier.test", "SRV"), ("one.carrier.test", "A")]


@pytest.mark.parametrize("parameter", ["", ";maddr=x.test"])
async def test_a_name_with_a_port_needs_no_srv(dns: Asked, parameter: str) -> None:
    server, locator = dns
    server.address("pbx.test", "127.0.0.1")
    server.address("x.test", "127.0.0.1")
    async with endpoint(UDP) as (callee, heard), endpoint(UDP, TCP, locator=locator) as (caller, told):
        heard.react = accept
        assert isinstance(await call(caller, told, f"sip:1@pbx.test:{port(callee)}{parameter}"), SessionAnswered)
        assert server.asked == [("x.test" if parameter else "pbx.test", "A")]


async def test_a_silent_server_is_given_up_for_the_next_and_not_tried_first_again(
    dns: Asked, silent: socket.socket
) -> None:
    server, locator = dns
    async with endpoint(UDP) as (callee, heard), endpoint(UDP, settings=QUICK, locator=locator) as (caller, told):
        heard.react = accept
        server.srv("_sip._udp.carrier.test", (10, 0, port_of(silent), "a.test"), (20, 0, port(callee), "a.test"))
        server.address("a.test", "127.0.0.1")
        assert isinstance(await call(caller, told, "sip:100@carrier.test"), SessionAnswered)
        assert heard_by(silent)
        assert isinstance(await call(caller, told, "sip:100@carrier.test"), SessionAnswered)
        assert not heard_by(silent)


async def test_a_server_that_says_503_and_one_that_refuses_connections_are_passed_over(dns: Asked) -> None:
    server, locator = dns
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    async with (
        endpoint(TCP) as (full, busy),
        endpoint(TCP) as (callee, heard),
        endpoint(TCP, locator=locator) as (caller, told),
    ):
        busy.react, heard.react = refuse, accept
        server.srv(
            "_sip._tcp.carrier.test",
            (1, 0, closed, "a.test"),
            (2, 0, port(full), "a.test"),
            (3, 0, port(callee), "a.test"),
        )
        server.address("a.test", "127.0.0.1")
        assert isinstance(await call(caller, told, "sip:100@carrier.test"), SessionAnswered)
        await busy.first(SessionEnded)


async def test_when_every_server_fails_the_last_failure_is_the_calls(dns: Asked) -> None:
    server, locator = dns
    async with (
        endpoint(UDP) as (first, full),
        endpoint(UDP) as (second, as_full),
        endpoint(UDP, locator=locator) as (caller, told),
    ):
        full.react = as_full.react = refuse
        server.srv("_sip._udp.carrier.test", (1, 0, port(first), "a.test"), (2, 0, port(second), "a.test"))
        server.address("a.test", "127.0.0.1")
        ended = await call(caller, told, "sip:100@carrier.test")
        assert isinstance(ended, SessionEnded)
        assert ended.status == 503
        await full.first(SessionEnded)
        await as_full.first(SessionEnded)


async def test_a_busy_server_is_an_answer(dns: Asked, silent: socket.socket) -> None:
    server, locator = dns

    def busy(event: SipEvent) -> None:
        if isinstance(event, CallReceived):
            event.session.reject(486)

    async with endpoint(UDP) as (callee, heard), endpoint(UDP, locator=locator) as (caller, told):
        heard.react = busy
        server.srv("_sip._udp.carrier.test", (1, 0, port(callee), "a.test"), (2, 0, port_of(silent), "a.test"))
        server.address("a.test", "127.0.0.1")
        ended = await call(caller, told, "sip:100@carrier.test")
        assert isinstance(ended, SessionEnded)
        assert ended.status == 486


async def test_naptr_chooses_the_transport(dns: Asked, silent: socket.socket) -> None:
    server, locator = dns
    async with endpoint(TCP) as (callee, heard), endpoint(UDP, TCP, locator=locator) as (caller, told):
        heard.react = accept
        server.records["carrier.test", "NAPTR"] = [
            '20 10 "s" "SIP+D2U" "" _sip._udp.carrier.test.',
            '10 10 "s" "SIP+D2T" "" _sip._tcp.edge.test.',
            '5 10 "s" "SIPS+D2X" "" nothing.test.',
        ]
        server.srv("_sip._udp.carrier.test", (1, 0, port_of(silent), "a.test"))
        server.srv("_sip._tcp.edge.test", (1, 0, port(callee), "a.test"))
        server.address("a.test", "127.0.0.1")
        assert isinstance(await call(caller, told, "sip:100@carrier.test"), SessionAnswered)
        assert (await heard.first(CallReceived)).session.source.transport == "tcp"


async def test_a_certificate_has_to_be_for_the_name_that_was_called(dns: Asked, tmp_path: Path) -> None:
    server, locator = dns
    contexts = tls_contexts(tmp_path / "both.pem", x509.DNSName("carrier.test"))
    listener = SipListener(transport="tls", port=0, tls=contexts[0])
    async with (
        endpoint(listener) as (callee, heard),
        endpoint(listener, client_tls=contexts[1], locator=locator) as (caller, told),
    ):
        heard.react = accept
        server.address("edge.test", "127.0.0.1")
        for name in ("carrier", "other"):
            server.srv(f"_sips._tcp.{name}.test", (1, 0, port(callee), "edge.test"))
        assert isinstance(await call(caller, told, "sips:100@carrier.test"), SessionAnswered)
        ended = await call(caller, told, "sips:100@other.test")
        assert isinstance(ended, SessionEnded)
        assert ended.reason == "transport failed"
        assert isinstance(contexts[1], ssl.SSLContext)


async def test_a_dns_that_does_not_answer_costs_a_bounded_time_and_blocks_nothing(
    dns: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, locator = dns
    server.silent = True
    monkeypatch.setattr(dns_locator, "LOCATE_SECONDS", 0.3)
    async with endpoint(UDP) as (callee, heard), endpoint(UDP, locator=locator) as (caller, told):
        heard.react = accept
        waiting = caller.invite("sip:100@carrier.test", from_="sip:a@b", media=MEDIA)
        given_up = caller.invite("sip:100@carrier.test", from_="sip:a@b", media=MEDIA)
        given_up.cancel()
        assert given_up.ended
        # Meanwhile another call is made and answered.
        other = caller.invite(f"sip:100@127.0.0.1:{port(callee)}", from_="sip:a@b", media=MEDIA)
        await told.first(SessionAnswered)
        assert not waiting.ended
        ended = await outcome(told, waiting)
        assert isinstance(ended, SessionEnded)
        assert (ended.status, ended.reason) == (503, "no server found")
        other.bye()
        # The next call need not ask again to know as much.
        asked = len(server.asked)
        assert await call(caller, told, "sip:100@carrier.test")
        assert len(server.asked) == asked


async def test_a_registrar_is_located_and_its_second_server_takes_over(dns: Asked) -> None:
    server, locator = dns
    alice = Credentials(username="alice", password="secret")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    registrar = UserAgentSettings(users=(alice,))
    async with endpoint(TCP, settings=registrar) as (callee, _), endpoint(TCP, locator=locator) as (caller, told):
        server.srv("_sip._tcp.carrier.test", (1, 0, closed, "a.test"), (2, 0, port(callee), "a.test"))
        server.address("a.test", "127.0.0.1")
        caller.register(
            RegistrationSettings(
                name="t", registrar="sip:carrier.test", address_of_record="sip:alice@carrier.test", credentials=alice
            )
        )
        changed = await told.first(RegistrationChanged)
        assert changed.state == "registered"
        assert callee.contacts("alice")


@pytest.mark.parametrize("listener", [UDP, TCP])
async def test_a_contact_that_is_a_name_is_located_for_ack_and_bye(dns: Asked, listener: SipListener) -> None:
    server, locator = dns
    named = SipListener(transport=listener.transport, port=0, advertised_host="callee.test")
    async with endpoint(named) as (callee, heard), endpoint(listener, locator=locator) as (caller, told):
        heard.react = accept
        server.address("callee.test", "127.0.0.1")
        outgoing = caller.invite(
            f"sip:1@127.0.0.1:{port(callee)};transport={listener.transport}", from_="sip:a@b", media=MEDIA
        )
        await told.first(SessionAnswered)
        await heard.first(SessionConfirmed)
        outgoing.bye()
        assert (await heard.first(SessionEnded)).reason == "BYE"
        assert bool(server.asked) is (listener.transport == "udp")


async def test_what_a_locator_makes_of_odd_records(dns: Asked) -> None:
    server, locator = dns
    server.records["_sip._udp.none.test", "SRV"] = ["0 0 0 ."]
    server.address("none.test", "127.0.0.1")
    server.srv("_sip._udp.dead.test", (1, 0, 5060, "nowhere.test"), (2, 0, 5062, "127.0.0.9"))
    server.srv("_sip._udp.zero.test", (1, 0, 0, "127.0.0.8"), (2, 0, 5062, "127.0.0.9"))
    assert await locator.locate(ServerLookup("none.test", 0, ("udp",))) == []
    assert await locator.locate(ServerLookup("zero.test", 0, ("udp",))) == [("udp", "127.0.0.9", 5062, "", "")]
    assert await locator.locate(ServerLookup("dead.test", 0, ("udp",))) == [("udp", "127.0.0.9", 5062, "", "")]
    assert await locator.locate(ServerLookup("a" * 70 + ".test", 0, ("udp", "tcp"))) == []
    assert await locator.locate(ServerLookup("bad..name", 5060, ("udp",))) == []


async def test_a_name_of_the_machines_own_table_is_not_asked_for() -> None:
    found = await DnsLocator(nameservers=(("127.0.0.1", 9),), ipv6=False).locate(ServerLookup("localhost", 0, ("tcp",)))
    assert found == [("tcp", "127.0.0.1", 5060, "", "")]
