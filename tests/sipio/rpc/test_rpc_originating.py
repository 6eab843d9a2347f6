"""Calls that a switch is asked to place over MessagePack-RPC."""

import asyncio

import pytest

from sipio.call_control import (
    Bridge,
    Bridged,
    BridgeStatus,
    CallControl,
    CallObserver,
    Done,
    HangupBy,
    HungUp,
    Origination,
    PendingOrigination,
)
from sipio.rpc import originating
from sipio.rpc.call_methods import RpcCalls
from sipio.rpc.errors import RpcError
from sipio.rpc.peer import RpcPeer
from sipio.rpc.server import RpcServer
from tests.sipio.rpc.call_handler import Taken
from tests.sipio.rpc.voice_switch import SECONDS, VoiceSwitch

CALL = Origination(id="p1", destination="trunk/a/4930", cli="4940", timeout_seconds=30, customer="acme")


class Placing:
    """Remembers all that it is told."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.told: list[object] = []
        self.taken: Taken | None = None

    def ringing(self) -> None:
        self._tell("ringing")

    def answered(self, call: CallControl) -> CallObserver:
        self.taken = Taken(call, self.changed)
        self._tell("answered")
        return self.taken

    def refused(self, code: int, reason: str) -> None:
        self._tell((code, reason))

    def _tell(self, what: object) -> None:
        self.told.append(what)
        self.changed.set()

    async def until(self, *told: object) -> None:
        async with asyncio.timeout(SECONDS):
            while self.told != [*told]:
                self.changed.clear()
                await self.changed.wait()

    async def until_call(self, count: int) -> Taken:
        async with asyncio.timeout(SECONDS):
            while self.taken is None or len(self.taken.told) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.taken


@pytest.fixture
def placing() -> Placing:
    return Placing()


@pytest.fixture
async def pending(calls: RpcCalls, server: RpcServer, switch: VoiceSwitch, placing: Placing) -> PendingOrigination:
    await switch.client.call("call.start", {"id": "x", "from_user": "1", "to_user": "404"})
    return calls.originate(peer_of(server), CALL, placing)


def peer_of(server: RpcServer) -> RpcPeer:
    (connection,) = server.connections
    return connection.peer


async def test_a_call_is_asked_for_and_driven_once_it_is_answered(
    pending: PendingOrigination, switch: VoiceSwitch, placing: Placing, calls: RpcCalls
) -> None:
    asked = await switch.next("call.originate")
    assert asked.fields == {
        "call_id": "p1",
        "destination": "trunk/a/4930",
        "cli": "4940",
        "timeout_seconds": 30.0,
        "customer": "acme",
    }
    assert await switch.event_answered("leg", "p1", destination="trunk/a/4930", what="ringing") == {}
    await placing.until("ringing")
    asked.done({"code": 200})
    await placing.until("ringing", "answered")
    assert placing.taken is not None
    offer = placing.taken.control.offer
    assert (offer.id, offer.driver, offer.from_user, offer.to_user, offer.customer) == (
        "p1",
        "rpc",
        "4930",
        "4940",
        "acme",
    )
    placing.taken.perform(Bridge(destinations=["trunk/a/7"]))
    (await switch.next("call.bridge")).done({"status": "completed", "code": 200})
    taken = await placing.until_call(1)
    assert taken.results == [Done(Bridged(status=BridgeStatus.COMPLETED, code=200))]
    assert calls.snapshot().up == 1
    switch.event("hungup", "p1", by="caller")
    taken = await placing.until_call(2)
    assert isinstance(taken.told[-1], HungUp)
    assert calls.snapshot().up == 0
    pending.stop()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"code": 486, "reason": "Busy Here"}, (486, "Busy Here")),
        ({"code": 404}, (404, "Not Found")),
        ({"code": 100}, (503, "the switch's answer cannot be understood")),
        ({}, (503, "the switch's answer cannot be understood")),
    ],
)
@pytest.mark.usefixtures("pending")
async def test_one_that_does_not_come_about_says_its_status(
    answer: dict[str, object], told: object, switch: VoiceSwitch, placing: Placing, calls: RpcCalls
) -> None:
    (await switch.next("call.originate")).done(answer)
    await placing.until(told)
    assert calls.snapshot().up == 0


@pytest.mark.usefixtures("pending")
async def test_an_error_of_the_switch_is_no_call(switch: VoiceSwitch, placing: Placing) -> None:
    (await switch.next("call.originate")).error("no_room", "all lines are busy")
    await placing.until((503, "all lines are busy"))


@pytest.mark.usefixtures("pending")
async def test_a_hungup_before_the_answer_ends_it(switch: VoiceSwitch, placing: Placing) -> None:
    await switch.next("call.originate")
    assert await switch.event_answered("hungup", "p1", code=603, reason="Decline") == {}
    await placing.until((603, "Decline"))


@pytest.mark.usefixtures("pending")
async def test_a_lost_switch_ends_it(switch: VoiceSwitch, placing: Placing) -> None:
    await switch.next("call.originate")
    await switch.client.close()
    async with asyncio.timeout(SECONDS):
        while not placing.told:
            placing.changed.clear()
            await placing.changed.wait()
    (told,) = placing.told
    assert isinstance(told, tuple)
    assert told[0] == 503


async def test_what_is_given_up_is_stopped_and_its_late_answer_is_nobodys(
    pending: PendingOrigination, switch: VoiceSwitch, placing: Placing, calls: RpcCalls
) -> None:
    asked = await switch.next("call.originate")
    pending.stop()
    pending.stop()
    stop = await switch.next("call.stop")
    assert stop.fields == {"call_id": "p1", "action": "originate"}
    stop.done()
    asked.done({"code": 200})
    with pytest.raises(RpcError) as caught:
        await switch.event_answered("hungup", "p1")
    assert caught.value.code == "unknown_call"
    assert placing.told == []
    assert calls.snapshot().up == 0


async def test_a_switch_that_does_not_answer_in_time_is_given_up(
    monkeypatch: pytest.MonkeyPatch, server: RpcServer, switch: VoiceSwitch, placing: Placing, calls: RpcCalls
) -> None:
    monkeypatch.setattr(originating, "PATIENCE_SECONDS", 0.01)
    await switch.client.call("call.start", {"id": "x", "from_user": "1", "to_user": "404"})
    calls.originate(peer_of(server), Origination(id="p1", destination="user/1", timeout_seconds=0.01), placing)
    await switch.next("call.originate")
    await switch.next("call.stop")
    await placing.until((408, "no answer"))


@pytest.mark.usefixtures("pending")
async def test_its_id_is_taken_while_it_is_placed(switch: VoiceSwitch) -> None:
    await switch.next("call.originate")
    with pytest.raises(RpcError) as caught:
        await switch.start("p1")
    assert caught.value.code == "call_exists"


@pytest.mark.usefixtures("pending")
async def test_calls_being_placed_count_among_those_that_are_up(
    server: RpcServer, switch: VoiceSwitch, calls: RpcCalls
) -> None:
    for number in range(2):
        calls.originate(peer_of(server), Origination(id=f"q{number}", destination="user/1"), Placing())
    late = Placing()
    calls.originate(peer_of(server), Origination(id="late", destination="user/1"), late)
    assert late.told == [(503, "too many calls are up")]
    for _ in range(3):
        (await switch.next("call.originate")).done({"code": 486})


@pytest.mark.usefixtures("pending")
async def test_a_call_that_was_placed_ends_with_its_connection(switch: VoiceSwitch, placing: Placing) -> None:
    (await switch.next("call.originate")).done({"code": 200})
    await placing.until("answered")
    await switch.client.close()
    taken = await placing.until_call(1)
    (hung_up,) = taken.events
    assert isinstance(hung_up, HungUp)
    assert hung_up.by is HangupBy.SYSTEM
