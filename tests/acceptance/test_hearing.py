"""The ears that tests have."""

import struct

import numpy as np

from sipio.media.engine import MediaEngine
from sipio.media.g711 import Law, Samples, encode
from sipio.media.settings import MediaSettings
from tests.acceptance.hearing import Ear, loud_seconds, tones_of
from tests.sipio.media.media_doubles import tone

SILENCE = np.zeros(1_600, np.int16)


def test_tones_are_told_in_order_and_each_once() -> None:
    heard = np.concatenate(
        [SILENCE, tone(700, 0.3), SILENCE, tone(700, 0.3), tone(1_300, 0.3), tone(700, 0.3), SILENCE]
    )
    assert tones_of(heard) == [700, 1_300, 700]
    assert loud_seconds(heard) == 1.2


def test_silence_has_no_tone() -> None:
    assert tones_of(SILENCE) == []
    assert loud_seconds(SILENCE) == 0


async def test_an_ear_hears_either_law_at_once() -> None:
    engine = MediaEngine(MediaSettings(port_first=45_000, port_last=45_999))
    try:
        session = engine.open("127.0.0.1")
        told: list[list[int]] = []
        ear = Ear(session, lambda: told.append(ear.tones))

        def say(samples: Samples, payload_type: int, law: Law) -> None:
            payload = encode(samples, law)
            for at in range(0, len(payload), 160):
                header = struct.pack("!BBHII", 0x80, payload_type, at // 160, at, 7)
                session.receive(header + payload[at : at + 160], ("127.0.0.1", 40_000))

        say(tone(700, 0.1), 0, Law.PCMU)
        say(SILENCE, 0, Law.PCMU)
        say(tone(1_300, 0.1), 8, Law.PCMA)
        say(tone(500, 0.1), 101, Law.PCMU)  # no audio
        assert told == [[700], [700], [700, 1_300], [700, 1_300]]
        assert ear.pieces == [700, 700, 1_300, 1_300]
        session.receive(b"no RTP", ("127.0.0.1", 40_000))
        assert ear.pieces == [700, 700, 1_300, 1_300]
    finally:
        await engine.close()
