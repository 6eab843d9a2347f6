"""What real phones and gateways do with RTP and RTCP, through the running daemon: keys, silence, empty sounds."""

import socket
import struct
import time
from collections.abc import Iterator

import pytest

from sipio.media.dtmf import EventPayload, build_event, send_event
from sipio.media.rtcp import ReceiverReport, build_rtcp
from sipio.media.rtp import RtpPacket
from tests.acceptance.raw_sip import RawCaller, raw_caller
from tests.acceptance.voice_daemon import VoiceDaemon
from tests.sipio.media.media_doubles import build_rtp

SCRIPTS = {
    "keys": "await ctx.answer(); const keys = await ctx.ivr(null, 3, 1, 20, '#'); await ctx.log(keys.value);",
    "echo": "await ctx.answer(); await ctx.echo();",
    "empty": "await ctx.answer(); await ctx.play('ivr/empty.wav');",
}
TICK = 0.02
SILENT_FOR_SECONDS = 4.0


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceDaemon]:
    made = VoiceDaemon(tmp_path_factory.mktemp("voice"), SCRIPTS, sip="media_timeout_seconds = 2.0")
    (made.sounds / "ivr").mkdir(parents=True, exist_ok=True)
    (made.sounds / "ivr" / "empty.wav").write_bytes(empty_wav())
    yield made.ready()
    made.stop()


@pytest.fixture
def caller(daemon: VoiceDaemon, request: pytest.FixtureRequest) -> Iterator[RawCaller]:
    with raw_caller((daemon.host, daemon.port), request.param) as made:
        yield made


def calls(destination: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("caller", [destination], indirect=True)


def empty_wav() -> bytes:
    """As an empty greeting is written: no audio, and a LIST chunk behind it."""
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8_000, 16_000, 2, 16)
    body = b"WAVE" + form + b"data" + bytes(4) + b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14)
    body += b"Lavf58.29.100\0"
    return b"RIFF" + struct.pack("<I", len(body)) + body


def pressed(code: int, timestamp: int, sequence: int) -> list[bytes]:
    """The packets of a key, under the source of the audio."""
    digit = "0123456789*#"[code]
    return [
        build_rtp(RtpPacket(101, packet.marker, sequence + number, timestamp & 0xFFFFFFFF, 7, packet.payload))
        for number, packet in enumerate(send_event(digit, 100))
    ]


def heard(daemon: VoiceDaemon, caller: RawCaller, packets: list[bytes]) -> str:
    audio = caller.audio_of(caller.up())
    for packet in packets:
        caller.rtp.sendto(packet, audio)
        time.sleep(TICK)  # the pace of RTP
    caller.answer(caller.request("BYE"))
    log: list[str] = daemon.record(caller.call_id)["log"]
    return log[0]


@calls("keys")
def test_keys_under_a_source_of_their_own_beside_the_audio(daemon: VoiceDaemon, caller: RawCaller) -> None:
    packets: list[bytes] = []
    for press, code in enumerate((1, 2, 11)):
        for number in range(4):
            count = 4 * press + number
            packets.append(build_rtp(RtpPacket(0, False, count, 160 * count, 7, b"\xff" * 160)))
            event = build_event(EventPayload(code, number == 3, 10, 160 * (number + 1)))
            packets.append(build_rtp(RtpPacket(101, number == 0, 500 + count, 8_000 + 1_440 * press, 9, event)))
    assert heard(daemon, caller, packets) == "12"


@calls("keys")
def test_keys_after_timestamps_have_begun_anew(daemon: VoiceDaemon, caller: RawCaller) -> None:
    packets = [*pressed(1, 0x70000000, 100), *pressed(2, 0x70000000 + 2_000, 107)]
    packets += [
        build_rtp(RtpPacket(0, number == 0, 40_000 + number, 3_000 + 160 * number, 7, b"\xff" * 160))
        for number in range(6)
    ]
    packets += [*pressed(3, 3_960, 40_006), *pressed(4, 5_960, 40_013), *pressed(11, 7_960, 40_020)]
    assert heard(daemon, caller, packets) == "1234"


@calls("keys")
def test_keys_whose_timestamps_rise_within_one_press(daemon: VoiceDaemon, caller: RawCaller) -> None:
    packets = []
    for press, code in enumerate((5, 5, 6, 11)):
        for number in range(8):
            event = build_event(EventPayload(code, number >= 5, 10, 160 * (number + 1)))
            timestamp = 1_000 + 4_000 * press + 160 * number
            packets.append(build_rtp(RtpPacket(101, number == 0, 8 * press + number, timestamp, 7, event)))
    assert heard(daemon, caller, packets) == "556"


@pytest.mark.parametrize("sign", ["reports", "comfort noise of old", "SIP"])
@calls("echo")
def test_a_caller_that_is_silent_and_shows_that_it_lives_is_not_hung_up(
    daemon: VoiceDaemon, caller: RawCaller, sign: str
) -> None:
    host, port = caller.audio_of(caller.up())
    report = build_rtcp([ReceiverReport(ssrc=7)])
    noise = build_rtp(RtpPacket(19, False, 1, 1, 7, b"\x40"))
    caller.socket.settimeout(0.5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtcp:
        rtcp.bind((caller.host, 0))
        until = time.monotonic() + SILENT_FOR_SECONDS
        sequence = 2
        while time.monotonic() < until:
            if sign == "reports":
                rtcp.sendto(report, (host, port + 1))
            elif sign == "SIP":
                sequence += 1
                caller.send(caller.message("OPTIONS", sequence=sequence))
                caller.response(200, "OPTIONS")
            else:
                caller.rtp.sendto(noise, (host, port))
            with pytest.raises(TimeoutError):
                caller.request("BYE")
    caller.socket.settimeout(60)
    # Nothing more, and it is gone.
    caller.answer(caller.request("BYE"))
    assert daemon.record(caller.call_id)["reason"] == "media timeout"


@calls("empty")
def test_an_empty_sound_is_silence_whatever_stands_behind_it(daemon: VoiceDaemon, caller: RawCaller) -> None:
    caller.up()
    caller.answer(caller.request("BYE"))
    caller.rtp.setblocking(False)
    heard = b""
    while True:
        try:
            heard += caller.rtp.recv(2_048)[12:]
        except BlockingIOError:
            break
    # Silence is 0xff, and what is loud has a small exponent.
    assert all(sample & 0x70 >= 0x40 for sample in heard)
    assert daemon.record(caller.call_id)["outcome"] == "returned"
