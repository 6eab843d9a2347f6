"""WAV files by their bytes, in any pieces; and WAV files written until the disk is full."""

import struct
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.media.errors import DiskFull, NotAudio, RecordingFailed, SoundTooLong
from sipio.media.g711 import Law, decode, encode
from sipio.media.sound_decoder import SoundDecoder
from sipio.media.wav_decoder import WavDecoder
from sipio.media.wav_writer import WavWriter
from tests.acceptance.processes import require_program
from tests.sipio.media.media_doubles import loudest_frequency, signal_to_rest, tone

GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def fmt(code: int, channels: int, rate: int, bits: int, extra: bytes = b"") -> bytes:
    block = channels * bits // 8
    body = struct.pack("<HHIIHH", code, channels, rate, rate * block, block, bits) + extra
    return b"fmt " + struct.pack("<I", len(body)) + body


def extensible(code: int, channels: int, rate: int, bits: int) -> bytes:
    extra = struct.pack("<HHIH", 22, bits, 0, code) + GUID_TAIL
    return fmt(0xFFFE, channels, rate, bits, extra)


def wav(header: bytes, audio: bytes, length: int | None = None) -> bytes:
    body = b"WAVE" + header + b"data" + struct.pack("<I", len(audio) if length is None else length) + audio
    return b"RIFF" + struct.pack("<I", len(body) & 0xFFFFFFFF) + body


def read(data: bytes, size: int = 1 << 20) -> list[float]:
    decoder = WavDecoder()
    found: list[float] = []
    for start in range(0, len(data), size):
        found += decoder.feed(data[start : start + size]).tolist()
    decoder.finish()
    return found


VALUES = [0, 1_000, -1_000, 32_767, -32_768]
SIXTEEN = struct.pack("<5h", *VALUES)
CODINGS = {
    "pcm8": (fmt(1, 1, 8000, 8), bytes([128, 255, 0]), [0, 127 * 256, -32_768]),
    "pcm16": (fmt(1, 1, 8000, 16), SIXTEEN, VALUES),
    "pcm24": (
        fmt(1, 1, 8000, 24),
        b"".join((value * 256).to_bytes(3, "little", signed=True) for value in VALUES),
        VALUES,
    ),
    "pcm32": (fmt(1, 1, 8000, 32), struct.pack("<5i", *(value * 65_536 for value in VALUES)), VALUES),
    "float32": (fmt(3, 1, 8000, 32), struct.pack("<4f", 0, 1, -1, float("nan")), [0, 32_767, -32_767, 0]),
    "float64": (fmt(3, 1, 8000, 64), struct.pack("<3d", 0, 0.5, float("inf")), [0, 16_383.5, 4 * 32_767]),
    "mu-law": (fmt(7, 1, 8000, 8), bytes(range(256)), decode(bytes(range(256)), Law.PCMU).tolist()),
    "A-law": (fmt(6, 1, 8000, 8, b"\0\0"), bytes(range(256)), decode(bytes(range(256)), Law.PCMA).tolist()),
    "extensible": (extensible(1, 1, 8000, 16), SIXTEEN, VALUES),
    "extensible float": (extensible(3, 1, 8000, 32), struct.pack("<2f", 0.25, -0.25), [8_191.75, -8_191.75]),
    "stereo": (fmt(1, 2, 8000, 16), struct.pack("<4h", 100, 300, -100, -300), [200, -200]),
    "chunks before": (
        b"LIST" + struct.pack("<I", 5) + b"hello\0" + fmt(1, 1, 8000, 16) + b"fact" + struct.pack("<II", 4, 5),
        SIXTEEN,
        VALUES,
    ),
}


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("coding", CODINGS)
def test_codings(coding: str, size: int) -> None:
    header, audio, expected = CODINGS[coding]
    assert read(wav(header, audio), size) == expected


@pytest.mark.parametrize("whole", [0, 0x7FFFF024, 0xFFFFFFFF, 0x7FFFFFFF])
@pytest.mark.parametrize("length", [0, 0x7FFFF000, 0xFFFFFFFF, 0x7FFFFFFF, 4_000])
def test_lengths_of_a_stream_are_not_believed(length: int, whole: int) -> None:
    data = wav(fmt(1, 1, 8000, 16), SIXTEEN, length)
    assert read(data[:4] + struct.pack("<I", whole) + data[8:]) == VALUES


@pytest.mark.parametrize("length", [0x7FFFF000, 0xFFFFFFFF, 0x7FFFFFFF, 4_000])
def test_a_length_of_audio_that_is_not_so_is_not_believed(length: int) -> None:
    assert read(wav(fmt(1, 1, 8000, 16), SIXTEEN, length)) == VALUES
    if length != 4_000:
        assert read(wav(fmt(1, 1, 8000, 16), SIXTEEN, length) + BEHIND) == VALUES


BEHIND = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf58.29.100\0"


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_an_empty_sound_is_empty_whatever_is_behind_it(size: int) -> None:
    body = b"WAVE" + fmt(1, 1, 8000, 16) + b"data" + bytes(4) + BEHIND
    assert read(b"RIFF" + struct.pack("<I", len(body)) + body, size) == []
    assert read(wav(fmt(1, 1, 8000, 16), b""), size) == []
    decoder = SoundDecoder(Law.PCMU, 10)
    assert decoder.feed(wav(fmt(1, 1, 44_100, 16), b"") + BEHIND) + decoder.finish() == b""


@pytest.mark.parametrize("kind", [b"RF64", b"BW64"])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_lengths_of_64_bits(kind: bytes, size: int) -> None:
    def long(whole: int, audio: int, content: bytes) -> bytes:
        sizes = b"ds64" + struct.pack("<IQQQI", 28, whole, audio, audio // 2, 0)
        data = b"data\xff\xff\xff\xff" + content
        return kind + b"\xff\xff\xff\xffWAVE" + sizes + fmt(1, 1, 8000, 16) + data

    whole = 4 + 36 + 24 + 8 + len(SIXTEEN)
    assert read(long(whole + len(BEHIND), len(SIXTEEN), SIXTEEN + BEHIND), size) == VALUES
    assert read(long(whole, 0, SIXTEEN) + BEHIND, size) == VALUES, "by the file's length"
    assert read(long(0, 0, SIXTEEN), size) == VALUES, "a stream's"
    assert read(long(0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF, SIXTEEN), size) == VALUES, "a stream's"
    assert read(kind + b"\xff\xff\xff\xffWAVE" + wav(fmt(1, 1, 8000, 16), SIXTEEN)[12:], size) == VALUES


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("padding", [b"", b"\0", b"\7"])
def test_chunks_of_odd_length_with_and_without_their_padding(padding: bytes, size: int) -> None:
    odd = b"LIST\5\0\0\0hello" + padding
    assert read(wav(odd + fmt(1, 1, 8000, 16) + odd, SIXTEEN), size) == VALUES


def test_audio_before_its_format_is_told() -> None:
    body = b"WAVEdata" + struct.pack("<I", len(SIXTEEN)) + SIXTEEN + fmt(1, 1, 8000, 16)
    with pytest.raises(NotAudio, match="without a format"):
        read(b"RIFF" + struct.pack("<I", len(body)) + body)


@pytest.mark.parametrize("cut", range(1, len(SIXTEEN) + 1))
def test_a_truncated_file_is_heard_as_far_as_it_goes(cut: int) -> None:
    assert read(wav(fmt(1, 1, 8000, 16), SIXTEEN)[:-cut]) == VALUES[: (len(SIXTEEN) - cut) // 2]


def test_what_follows_the_audio_is_not_heard_and_half_a_sample_is_dropped() -> None:
    assert read(wav(fmt(1, 1, 8000, 16), SIXTEEN) + b"LIST\4\0\0\0junk", 3) == VALUES
    assert read(wav(fmt(1, 1, 8000, 16), SIXTEEN + b"\1", 11)) == VALUES


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"ID3\3mp3 and more of it",
        b"<html>not found</html>",
        wav(fmt(0x55, 1, 8000, 16), SIXTEEN),
        wav(fmt(1, 0, 8000, 16), SIXTEEN),
        wav(fmt(1, 99, 8000, 16), SIXTEEN),
        wav(fmt(1, 1, 0, 16), SIXTEEN),
        wav(fmt(1, 1, 8000, 12), SIXTEEN),
        wav(b"", SIXTEEN),
        wav(b"fmt \4\0\0\0abcd", SIXTEEN),
        wav(b"fmt \xff\xff\xff\x7fabcd", SIXTEEN),
        wav(fmt(0xFFFE, 1, 8000, 16), SIXTEEN),
        wav(b"LIST\xff\xff\xff\x7f" + bytes(2_000_000), SIXTEEN),
        wav(fmt(1, 1, 8000, 16), b"")[:-4],
    ],
)
def test_what_is_no_audio_says_so(data: bytes) -> None:
    with pytest.raises(NotAudio):
        read(data)


@given(st.binary(max_size=120), st.integers(1, 50))
def test_any_bytes_are_audio_or_not(data: bytes, size: int) -> None:
    for candidate in (data, wav(fmt(1, 2, 44_100, 24), b"")[:36] + data, b"RIFF\0\0\0\0WAVE" + data):
        try:
            values = read(candidate, size)
        except NotAudio:
            continue
        assert np.isfinite(values).all()


@given(st.binary(min_size=16, max_size=40), st.binary(max_size=64))
def test_any_format_is_read_or_refused(form: bytes, audio: bytes) -> None:
    header = b"fmt " + struct.pack("<I", len(form)) + form + b"\0" * (len(form) & 1)
    try:
        values = read(wav(header, audio))
    except NotAudio:
        return
    assert np.isfinite(values).all()


@pytest.mark.parametrize("rate", [6_000, 8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("size", [500, 65_536])
def test_any_rate_becomes_8_khz(rate: int, size: int) -> None:
    data = wav(fmt(1, 1, rate, 16), tone(1_000, 1.0, rate=rate).tobytes())
    decoder = SoundDecoder(Law.PCMU, 10)
    audio = b"".join(decoder.feed(data[start : start + size]) for start in range(0, len(data), size))
    audio += decoder.finish()
    samples = decode(audio, Law.PCMU)
    assert len(samples) == pytest.approx(8_000, abs=2)
    assert loudest_frequency(samples) == pytest.approx(1_000, abs=2)
    assert signal_to_rest(samples, 1_000) > 33
    assert np.abs(samples).max() == pytest.approx(8_000, rel=0.05)


def test_frequencies_past_4_khz_do_not_fold_back() -> None:
    decoder = SoundDecoder(Law.PCMU, 10)
    data = wav(fmt(1, 1, 16_000, 16), tone(5_000, 1.0, rate=16_000).tobytes())
    samples = decode(decoder.feed(data) + decoder.finish(), Law.PCMU)
    assert np.abs(samples[400:-400]).max() < 50


def test_too_long_a_sound_is_refused() -> None:
    decoder = SoundDecoder(Law.PCMU, 1)
    with pytest.raises(SoundTooLong):
        decoder.feed(wav(fmt(1, 1, 8000, 16), bytes(16_002)))


@pytest.mark.parametrize(
    "options",
    ["-b 16", "-b 24 -r 44100 -c 2", "-b 32", "-e floating-point -b 32 -r 48000", "-e mu-law", "-e a-law -c 2"],
)
def test_files_of_sox(options: str, tmp_path: Path) -> None:
    require_program("sox")
    path = tmp_path / "sox.wav"
    command = ["sox", "-n", "-r", "16000", *options.split(), str(path), "synth", "1", "sine", "700", "vol", "0.3"]
    subprocess.run(command, check=True, capture_output=True)
    decoder = SoundDecoder(Law.PCMA, 10)
    samples = decode(decoder.feed(path.read_bytes()) + decoder.finish(), Law.PCMA)
    assert loudest_frequency(samples) == pytest.approx(700, abs=2)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_is_whole_after_every_write(channels: int, tmp_path: Path) -> None:
    path = tmp_path / "new" / "made.wav"
    written = b""
    with WavWriter(path, channels) as writer:
        for number in range(3):
            piece = bytes([number]) * 320 * channels
            writer.write(piece)
            written += piece
            # As it would be found if we died now.
            with wave.open(str(path)) as reader:
                assert (reader.getnchannels(), reader.getframerate(), reader.getsampwidth()) == (channels, 8_000, 2)
                assert reader.readframes(1_000_000) == written
        assert writer.seconds == 0.06
    writer.close()


def test_a_full_disk_is_said_and_where_there_is_no_directory(tmp_path: Path) -> None:
    with pytest.raises(DiskFull):
        WavWriter(Path("/dev/full"), 1)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RecordingFailed, match="cannot be written"):
        WavWriter(tmp_path / "file" / "x.wav", 1)
    with pytest.raises(RecordingFailed):
        WavWriter(tmp_path, 1)


def test_a_disk_that_fills_up_keeps_what_it_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "filled.wav"
    writer = WavWriter(path, 1)
    writer.write(bytes(3_200))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal = pytest.importorskip("signal")
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        # A limit on file sizes fails a write as a full disk does: part of it first, then an error.
        resource.setrlimit(resource.RLIMIT_FSIZE, (44 + 3_200 + 1_001, hard))
        with pytest.raises(DiskFull):
            writer.write(bytes([1]) * 3_200)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    writer.close()
    with wave.open(str(path)) as reader:
        assert reader.getnframes() == 1_600 + 500
    assert writer.seconds == 2_100 / 8_000


def test_what_is_written_is_read(tmp_path: Path) -> None:
    samples = tone(440, 0.5)
    with WavWriter(tmp_path / "tone.wav", 1) as writer:
        writer.write(samples.tobytes())
    decoder = SoundDecoder(Law.PCMU, 10)
    assert decoder.feed((tmp_path / "tone.wav").read_bytes()) == encode(samples, Law.PCMU)
