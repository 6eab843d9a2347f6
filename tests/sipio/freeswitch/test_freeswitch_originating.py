"""Calls that FreeSWITCH is asked to place: over its event socket out, over our listener back."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from sipio.call_control import (
    CallControl,
    CallEvent,
    CallObserver,
    Hangup,
    HangupBy,
    HungUp,
    Origination,
)
from sipio.freeswitch import originating
from sipio.freeswitch.server import FreeswitchServer
from sipio.freeswitch.settings import FreeswitchSettings
from sipio.freeswitch.settings import InboundSocket as Where
from sipio.host_port import HostPort
from sipio.rpc.addresses import TcpAddress
from tests.sipio.freeswitch.freeswitch_double import FakeChannel
from tests.sipio.freeswitch.freeswitch_inbound import PASSWORD, InboundSocket, Originate
from tests.sipio.freeswitch.test_freeswitch_server import Caller

SECONDS = 60.0
CALL = Origination(id="p1", destination="trunk/carrier/4930", cli="4940", timeout_seconds=30, customer="acme")


class Desk:
    """A FreeSWITCH, the server that has it place calls, and who places them."""

    def __init__(self) -> None:
        self.inbound = InboundSocket(self._originated)
        self.server: FreeswitchServer
        self.says = "+OK"
        """What comes of a call; nothing while it rings."""
        self.connects = True
        self.asked: list[Originate] = []
        self.caller: Caller | None = None
        self.told: list[object] = []
        self.events: list[CallEvent] = []
        self.call: CallControl | None = None
        self.changed = asyncio.Event()

    async def start(self, password: str = PASSWORD) -> None:
        await self.inbound.start()
        where = Where(
            address=HostPort("127.0.0.1", self.inbound.port), password=password, callback=HostPort("127.0.0.1", 8084)
        )
        self.server = FreeswitchServer(None, None, FreeswitchSettings(inbound=where))
        self.port = await self.server.start(TcpAddress(host="127.0.0.1", port=0, allow=("127.0.0.0/8",)))

    async def close(self) -> None:
        await self.server.close()
        await self.inbound.close()
        if self.caller is not None:
            await self.caller.close()

    async def _originated(self, originate: Originate) -> None:
        self.asked.append(originate)
        self._change()
        if self.says == "+OK" and self.connects:
            await self.connect(originate)
        if self.says:
            originate.ends(f"+OK {originate.variables['origination_uuid']}" if self.says == "+OK" else self.says)

    async def connect(self, originate: Originate) -> None:
        channel = FakeChannel(uuid=originate.variables["origination_uuid"], variables=dict(originate.variables))
        channel.placed()
        self.caller = await Caller.connect(self.port, channel)

    # ---- who places the call ----

    def ringing(self) -> None:
        self.told.append("ringing")

    def answered(self, call: CallControl) -> CallObserver:
        self.call = call
        self.told.append("answered")
        self._change()
        return self

    def refused(self, code: int, reason: str) -> None:
        self.told.append((code, reason))
        self._change()

    def event(self, event: CallEvent) -> None:
        self.events.append(event)
        self._change()

    def _change(self) -> None:
        self.changed.set()

    async def until_told(self) -> object:
        async with asyncio.timeout(SECONDS):
            while not self.told:
                self.changed.clear()
                await self.changed.wait()
        (told,) = self.told
        return told


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    await made.start()
    yield made
    await made.close()


async def test_a_call_is_placed_and_driven_over_the_listener(desk: Desk) -> None:
    desk.server.originate(CALL, desk)
    assert await desk.until_told() == "answered"
    (asked,) = desk.asked
    assert asked.dial == "sofia/gateway/carrier/4930"
    assert asked.back == "127.0.0.1:8084"
    assert asked.variables["origination_caller_id_number"] == "4940"
    assert asked.variables["ignore_early_media"] == "true"
    assert asked.variables["originate_timeout"] == "32"
    assert desk.call is not None
    offer = desk.call.offer
    assert (offer.id, offer.driver, offer.from_user, offer.to_user, offer.customer) == (
        "p1",
        "freeswitch",
        "4930",
        "4940",
        "acme",
    )
    desk.call.perform(Hangup(cause=17), lambda _result: None)
    async with asyncio.timeout(SECONDS):
        while not desk.events:
            desk.changed.clear()
            await desk.changed.wait()
    (hung_up,) = desk.events
    assert isinstance(hung_up, HungUp)
    assert (hung_up.by, hung_up.cause) == (HangupBy.SCRIPT, 17)
    await desk.inbound.until(lambda: desk.inbound.open == 0)


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("-ERR USER_BUSY", (486, "Busy Here")),
        ("-ERR NO_ANSWER", (408, "Request Timeout")),
        ("-ERR CALL_REJECTED", (603, "Decline")),
        ("-ERR UNALLOCATED_NUMBER", (404, "Not Found")),
        ("-ERR INVALID_GATEWAY", (404, "Not Found")),
        ("-ERR SOMETHING_NEW", (480, "Temporarily Unavailable")),
    ],
)
async def test_who_does_not_answer_is_told_by_the_status_of_the_cause(desk: Desk, says: str, told: object) -> None:
    desk.says = says
    desk.server.originate(CALL, desk)
    assert await desk.until_told() == told
    await desk.inbound.until(lambda: desk.inbound.open == 0)


async def test_what_is_given_up_is_killed_until_it_is_gone(desk: Desk) -> None:
    desk.says = ""
    pending = desk.server.originate(CALL, desk)
    await desk.inbound.until(lambda: desk.asked)
    pending.stop()

    def kills() -> int:
        return sum(one.startswith("bgapi uuid_kill ") for one in desk.inbound.commands)

    await desk.inbound.until(lambda: kills() >= 2)
    desk.asked[0].ends("-ERR ORIGINATOR_CANCEL")
    await desk.inbound.until(lambda: desk.inbound.open == 0)
    assert desk.told == []


async def test_who_rings_too_long_is_given_up(desk: Desk) -> None:
    desk.says = ""
    desk.server.originate(Origination(id="p1", destination="user/201", timeout_seconds=0.05), desk)
    assert await desk.until_told() == (408, "no answer")
    await desk.inbound.until(lambda: any(one.startswith("bgapi uuid_kill ") for one in desk.inbound.commands))


async def test_a_call_that_answers_after_it_was_given_up_is_hung_up(desk: Desk) -> None:
    desk.says = ""
    pending = desk.server.originate(CALL, desk)
    await desk.inbound.until(lambda: desk.asked)
    pending.stop()
    await desk.connect(desk.asked[0])
    assert desk.caller is not None
    await desk.caller.until_closed()
    assert desk.caller.channel.hung_up
    assert desk.told == []


async def test_a_call_of_an_id_that_nobody_waits_for_is_hung_up(desk: Desk) -> None:
    channel = FakeChannel(variables={"scriptforge_placed": "of-another-daemon"})
    channel.placed()
    desk.caller = await Caller.connect(desk.port, channel)
    await desk.caller.until_closed()
    assert channel.hung_up


async def test_a_call_that_never_comes_back_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(originating, "ARRIVAL_SECONDS", 0.05)
    desk.connects = False
    desk.server.originate(CALL, desk)
    assert await desk.until_told() == (503, "FreeSWITCH did not bring the call (freeswitch.callback)")


async def test_a_wrong_password_is_told() -> None:
    desk = Desk()
    await desk.start("wrong")
    desk.server.originate(CALL, desk)
    assert await desk.until_told() == (503, "FreeSWITCH's event socket: the password is not taken")
    await desk.close()


async def test_without_a_freeswitch_it_is_refused(desk: Desk) -> None:
    await desk.inbound.close()
    desk.server.originate(CALL, desk)
    told = await desk.until_told()
    assert isinstance(told, tuple)
    assert told[0] == 503


async def test_without_an_event_socket_it_is_refused() -> None:
    desk = Desk()
    desk.server = FreeswitchServer(None, None, FreeswitchSettings())
    desk.server.originate(CALL, desk)
    assert desk.told == [(503, "no event socket of a FreeSWITCH is configured")]
    await desk.server.close()


@pytest.mark.parametrize(
    "changed",
    [
        {"destination": "trunk/a/49,[x=1]"},
        {"destination": "trunk/a/49 &park"},
        {"cli": "1,x=2"},
        {"cli": "1}"},
        {"cli": "1\n\napi shutdown"},
        {"customer": "a b"},
    ],
)
async def test_a_text_that_would_mean_something_else_is_sent_to_nobody(desk: Desk, changed: dict[str, str]) -> None:
    call = Origination(**({"id": "p1", "destination": "user/1", "cli": "1", "customer": "acme"} | changed))  # type: ignore[arg-type]
    desk.server.originate(call, desk)
    (told,) = desk.told
    assert isinstance(told, tuple)
    assert told[0] in (400, 404)
    assert desk.inbound.commands == []


async def test_what_is_given_up_at_once_never_rings(desk: Desk) -> None:
    desk.server.originate(CALL, desk).stop()
    await desk.inbound.until(lambda: desk.inbound.commands and desk.inbound.open == 0)
    assert desk.asked == []
    assert desk.told == []
