"""The FreeSWITCH driver against a real FreeSWITCH, where there is one; docs/freeswitch.md says how to set it up."""

import asyncio
import math
import struct
import wave
from collections.abc import Awaitable, Callable
from pathlib import Path

from sipio.call_control import (
    ActionResult,
    Answer,
    Bridge,
    Bridged,
    BridgeStatus,
    CallAction,
    CallControl,
    CallEvent,
    Collect,
    CollectStatus,
    DigitPressed,
    Digits,
    Done,
    Echo,
    Failed,
    Hangup,
    HangupBy,
    HungUp,
    MediaFile,
    Play,
    Record,
    RecordingFinished,
    Stopped,
)
from sipio.freeswitch.server import FreeswitchServer
from sipio.routing import Action, Decision, HeaderChanges, RoutingRequest, pack_routing, unpack_routing
from sipio.rpc.addresses import TcpAddress
from tests.acceptance.freeswitch_live import FREESWITCH, ONE, SIDECAR_PORT, TWO, needs_freeswitch
from tests.acceptance.sipp import Sipp

pytestmark = needs_freeswitch

SECONDS = 60.0

Script = Callable[["LiveCall"], Awaitable[None]]


class LiveCall:
    """A call, driven by a coroutine."""

    def __init__(self, control: CallControl) -> None:
        self.control = control
        self.events: list[CallEvent] = []
        self.over = asyncio.Event()

    def event(self, event: CallEvent) -> None:
        self.events.append(event)
        if isinstance(event, HungUp):
            self.over.set()

    async def perform(self, action: CallAction, stop_after: float | None = None) -> ActionResult:
        loop = asyncio.get_running_loop()
        result: asyncio.Future[ActionResult] = loop.create_future()
        pending = self.control.perform(action, result.set_result)
        if stop_after is not None:
            loop.call_later(stop_after, pending.stop)
        async with asyncio.timeout(SECONDS):
            return await result


class Handler:
    """Gives each call to the script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.call: LiveCall | None = None
        self.task: asyncio.Task[None] | None = None

    def offered(self, control: CallControl) -> LiveCall:
        self.call = call = LiveCall(control)

        async def run() -> None:
            await self._script(call)
            async with asyncio.timeout(SECONDS):
                await call.over.wait()

        self.task = asyncio.create_task(run())
        return call


class NoRun:
    """A decision that was made at once."""

    def cancel(self) -> None:
        """There is nothing to cancel."""


class Router:
    """Decides at once."""

    def __init__(self, decide: Callable[[RoutingRequest], Decision]) -> None:
        self._decide = decide

    def route(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> NoRun:
        answer(self._decide(request))
        return NoRun()


def tone(path: Path, seconds: float) -> MediaFile:
    path.parent.chmod(0o777)  # FreeSWITCH plays from it and records to it
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        samples = (int(8_000 * math.sin(math.tau * 440 * at / 8_000)) for at in range(int(8_000 * seconds)))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return MediaFile(f"user/{path.name}", path)


def caller(directory: Path, number: str, scenario: str = "freeswitch_caller") -> Sipp:
    return Sipp(directory, scenario, "127.0.0.1", options=("-s", number, FREESWITCH))


async def drive(script: Script, directory: Path, scenario: str = "freeswitch_caller") -> LiveCall:
    handler = Handler(script)
    server = FreeswitchServer(handler, None)
    await server.start(TcpAddress(host="127.0.0.1", port=SIDECAR_PORT))
    sipp = caller(directory, "7000", scenario)
    try:
        await asyncio.to_thread(sipp.finish)
        assert handler.task is not None
        await handler.task
    finally:
        sipp.stop()
        await server.close()
    assert handler.call is not None
    return handler.call


async def test_play_record_echo_and_digits(tmp_path: Path) -> None:
    short, long = tone(tmp_path / "short.wav", 0.4), tone(tmp_path / "long.wav", 5)
    evil = tmp_path / "pwned"

    async def script(call: LiveCall) -> None:
        call.control.set_variable("note", f"it's ${{system(touch {evil})}}")
        call.control.set_variable("app_disable_expand_variables", "false")
        call.control.set_variable("api_hangup_hook", f"system touch {evil}")
        assert await call.perform(Play(media=[short])) == Done()
        assert await call.perform(Answer()) == Done()
        assert await call.perform(Play(media=[MediaFile("user/none.wav", tmp_path / "none.wav")])) == Failed(
            "there is no user/none.wav"
        )
        named = tmp_path / f"${{system(touch {evil})}}.wav"
        assert isinstance(await call.perform(Play(media=[MediaFile("user/evil.wav", named)])), Failed)
        assert await call.perform(Record(name="user/r", path=tmp_path / "r.wav")) == Done()
        # Star does not end the prompt's digits, the hash does.
        assert await call.perform(Collect(prompt=[long], timeout_seconds=3)) == Done(
            Digits(status=CollectStatus.SUCCESS, value="12*", terminator="#")
        )
        assert await call.perform(Echo(delay_ms=100), stop_after=0.5) == Stopped()
        assert await call.perform(Play(media=[short])) == Done()
        assert await call.perform(Hangup(cause=17)) == Done()

    call = await drive(script, tmp_path)
    assert [event.digit for event in call.events if isinstance(event, DigitPressed)] == list("12*#")
    (ended,) = [event for event in call.events if isinstance(event, HungUp)]
    assert (ended.by, ended.cause) == (HangupBy.SCRIPT, 17)
    assert [event.error for event in call.events if isinstance(event, RecordingFinished)] == [""]
    assert not evil.exists()


async def test_a_refusal(tmp_path: Path) -> None:
    async def script(call: LiveCall) -> None:
        hangup = Hangup(code=404, reason="Not Here", cause=1, headers=[("X-Why", "nope")])
        assert await call.perform(hangup) == Done()

    call = await drive(script, tmp_path, "freeswitch_refused_caller")
    assert [event.code for event in call.events if isinstance(event, HungUp)] == [404]


async def test_a_bridge_with_failover(tmp_path: Path) -> None:
    busy = Sipp(tmp_path, "freeswitch_busy", "127.0.0.1", port=ONE).wait_until_bound()
    callee = Sipp(tmp_path, "freeswitch_callee", "127.0.0.1", port=TWO).wait_until_bound()
    results: list[Bridged] = []

    async def script(call: LiveCall) -> None:
        await call.perform(Answer())
        # By then the caller has sent its digits.
        await call.perform(Collect(timeout_seconds=5))
        destinations = [f"sip:a@127.0.0.1:{ONE}", f"sip:b@127.0.0.1:{TWO}"]
        headers = [("X-Out", "a, b;c='d'")]
        for bridge in (Bridge(destinations=destinations, headers=headers), Bridge(destinations=["sip:c@127.0.0.1:9"])):
            result = await call.perform(bridge)
            assert isinstance(result, Done)
            assert isinstance(result.value, Bridged)
            results.append(result.value)
        await call.perform(Hangup())

    try:
        await drive(script, tmp_path)
        trace = callee.finish()
    finally:
        busy.stop()
        callee.stop()
    assert [result.status for result in results] == [BridgeStatus.COMPLETED, BridgeStatus.FAILED]
    invite = next(one.message for one in trace if one.received)
    assert invite.get("x-out") == "a, b;c='d'"
    assert invite.get("x-foo") is None


async def test_a_decision_with_headers_for_one_gateway(tmp_path: Path) -> None:
    busy = Sipp(tmp_path, "freeswitch_busy", "127.0.0.1", port=TWO).wait_until_bound()
    callee = Sipp(tmp_path, "freeswitch_callee", "127.0.0.1", port=ONE).wait_until_bound()

    def decide(request: RoutingRequest) -> Decision:
        first, second = unpack_routing(request.routing)["egress_routing"]
        second["headers"] = [{"key": "X-Leg", "value": "a, b;c=~x"}]
        first["remove_headers"] = [{"key": "X-Two"}]
        changes = HeaderChanges(add=[("X-All", 'it\'s "all", <1>')], remove=["X-Foo"])
        routing = {**unpack_routing(request.routing), "egress_routing": [second, first], "dest_number": "4420"}
        return Decision(action=Action.ROUTE, routing=pack_routing(routing), headers=changes, outcome="returned")

    server = FreeswitchServer(None, Router(decide))
    await server.start(TcpAddress(host="127.0.0.1", port=SIDECAR_PORT))
    # Without digits: FreeSWITCH would pass them on to the callee.
    sipp = caller(tmp_path, "81000000", "freeswitch_silent_caller")
    try:
        await asyncio.to_thread(sipp.finish)
        refused, taken = busy.finish(), callee.finish()
    finally:
        for one in (sipp, busy, callee):
            one.stop()
        await server.close()
    first = next(one.message for one in refused if one.received)
    second = next(one.message for one in taken if one.received)
    names = ("x-all", "x-leg", "x-two", "x-foo")
    assert [first.get(name) for name in names] == ['it\'s "all", <1>', "a, b;c=~x", "two", None]
    assert [second.get(name) for name in names] == ['it\'s "all", <1>', None, None, None]
