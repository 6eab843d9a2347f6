"""One bridge, tried to its end: who is called in which order, what the caller hears, what the result is."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from sipio.call_control import (
    REASON_CHARACTERS,
    ActionResult,
    Bridge,
    Bridged,
    BridgeStatus,
    Done,
    HungUp,
    HungUpDuring,
    LegEvent,
    MediaFile,
    Stopped,
)
from sipio.errors import LocalError
from sipio.sip.events import EndedBy
from sipio.sip_driver.settings import SipDriverSettings
from tests.sipio.sip_driver.sip_driver_doubles import Exchange, MemorySession, request_of

B = "sip:b@192.0.2.2"
C = "sip:c@192.0.2.3"


class Bridging(Exchange):
    """A call with a bridge under way."""

    def __init__(self, *destinations: str, up: bool = True, settings: SipDriverSettings | None = None, **more: object):
        super().__init__(settings)
        if up:
            self.up()
        self.pending, self.results = self.perform(
            Bridge(destinations=list(destinations or (B,)), **more)  # type: ignore[arg-type]
        )

    @property
    def leg(self) -> MemorySession:
        return self.endpoint.legs[-1]

    @property
    def result(self) -> Bridged:
        (done,) = self.results
        assert isinstance(done, Done)
        assert isinstance(done.value, Bridged)
        return done.value

    @property
    def what(self) -> list[tuple[str, int]]:
        return [(event.what, event.code) for event in self.told(LegEvent)]

    def left_over(self) -> int:
        """Media but the caller's."""
        return len([media for media in self.engine.open_sessions if media is not self.media])


@pytest.mark.parametrize("by", [EndedBy.SYSTEM, EndedBy.US])
async def test_a_bridge_that_neither_party_ended_was_ended_by_the_system(by: EndedBy) -> None:
    bridging = Bridging()
    bridging.leg.answer()
    bridging.leg.end_as(by, reason="session timer")
    assert (bridging.result.status, bridging.result.hangup_by) == ("completed", "system")
    assert bridging.result.reason == "session timer"


async def test_of_the_other_partys_words_as_much_is_kept_as_words_have() -> None:
    bridging = Bridging()
    bridging.leg.end_as(EndedBy.PEER, status=486, reason="x" * 60_000)
    assert (bridging.result.status, bridging.result.reason) == ("busy", "x" * REASON_CHARACTERS)


async def test_the_callee_answers_and_hangs_up() -> None:
    bridging = Bridging(headers=[("X-Foo", "1")])
    (asked,) = bridging.endpoint.asked
    assert (asked["target"], asked["from_"], asked["from_user"]) == (B, "", "4420")
    assert (asked["headers"], asked["media"].host) == ([("X-Foo", "1")], "192.0.2.9")
    assert asked["media"].host == "192.0.2.9"
    bridging.leg.ring_back()
    bridging.leg.answer()
    (relay,) = bridging.engine.relays
    assert relay.pair[0] is bridging.media
    assert bridging.results == []
    bridging.leg.end_as(EndedBy.PEER, reason="BYE")
    result = bridging.result
    assert (result.status, result.destination, result.code, result.hangup_by) == ("completed", B, 200, "callee")
    assert bridging.what == [("ringing", 180), ("answered", 200), ("ended", 0)]
    assert relay.closed
    assert bridging.left_over() == 0
    assert not bridging.session.ended, "whether the script goes on is not the driver's business"


async def test_a_caller_who_was_not_answered_is_answered_with_the_callee() -> None:
    bridging = Bridging(up=False)
    bridging.leg.ring_back()
    assert bridging.names() == ["ring", "ring"]
    bridging.leg.answer()
    assert bridging.names() == ["ring", "ring", "accept"]


async def test_an_answered_caller_hears_the_ringing_tone_until_the_answer() -> None:
    bridging = Bridging()
    bridging.leg.ring_back()
    bridging.leg.ring_back()
    ringback = bridging.media.activity
    assert ringback is not None
    assert ringback.what == ("ringback",)
    assert not ringback.finished
    bridging.leg.answer()
    assert ringback.finished


async def test_early_media_is_heard_in_place_of_the_ringing_tone() -> None:
    bridging = Bridging(up=False)
    bridging.leg.agree(early=True)
    bridging.leg.ring_back(183)
    assert bridging.names() == ["ring", "progress"]
    assert len(bridging.engine.relays) == 1
    assert bridging.media.activity is None
    bridging.leg.answer()
    assert len(bridging.engine.relays) == 1


async def test_music_while_waiting_is_heard_in_place_of_early_media() -> None:
    music = MediaFile("user/m.wav", Path("m.wav"))
    bridging = Bridging(up=False, ringback=[music])
    assert bridging.names() == ["ring", "progress"]
    playing = bridging.media.activity
    assert playing is not None
    assert playing.what == ("play", [music], True)
    bridging.leg.agree(early=True)
    bridging.leg.ring_back(183)
    assert bridging.engine.relays == []
    bridging.leg.answer()
    assert playing.finished
    assert len(bridging.engine.relays) == 1


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (486, BridgeStatus.BUSY), (600, BridgeStatus.BUSY),
        (408, BridgeStatus.NO_ANSWER), (480, BridgeStatus.NO_ANSWER),
        (603, BridgeStatus.FAILED), (404, BridgeStatus.FAILED), (503, BridgeStatus.FAILED),
    ],
)  # fmt: skip
async def test_a_refusal_is_the_result(status: int, result: BridgeStatus) -> None:
    bridging = Bridging()
    bridging.leg.ring_back()
    bridging.leg.end_as(EndedBy.PEER, status=status, reason="why")
    assert (bridging.result.status, bridging.result.code, bridging.result.reason) == (result, status, "why")
    assert bridging.what[-1] == ("ended", status)
    assert bridging.left_over() == 0


async def test_failover_goes_in_order_and_stops_at_the_first_answer() -> None:
    bridging = Bridging("user/nobody", B, C)
    assert bridging.what == [("ended", 404)]
    bridging.leg.end_as(EndedBy.PEER, status=486, reason="Busy Here")
    assert [asked["target"] for asked in bridging.endpoint.asked] == [B, C]
    assert bridging.left_over() == 1
    bridging.leg.answer()
    bridging.leg.end_as(EndedBy.PEER, reason="BYE")
    assert (bridging.result.status, bridging.result.destination) == ("completed", C)


async def test_nothing_that_can_be_called_is_a_result_at_once() -> None:
    bridging = Bridging("user/nobody", "trunk/none/1", "sip:", "a/b")
    assert bridging.pending is not None
    assert (bridging.result.status, bridging.result.code, bridging.result.destination) == ("failed", 404, "a/b")
    bridging.pending.stop()
    assert len(bridging.results) == 1


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - a timer of the loop brings it about, and tells nobody
            await asyncio.sleep(0)


async def test_a_leg_that_does_not_answer_in_time_is_cancelled_and_the_next_one_called_at_once() -> None:
    bridging = Bridging(B, C, timeout_seconds=0.01)
    silent = bridging.leg
    await until(lambda: len(bridging.endpoint.legs) == 2)
    assert silent.did == [("cancel",)]
    # What it says from now on is too late, be it an answer.
    silent.agree()
    silent.ring_back()
    silent.end_as(EndedBy.US, status=487)
    assert bridging.what == [("ended", 408)]
    await until(lambda: bridging.results)
    assert (bridging.result.status, bridging.result.code, bridging.result.destination) == ("no_answer", 408, C)
    assert bridging.left_over() == 0


@pytest.mark.parametrize("answered", [False, True])
async def test_the_caller_hangs_up(answered: bool) -> None:
    bridging = Bridging(B, C)
    leg = bridging.leg
    if answered:
        leg.answer()
    bridging.session.end_as(EndedBy.PEER, reason="BYE")
    assert bridging.results == [HungUpDuring()]
    assert leg.did[-1][0] == ("bye" if answered else "cancel")
    assert bridging.what[-1] == ("ended", 0 if answered else 487)
    leg.end_as(EndedBy.US, status=487)
    assert len(bridging.endpoint.legs) == 1, "no other one is called"
    assert bridging.engine.open_sessions == []
    assert isinstance(bridging.events[-1], HungUp), "nothing follows it"


@pytest.mark.parametrize("answered", [False, True])
async def test_a_bridge_is_stopped(answered: bool) -> None:
    bridging = Bridging(B, C)
    leg = bridging.leg
    leg.ring_back()
    if answered:
        leg.answer()
    bridging.pending.stop()
    bridging.pending.stop()
    assert bridging.results == [Stopped()]
    assert leg.did[-1][0] == ("bye" if answered else "cancel")
    leg.end_as(EndedBy.US, status=487)
    assert [event for event in bridging.what if event[0] == "ended"] == [("ended", 0 if answered else 487)]
    assert len(bridging.endpoint.legs) == 1
    assert bridging.left_over() == 0
    assert bridging.media.activity is None or bridging.media.activity.finished
    assert not bridging.session.ended


async def test_digits_of_the_other_partys_info_go_to_its_media() -> None:
    bridging = Bridging()
    bridging.leg.answer()
    other = bridging.engine.relays[0].pair[1]
    bridging.leg.press("7")
    assert other.digits == "7"
    assert bridging.media.digits == ""


async def test_no_port_for_the_other_leg() -> None:
    exchange = Exchange().up()
    exchange.engine.ports = 0
    results: list[ActionResult] = []
    exchange.call.perform(Bridge(destinations=[B, C]), results.append)
    async with asyncio.timeout(60):
        while not results:  # noqa: ASYNC110 - each leg ends in a turn of the loop of its own
            await asyncio.sleep(0)
    (done,) = results
    assert isinstance(done, Done)
    assert isinstance(done.value, Bridged)
    assert (done.value.status, done.value.code) == ("failed", 503)
    assert exchange.endpoint.legs == []


async def test_an_invite_that_cannot_be_sent() -> None:
    exchange = Exchange().up()
    exchange.endpoint.error = LocalError("no tls listener")
    results: list[ActionResult] = []
    exchange.call.perform(Bridge(destinations=[B, C]), results.append)
    assert [event.code for event in exchange.told(LegEvent)] == [400]
    assert len(exchange.endpoint.legs) == 1
    assert len(exchange.engine.open_sessions) == 2, "the caller's and the second leg's"


async def test_audio_of_the_other_leg_stops() -> None:
    bridging = Bridging()
    bridging.leg.agree(early=True)
    other = bridging.engine.relays[0].pair[1]
    other.observer.media_timed_out(60.0)
    assert bridging.leg.did == [], "before the answer nobody has to send anything"
    bridging.leg.answer()
    assert other.silence_counted == 1
    bridging.leg.heard_at = 130.0
    other.observer.media_timed_out(60.0)
    assert bridging.leg.did == [], "it was heard from by SIP meanwhile"
    other.observer.media_timed_out(60.0)
    result = bridging.result
    assert (result.status, result.hangup_by, result.reason) == ("completed", "system", "media timeout")
    assert not bridging.session.ended


@pytest.mark.parametrize(
    ("came_with", "sent"), [("70", 69), ("1", 0), ("", 69), ("many", 69), ("9999", 69), ("255", 69), ("0", 0)]
)
async def test_a_bridged_call_has_a_hop_less(came_with: str, sent: int) -> None:
    exchange = Exchange()
    exchange.up()
    exchange.session.request = request_of(came_with)
    exchange.perform(Bridge(destinations=[B]))
    assert exchange.endpoint.asked[0]["max_forwards"] == sent, "a loop of bridges ends"


async def test_a_callee_who_answers_without_usable_media_was_never_connected() -> None:
    bridging = Bridging(B, C, up=False)
    # Its 200 was hung up by the user agent: no SessionAnswered came.
    bridging.leg.end_as(EndedBy.SYSTEM, status=488, reason="no usable SDP in the answer")
    assert bridging.what == [("ended", 488)]
    assert [asked["target"] for asked in bridging.endpoint.asked] == [B, C]
    bridging.leg.end_as(EndedBy.SYSTEM, status=488, reason="no usable SDP in the answer")
    result = bridging.result
    assert (result.status, result.code, result.seconds, result.hangup_by) == ("failed", 488, 0.0, "")
    assert "accept" not in bridging.names()
