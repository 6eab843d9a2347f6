"""Whole calls on real sockets: callers without telephone-event press keys as tones, and callers who hold."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from sipio.call_control import (
    ActionResult,
    Answer,
    CallAction,
    CallControl,
    Collect,
    CollectStatus,
    DigitPressed,
    Digits,
    Done,
    HangupBy,
    HungUp,
    Media,
    MediaFile,
    Play,
)
from sipio.media.dtmf_tones import tone_samples
from sipio.media.g711 import Samples
from sipio.media.session import MediaSession
from sipio.media.settings import MediaSettings
from sipio.sip.events import SessionAnswered
from sipio.sip.media_description import MediaDirection
from sipio.sip_driver.call import SipCall
from sipio.sip_driver.settings import SipDriverSettings
from tests.acceptance.phone import FarCall, Phone, phone
from tests.acceptance.voice_daemon import write_wav
from tests.sipio.media.media_doubles import tone
from tests.sipio.sip_driver.test_sip_driver import HOST, running

KEYS = "159D*0#"
CALLER = "127.0.0.74"
TIMEOUT_SECONDS = 1.0


def pressing(keys: str, milliseconds: int = 70) -> Samples:
    """Keys as tones, each followed by a pause of its length."""
    pause = np.zeros(milliseconds * 8, np.int16)
    return np.concatenate([piece for key in keys for piece in (tone_samples(key, milliseconds), pause)])


def call(caller: Phone, port: int) -> FarCall:
    """A call whose offer has no telephone-event."""
    made = FarCall(caller, caller.engine.open(caller.host))
    media = structs.replace(made.local, telephone_event=False)
    made.session = caller.endpoint.invite(f"sip:100@{HOST}:{port}", from_=f"<sip:4420@{CALLER}>", media=media)
    made.session.driver = made
    return made


def perform(control: CallControl, action: CallAction) -> "asyncio.Future[ActionResult]":
    done: asyncio.Future[ActionResult] = asyncio.get_running_loop().create_future()
    control.perform(action, done.set_result)
    return done


class Lossy:
    """Sends a share of the packets into nowhere."""

    def __init__(self, made: FarCall, share: float) -> None:
        self._send: Any = made.media._send
        self.share = share
        self._random = np.random.default_rng(11)
        self.lost = 0
        object.__setattr__(made.media, "_send", self.sendto)

    def sendto(self, datagram: bytes, target: object) -> None:
        if self._random.random() < self.share:
            self.lost += 1
        else:
            self._send(datagram, target)


class SilenceWatch:
    """Tells when a session has looked, after its timeout, at how long it has heard nothing."""

    def __init__(self, media: MediaSession, timeout_seconds: float) -> None:
        self.looked = asyncio.Event()
        look = media._every_second

        def watched() -> None:
            look()
            if media._clock() - media._incoming.heard_at > timeout_seconds:
                self.looked.set()

        object.__setattr__(media, "_every_second", watched)


@pytest.mark.parametrize("case", ["clean", "five per cent lost", "over music"])
async def test_tones_are_collected_while_a_prompt_plays(case: str, tmp_path: Path) -> None:
    prompt: list[Media] = [MediaFile("p", write_wav(tmp_path / "prompt.wav", tone(500, 20)))]
    spoken = np.concatenate([np.zeros(1_600, np.int16), pressing(KEYS)])
    if case == "over music":
        spoken = spoken + tone(330, len(spoken) / 8_000, 900) + tone(523, len(spoken) / 8_000, 700)
    keys = write_wav(tmp_path / "keys.wav", spoken)
    async with running() as (driver, handler), phone(CALLER) as caller:
        made = call(caller, driver.addresses[0].port)
        await handler.until(lambda: handler.calls)
        control = handler.calls[0]
        await asyncio.wait_for(perform(control, Answer()), 10)
        assert b"telephone-event" not in (await made.wait_for(SessionAnswered)).response.body
        loss = Lossy(made, 0.05 if case == "five per cent lost" else 0.0)
        collected = perform(control, Collect(prompt=prompt, maximum=20, terminators="#"))
        made.play_on(keys)
        result = await asyncio.wait_for(collected, 60)
        made.session.bye()
        await handler.until(lambda: any(isinstance(event, HungUp) for event in handler.events))
    assert result == Done(Digits(status=CollectStatus.SUCCESS, value=KEYS[:-1], terminator="#"))
    pressed = "".join(event.digit for event in handler.events if isinstance(event, DigitPressed))
    assert pressed.startswith(KEYS), "each told once"
    assert (loss.lost > 0) == (case == "five per cent lost")


async def test_callers_who_hold_stay_and_hear_the_rest(tmp_path: Path) -> None:
    sound: list[Media] = [MediaFile("p", write_wav(tmp_path / "long.wav", tone(700, 30)))]
    settings = SipDriverSettings(media=MediaSettings(timeout_seconds=TIMEOUT_SECONDS, rtcp_seconds=0))
    async with running(settings) as (driver, handler), phone(CALLER) as caller:

        async def hold(held: MediaDirection) -> None:
            """The offer says what the caller does. Whatever it says, nothing comes: music neither."""
            made = call(caller, driver.addresses[0].port)
            await handler.until(lambda: any(control.offer.id == made.id for control in handler.calls))
            control = next(control for control in handler.calls if control.offer.id == made.id)
            await asyncio.wait_for(perform(control, Answer()), 10)
            playing = perform(control, Play(media=sound))
            silence = Lossy(made, 1.0)
            assert isinstance(control, SipCall)
            watch = SilenceWatch(control.media, TIMEOUT_SECONDS)
            made.session.reinvite(structs.replace(made.local, direction=held))
            await made.until(lambda: made.session.media.direction is held, "the hold")
            await asyncio.wait_for(watch.looked.wait(), 10)
            assert not control.ended
            silence.share = 0.0
            made.session.reinvite(made.local)
            await made.until(lambda: made.session.media.direction is MediaDirection.SENDRECV, "the end of it")
            made.listen(tmp_path / f"{held}.wav")
            received = made.media.statistics().packets_received
            async with asyncio.timeout(10):
                while made.media.statistics().packets_received < received + 25:  # noqa: ASYNC110 - no event shows it
                    await asyncio.sleep(0.01)
            heard = await made.heard()
            assert np.abs(heard[-800:]).max() > 5_000, "the sound, where it has got to"
            assert not playing.done()
            made.session.bye()

        await asyncio.gather(
            *(hold(held) for held in (MediaDirection.SENDONLY, MediaDirection.RECVONLY, MediaDirection.INACTIVE))
        )
        await handler.until(lambda: sum(isinstance(event, HungUp) for event in handler.events) == 3)
    assert {event.by for event in handler.events if isinstance(event, HungUp)} == {HangupBy.CALLER}
