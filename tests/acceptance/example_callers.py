"""Whoever calls the scripts of docs/voice.md: one scenario in the words of ``scriptforge call --keys``, played to the
daemon by a SIP phone, by a FreeSWITCH and by a switch that speaks docs/voice-adapter.md.

A key is pressed as an attentive caller presses it: once something was heard and it has been silent since; one that is
pressed ahead, while something is heard. ``wait`` is for as long as it takes to hear oneself; what the other parties do
is taken in the order in which they are called.
"""

import asyncio
import contextlib
import re
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from sidecar.phone.keys import HangUp, Party, PartyAction, Press, Step, Wait
from sipio.sip.events import SessionEnded
from tests.acceptance.phone import FarCall, Phone, phone
from tests.acceptance.voice_daemon import read_wav
from tests.sipio.freeswitch import freeswitch_parties
from tests.sipio.freeswitch.freeswitch_double import FakeChannel
from tests.sipio.rpc.voice_switch import Asked, VoiceSwitch

SECONDS = 60.0
SILENCE_SECONDS = 0.3
STEP_SECONDS = 0.01
PARTIES_PORT = 5080
"""Where the page's examples call."""
ALICE, BOB = (f"{name}@127.0.0.1:{PARTIES_PORT}" for name in ("alice", "bob"))
REFUSALS = {PartyAction.BUSY: 486, PartyAction.NO_ANSWER: 480, PartyAction.FAIL: 503}
TALK_SECONDS = 0.3
KEY_SECONDS = 0.1
"""From one key to the next: nobody presses faster."""


class Caller(Protocol):
    """Calls a destination of the daemon's, plays a scenario and gives the call's id."""

    async def call(self, destination: str, from_user: str, steps: Sequence[Step]) -> str: ...


def parties_of(steps: Sequence[Step]) -> deque[PartyAction]:
    """What each party that is called does; ``end`` follows an answer by itself."""
    found = [step.action for step in steps if isinstance(step, Party)]
    return deque(action for action in found if action is not PartyAction.END)


async def until(condition: Callable[[], bool], what: str) -> None:
    """For what no event tells: what a double is doing."""
    try:
        async with asyncio.timeout(SECONDS):
            while not condition():  # noqa: ASYNC110 - a double sets no event
                await asyncio.sleep(STEP_SECONDS)
    except TimeoutError:
        raise AssertionError(f"never came: {what}") from None


class SipCaller:
    """A SIP phone that calls the embedded agent, or FreeSWITCH; alice and bob are reached on another one."""

    def __init__(self, uri: Callable[[str], str], voice: Path) -> None:
        """``uri`` of a destination; ``voice`` is what the caller says."""
        self._uri = uri
        self._voice = voice

    async def call(self, destination: str, from_user: str, steps: Sequence[Step]) -> str:
        doings = parties_of(steps)

        def party(call: FarCall) -> None:
            doing = doings.popleft()
            if doing is PartyAction.ANSWER:
                call.session.accept(call.local)
                asyncio.get_running_loop().call_later(TALK_SECONDS, call.session.bye)
            else:
                call.session.reject(REFUSALS[doing])

        async with phone("127.0.0.61") as caller, phone("127.0.0.1", port=PARTIES_PORT) as parties:
            parties.on_call = party
            return await self._play(caller, destination, from_user, steps)

    async def _play(self, caller: Phone, destination: str, from_user: str, steps: Sequence[Step]) -> str:
        made = caller.call(self._uri(destination), user=from_user)
        for before, step in zip([None, *steps], steps, strict=False):
            if isinstance(step, Press):
                if step.ahead:
                    await made.until(lambda: made.ear.hears_something, "something to type into")
                elif not isinstance(before, Press):
                    await made.until_silent()
                made.media.send_digits(step.digit, round(KEY_SECONDS * 1_000))
            elif isinstance(step, Wait):
                made.play_on(self._voice)
                await made.until(lambda: made.ear.pieces, "an echo")
            elif isinstance(step, HangUp):
                made.session.bye()
        await made.wait_for(SessionEnded)
        return made.id


class SoundsOnDisk(dict[str, float]):
    """Every file that is there takes the time it takes to play."""

    def get(self, path: str, default: Any = None) -> Any:
        file = Path(path)
        return len(read_wav(file)[0]) / 8_000 if file.is_file() else default


class FreeswitchCaller:
    """A FreeSWITCH that connects to the daemon for its caller."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def call(self, destination: str, from_user: str, steps: Sequence[Step]) -> str:
        channel = FakeChannel(uuid=str(uuid.uuid4()), destination=destination, caller=from_user, files=SoundsOnDisk())
        channel.variables |= {"sip_call_id": channel.uuid, "sip_from_user": from_user}
        for name, doing in zip((ALICE, BOB), parties_of(steps), strict=False):
            answers = doing is PartyAction.ANSWER
            channel.parties[f"sofia/internal/{name}"] = freeswitch_parties.Party(
                ring=0.05, answer=0.1 if answers else None, refuse=0 if answers else REFUSALS[doing], talk=TALK_SECONDS
            )
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        reading = asyncio.create_task(self._read(reader, channel))
        play = asyncio.create_task(self._play(channel, steps))
        try:
            async with asyncio.timeout(SECONDS):
                while not channel.closed and not reading.done():
                    writer.write(channel.take())
                    await asyncio.sleep(STEP_SECONDS)
                    channel.advance(STEP_SECONDS)
                writer.write(channel.take())
            await play
        finally:
            for task in (play, reading):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            writer.close()
            await writer.wait_closed()
        return channel.uuid

    @staticmethod
    async def _read(reader: asyncio.StreamReader, channel: FakeChannel) -> None:
        while data := await reader.read(65_536):
            channel.receive(data)

    @staticmethod
    async def _play(channel: FakeChannel, steps: Sequence[Step]) -> None:
        def playing() -> bool:
            return channel.running("playback")

        for before, step in zip([None, *steps], steps, strict=False):
            if isinstance(step, Press):
                if step.ahead:
                    await until(playing, "something to type into")
                elif not isinstance(before, Press):
                    await silent_again(playing)
                channel.press(step.digit)
                await asyncio.sleep(KEY_SECONDS)
            elif isinstance(step, Wait):
                await until(lambda: channel.running("bridge", "loopback/app=echo"), "an echo")
            elif isinstance(step, HangUp):
                channel.caller_hangs_up()


async def silent_again(playing: Callable[[], bool]) -> None:
    """Return once something was played and nothing has been for a while."""
    await until(playing, "a prompt")
    loop = asyncio.get_running_loop()
    last = loop.time()
    while loop.time() - last < SILENCE_SECONDS:
        if playing():
            last = loop.time()
        await asyncio.sleep(STEP_SECONDS)


class RpcCaller:
    """A switch that speaks docs/voice-adapter.md."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def call(self, destination: str, from_user: str, steps: Sequence[Step]) -> str:
        switch = await VoiceSwitch.connect(self._address)
        try:
            call = _SwitchCall(switch, steps)
            await call.start(destination, from_user)
            async with asyncio.timeout(SECONDS):
                await call.serve()
            return call.id
        finally:
            await switch.client.close()


class _SwitchCall:
    def __init__(self, switch: VoiceSwitch, steps: Sequence[Step]) -> None:
        self.id = str(uuid.uuid4())
        self._switch = switch
        self._keys = deque(step for step in steps if isinstance(step, Press))
        self._parties = parties_of(steps)
        self._hangs_up = any(isinstance(step, HangUp) for step in steps)
        self._answered = False
        self._over = False
        self._recordings: list[dict[str, Any]] = []

    async def start(self, destination: str, from_user: str) -> None:
        accepted = await self._switch.start(self.id, destination, from_user=from_user)
        assert accepted == {"accepted": True}

    async def serve(self) -> None:
        """Do what is asked until the call is over."""
        while not self._over:
            while not self._switch.asked:
                self._switch.changed.clear()
                try:
                    await asyncio.wait_for(self._switch.changed.wait(), SILENCE_SECONDS)
                except TimeoutError:
                    if self._keys:  # nothing is asked for: the script listens by itself
                        self._press()
            asked = self._switch.asked.pop(0)
            doing: Callable[[Asked], Awaitable[None] | None] = getattr(self, f"_{asked.method.removeprefix('call.')}")
            waited = doing(asked)
            if waited is not None:
                await waited

    def _event(self, event: str, **fields: Any) -> None:
        self._switch.event(event, self.id, **fields)

    def _press(self) -> str:
        """The next key."""
        digit = self._keys.popleft().digit
        self._event("digit", digit=digit, duration_ms=100)
        return digit

    def _answer(self, asked: Asked) -> None:
        self._answered = True
        asked.done()

    def _play(self, asked: Asked) -> None:
        while self._keys and self._keys[0].ahead:
            self._press()
        asked.done()

    def _echo(self, _asked: Asked) -> None:
        if self._hangs_up:
            self._end("caller", 16, 0, "BYE")

    def _record(self, asked: Asked) -> None:
        self._recordings.append(asked.fields)
        asked.done()

    def _collect(self, asked: Asked) -> None:
        value = asked.fields["typed_ahead"]
        while self._keys and len(value) < asked.fields["maximum"]:
            value += self._press()
        pattern = asked.fields.get("pattern")
        valid = len(value) >= asked.fields["minimum"] and (not pattern or re.fullmatch(pattern, value))
        asked.done({"status": "success" if valid else "timeout", "value": value, "terminator": ""})

    def _bridge(self, asked: Asked) -> None:
        for destination in asked.fields["destinations"]:
            doing = self._parties.popleft()
            self._event("leg", destination=destination, what="ringing", code=180)
            if doing is PartyAction.ANSWER:
                self._answered = True
                self._event("leg", destination=destination, what="answered", code=200)
                self._event("leg", destination=destination, what="ended")
                asked.done(
                    {"status": "completed", "destination": destination, "code": 200, "seconds": TALK_SECONDS}
                    | {"hangup_by": "callee"}
                )
                return
            self._event("leg", destination=destination, what="ended", code=REFUSALS[doing])
        status = {PartyAction.BUSY: "busy", PartyAction.NO_ANSWER: "no_answer", PartyAction.FAIL: "failed"}[doing]
        asked.done({"status": status, "destination": destination, "code": REFUSALS[doing]})

    def _hangup(self, asked: Asked) -> None:
        asked.done()
        fields = asked.fields
        code = 0 if self._answered else fields["code"]
        self._end("script", fields["cause"], code, fields["reason"])

    def _end(self, by: str, cause: int, code: int, reason: str) -> None:
        self._over = True
        self._event("hungup", by=by, cause=cause, code=code, reason=reason)
        for recording in self._recordings:
            told = {name: recording[name] for name in ("name", "path")}
            self._event("recording_finished", **told, seconds=1.0, error="")
