"""The driver on real sockets: calls offered, refused and put off."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sipio.call_control import (
    ActionResult,
    Answer,
    CallControl,
    CallEvent,
    CallObserver,
    Done,
    Failed,
    Hangup,
    HangupBy,
    HungUp,
)
from sipio.media.settings import MediaSettings
from sipio.sip.endpoint import SipListener
from sipio.sip.events import BindingChanged, RegistrationChanged, SessionAnswered, SessionEnded
from sipio.sip.settings import Credentials, RegistrationSettings, TimerValues, UserAgentSettings
from sipio.sip_driver.driver import SipDriver
from sipio.sip_driver.settings import SipDriverSettings, Trunk
from tests.acceptance.phone import FarCall, Phone, phone

ALICE = Credentials(username="alice", password="secret")
HOST = "127.0.0.71"


class Handler:
    """Takes calls, or gives ``refusal``."""

    def __init__(self) -> None:
        self.calls: list[CallControl] = []
        self.events: list[CallEvent] = []
        self.refusal: Hangup | None = None
        self.changed = asyncio.Event()

    def offered(self, call: CallControl) -> CallObserver | Hangup:
        self.calls.append(call)
        self.changed.set()
        return self.refusal or self

    def event(self, event: CallEvent) -> None:
        self.events.append(event)
        self.changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def running(
    settings: SipDriverSettings | None = None, *, host: str = HOST, **more: object
) -> AsyncIterator[tuple[SipDriver, Handler]]:
    handler = Handler()
    driver = SipDriver([SipListener(host=host, port=0)], settings or SipDriverSettings(), handler, **more)  # type: ignore[arg-type]
    await driver.start()
    try:
        yield driver, handler
    finally:
        await driver.close(1.0)


def call(caller: Phone, driver: SipDriver, host: str = HOST, **more: object) -> FarCall:
    return caller.call(f"sip:100@{host}:{driver.addresses[0].port}", **more)  # type: ignore[arg-type]


async def ended(made: FarCall) -> SessionEnded:
    return await made.wait_for(SessionEnded)


def header(event: SessionEnded, name: str) -> str:
    return next((value for key, value in event.headers if key.lower() == name), "")


async def test_an_offer_says_who_calls_whom_from_where() -> None:
    settings = SipDriverSettings(
        trunks=(Trunk(name="carrier", target="sip:{number}@x", hosts=frozenset({"127.0.0.72"}), customer="acme"),)
    )
    async with running(settings) as (driver, handler), phone("127.0.0.72") as caller:
        made = call(caller, driver, user="%2B4420", headers=[("X-Foo", "1")])
        await handler.until(lambda: handler.calls)
        offer = handler.calls[0].offer
        assert (offer.id, offer.driver, offer.customer) == (made.id, "sip", "acme")
        assert (offer.from_user, offer.from_host, offer.to_user, offer.to_host) == ("+4420", "127.0.0.72", "100", HOST)
        assert offer.source == f"127.0.0.72:{caller.port}"
        assert ("X-Foo", "1") in offer.headers
        made.session.cancel()
        await handler.until(lambda: handler.events)
        (hung_up,) = handler.events
        assert isinstance(hung_up, HungUp)
        assert (hung_up.by, hung_up.code, hung_up.reason) == (HangupBy.CALLER, 487, "CANCEL")


async def test_numbers_are_offered_without_their_parameters() -> None:
    async with running() as (driver, handler), phone("127.0.0.72") as caller:
        target = f"sip:+44-2079;npdi;rn=+44111@{HOST}:{driver.addresses[0].port};user=phone"
        made = caller.call(target, user="+49-30;tgrp=g1")
        await handler.until(lambda: handler.calls)
        offer = handler.calls[0].offer
        assert (offer.to_user, offer.to_parameters) == ("+442079", {"npdi": "", "rn": "+44111"})
        assert (offer.from_user, offer.from_parameters) == ("+4930", {"tgrp": "g1"})
        made.session.cancel()
        await ended(made)


async def test_refusals_and_retry_after() -> None:
    async with running() as (driver, handler), phone("127.0.0.72") as caller:
        handler.refusal = Hangup(code=404, cause=1)
        refused = await ended(call(caller, driver))
        assert (refused.status, header(refused, "retry-after")) == (404, "")
        handler.refusal = Hangup(code=503, cause=42)
        refused = await ended(call(caller, driver))
        assert (refused.status, refused.cause, header(refused, "retry-after")) == (503, 42, "5")
        driver.drain()
        refused = await ended(call(caller, driver))
        assert (refused.status, header(refused, "retry-after")) == (503, "5")
        assert len(handler.calls) == 2


async def test_ports_used_up_are_503_and_free_again_after_a_call() -> None:
    settings = SipDriverSettings(media=MediaSettings(port_first=39_000, port_last=39_001))
    async with running(settings) as (driver, handler), phone("127.0.0.72") as caller:
        first = call(caller, driver)
        await handler.until(lambda: handler.calls)
        refused = await ended(call(caller, driver))
        assert (refused.status, header(refused, "retry-after")) == (503, "5")
        first.session.cancel()
        await handler.until(lambda: handler.events)
        call(caller, driver)
        await handler.until(lambda: len(handler.calls) == 2)


async def test_an_ack_that_never_comes_fails_the_answer_and_ends_the_call() -> None:
    timers = TimerValues(t1=0.01, t2=0.02, t4=0.02)
    settings = SipDriverSettings(user_agent=UserAgentSettings(timers=timers))
    results: list[ActionResult] = []
    async with running(settings) as (driver, handler):
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.72", 0))
        port = transport.get_extra_info("sockname")[1]
        sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.72\r\ns=-\r\nc=IN IP4 127.0.0.72\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
        transport.sendto(
            f"INVITE sip:100@{HOST} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.72:{port};branch=z9hG4bK1\r\n"
            f"From: <sip:a@127.0.0.72>;tag=1\r\nTo: <sip:100@{HOST}>\r\nCall-ID: never\r\nCSeq: 1 INVITE\r\n"
            f"Contact: <sip:a@127.0.0.72:{port}>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\n"
            f"Content-Length: {len(sdp)}\r\n\r\n{sdp}".encode(),
            (HOST, driver.addresses[0].port),
        )
        await handler.until(lambda: handler.calls)
        handler.calls[0].perform(Answer(), results.append)
        await handler.until(lambda: handler.events)
        transport.close()
    assert results == [Failed("ACK never came")]
    (hung_up,) = handler.events
    assert isinstance(hung_up, HungUp)
    assert (hung_up.by, hung_up.reason) == (HangupBy.SYSTEM, "ACK never came")


async def test_closing_ends_what_is_up() -> None:
    async with phone("127.0.0.72") as caller:
        results: list[ActionResult] = []
        async with running() as (driver, handler):
            up, ringing = call(caller, driver), call(caller, driver)
            await handler.until(lambda: len(handler.calls) == 2)
            first = next(control for control in handler.calls if control.offer.id == up.id)

            def answered(result: ActionResult) -> None:
                results.append(result)
                handler.changed.set()

            first.perform(Answer(), answered)
            await handler.until(lambda: results)
            assert results == [Done()]
        assert (await ended(ringing)).status == 503
        assert (await ended(up)).answered
        assert {event.by for event in handler.events if isinstance(event, HungUp)} == {HangupBy.SYSTEM}
        assert len(handler.events) == 2


async def test_a_listener_on_every_address_says_its_own_in_sdp() -> None:
    async with running(host="0.0.0.0") as (driver, handler), phone("127.0.0.72") as caller:
        made = call(caller, driver, host="127.0.0.1")
        await handler.until(lambda: handler.calls)
        handler.calls[0].perform(Answer(), lambda _: None)
        answer = await made.wait_for(SessionAnswered)
        assert made.session.media.remote_host == "127.0.0.1", "as its caller sees it"
        assert "<sip:sidecar@127.0.0.1:" in (answer.response.get("contact") or "")
        made.session.bye()
        await ended(made)


async def test_registrations_in_and_out_are_told() -> None:
    bound: list[BindingChanged] = []
    told: list[RegistrationChanged] = []
    settings = SipDriverSettings(user_agent=UserAgentSettings(users=(ALICE,)))
    changed = asyncio.Event()
    async with running(settings, agent_event=bound.append) as (registrar, _):
        home = RegistrationSettings(
            name="home",
            registrar=f"sip:{HOST}:{registrar.addresses[0].port}",
            address_of_record=f"sip:alice@{HOST}",
            credentials=ALICE,
        )

        def note(event: RegistrationChanged) -> None:
            told.append(event)
            changed.set()

        async with running(host="127.0.0.73", registrations=(home,), agent_event=note):
            await asyncio.wait_for(changed.wait(), 10)
        assert [event.status for event in told] == [200, 200]
        assert [len(event.contacts) for event in bound] == [1, 0]
