"""WAV files as they come in, piece by piece: any rate, one or two channels and more, mixed to one."""

import struct
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from sipio.media.errors import NotAudio
from sipio.media.g711 import Law, decode

_PCM: Final = 1
_FLOAT: Final = 3
_A_LAW: Final = 6
_MU_LAW: Final = 7
_EXTENSIBLE: Final = 0xFFFE
_FORMAT: Final = struct.Struct("<HHIIHH")
_GUID_TAIL: Final = bytes.fromhex("000000001000800000aa00389b71")
"""Behind the format code in the subformat of WAVE_FORMAT_EXTENSIBLE."""
_LONGEST_HEADER: Final = 1_048_576
"""Chunks before the audio (pictures, cue lists) that are read through in search of it."""
_LONGEST_FORMAT: Final = 4_096
_CHANNELS: Final = 32
_RATES: Final = range(1_000, 768_001)

Linear = NDArray[np.float32]
"""Samples of one channel, at the scale of 16 bits."""


class WavFormat(msgspec.Struct, frozen=True, kw_only=True):
    """What the ``fmt`` chunk says."""

    code: int
    """How samples are coded: 1 PCM, 3 float, 6 A-law, 7 mu-law."""
    channels: int
    rate: int
    bits: int

    @property
    def frame_bytes(self) -> int:
        """How long one sample of every channel is."""
        return self.channels * self.bits // 8


class WavDecoder:
    """Fed with bytes, gives samples. Lengths that the header claims are believed only as far as bytes come: a
    stream's header claims 0 or the largest number there is."""

    __slots__ = ("_audio_left", "_held", "_in_audio", "_passed", "_skip", "_started", "format")

    def __init__(self) -> None:
        self.format: WavFormat | None = None
        """None until the header has told it."""
        self._held = b""
        self._started = False
        self._in_audio = False
        self._audio_left: int | None = None
        """Bytes of audio still to come; None where the header has no believable length."""
        self._skip = 0
        self._passed = 0

    def feed(self, piece: bytes) -> Linear:
        """The samples of these bytes, mixed to one channel.

        Raises NotAudio for what is no WAV, or one of a coding that we do not read.
        """
        data = self._held + piece
        if not self._in_audio:
            data = self._read_header(data)
        if not self._in_audio:
            self._held = data
            return np.empty(0, np.float32)
        assert self.format is not None  # noqa: S101 - the data chunk is not entered without
        if self._audio_left is not None:
            data = data[: self._audio_left]
        whole = len(data) - len(data) % self.format.frame_bytes
        self._held = data[whole:]
        if self._audio_left is not None:
            self._audio_left -= whole
        return _samples(data[:whole], self.format)

    def finish(self) -> None:
        """The input has ended. Raises NotAudio where that was before any audio began."""
        if not self._in_audio:
            raise NotAudio("it ends before its audio begins" if self._started else "not a WAV file")

    def _read_header(self, data: bytes) -> bytes:
        if not self._started:
            if len(data) < 12:
                if not b"RIFF".startswith(data[:4]):
                    raise NotAudio("not a WAV file")
                return data
            if data[:4] not in {b"RIFF", b"RF64"} or data[8:12] != b"WAVE":
                raise NotAudio("not a WAV file")
            self._started = True
            data = data[12:]
        while True:
            dropped = min(self._skip, len(data))
            data = data[dropped:]
            self._skip -= dropped
            self._passed += dropped
            if self._passed > _LONGEST_HEADER:
                raise NotAudio("no audio in its first megabyte")
            if self._skip or len(data) < 8:
                return data
            kind, length = data[:4], int.from_bytes(data[4:8], "little")
            if kind == b"data":
                return self._enter_audio(data[8:], length)
            if kind == b"fmt ":
                if length > _LONGEST_FORMAT:
                    raise NotAudio("a broken WAV header")
                if len(data) < 8 + length:
                    return data
                self.format = _parse_format(data[8 : 8 + length])
            # Chunks begin at even offsets.
            self._skip = 8 + length + (length & 1)

    def _enter_audio(self, data: bytes, length: int) -> bytes:
        if self.format is None:
            raise NotAudio("a WAV without a format")
        self._in_audio = True
        # espeak-ng --stdout writes 0x7ffff000, ffmpeg and sox to a pipe 0xffffffff or 0x7ffff..., some writers 0.
        self._audio_left = length if 0 < length < 0x7FFFF000 else None
        return data


def _parse_format(chunk: bytes) -> WavFormat:
    if len(chunk) < 16:
        raise NotAudio("a broken WAV header")
    code, channels, rate, _, _, bits = _FORMAT.unpack_from(chunk)
    if code == _EXTENSIBLE:
        if len(chunk) < 40 or chunk[26:40] != _GUID_TAIL:
            raise NotAudio("a WAV of an unknown subformat")
        code = int.from_bytes(chunk[24:26], "little")
    known = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64), _A_LAW: (8,), _MU_LAW: (8,)}.get(code)
    if known is None:
        raise NotAudio(f"a WAV of coding {code}: only PCM, float, A-law and mu-law are read")
    if bits not in known:
        raise NotAudio(f"a WAV of {bits} bits a sample")
    if not 1 <= channels <= _CHANNELS:
        raise NotAudio(f"a WAV of {channels} channels")
    if rate not in _RATES:
        raise NotAudio(f"a WAV of {rate} samples a second")
    return WavFormat(code=code, channels=channels, rate=rate, bits=bits)


def _samples(data: bytes, form: WavFormat) -> Linear:
    values: Linear
    match form.code, form.bits:
        case 1, 8:
            values = (np.frombuffer(data, np.uint8).astype(np.float32) - 128.0) * np.float32(256.0)
        case 1, 16:
            values = np.frombuffer(data, "<i2").astype(np.float32)
        case 1, 24:
            # The upper 16 of the 24 bits, and the lower 8 as a fraction.
            parts = np.frombuffer(data, np.uint8).reshape(-1, 3)
            upper = np.ascontiguousarray(parts[:, 1:]).view("<i2").ravel().astype(np.float32)
            values = upper + parts[:, 0] * np.float32(1 / 256)
        case 1, 32:
            values = (np.frombuffer(data, "<i4") * (1 / 65_536)).astype(np.float32)
        case 3, bits:
            raw = np.frombuffer(data, "<f4" if bits == 32 else "<f8")
            # A signalling or infinite value would spread through the resampler.
            clean = np.nan_to_num(np.clip(raw, -4.0, 4.0), nan=0.0)
            values = (clean * 32_767.0).astype(np.float32)
        case 6, _:
            values = decode(data, Law.PCMA).astype(np.float32)
        case _:
            values = decode(data, Law.PCMU).astype(np.float32)
    if form.channels > 1:
        values = values.reshape(-1, form.channels).mean(axis=1, dtype=np.float32)
    return values
