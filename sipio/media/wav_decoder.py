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
_STREAM: Final = 0x7FFFF000
"""Lengths from here on, and 0, are those of a stream: espeak-ng --stdout writes 0x7ffff000 for the audio, sox to a pipe
the like, ffmpeg 0xffffffff, some writers 0. A sound of 2 GB would be too long anyway."""
_UNKNOWN_LENGTHS: Final = frozenset({0, 0xFFFFFFFFFFFFFFFF})
"""The same in the 64 bits of RF64."""
_KINDS: Final = frozenset({b"RIFF", b"RF64", b"BW64"})
"""What a WAV begins with; the last two have lengths of 64 bits in a chunk (EBU Tech 3306, ITU-R BS.2088)."""
_SIZES: Final = struct.Struct("<QQ")
"""Of such a chunk: the length of the whole but 8 bytes, and of the audio."""
_AFTER_ODD: Final = frozenset(
    {b"data", b"fmt ", b"fact", b"LIST", b"bext", b"cue ", b"smpl", b"id3 ", b"JUNK", b"ds64"}
)
"""Chunks that are known again where a writer left out the byte of padding before them."""
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
    stream's header claims 0 or the largest number there is, for the whole file as for its audio. Audio of length 0 in a
    file of a sound length is an empty sound."""

    __slots__ = (
        "_audio_left",
        "_held",
        "_in_audio",
        "_long_audio",
        "_odd",
        "_passed",
        "_skip",
        "_started",
        "_whole",
        "format",
    )

    def __init__(self) -> None:
        self.format: WavFormat | None = None
        """None until the header has told it."""
        self._held = b""
        self._started = False
        self._in_audio = False
        self._audio_left: int | None = None
        """Bytes of audio still to come; None where the header has no believable length."""
        self._whole: int | None = None
        """Bytes of the file as its header has it; None for a stream's."""
        self._long_audio: int | None = None
        """Bytes of audio where that is told in 64 bits."""
        self._skip = 0
        self._odd = False
        """Whether the chunk before this place has an odd length: a byte of padding follows, mostly."""
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
                if not any(kind.startswith(data[:4]) for kind in _KINDS):
                    raise NotAudio("not a WAV file")
                return data
            if data[:4] not in _KINDS or data[8:12] != b"WAVE":
                raise NotAudio("not a WAV file")
            self._started = True
            whole = int.from_bytes(data[4:8], "little")
            self._whole = whole + 8 if 0 < whole < _STREAM else None
            data = data[12:]
            self._passed = 12
        while True:
            dropped = min(self._skip, len(data))
            data = data[dropped:]
            self._skip -= dropped
            self._passed += dropped
            if self._passed > _LONGEST_HEADER:
                raise NotAudio("no audio in its first megabyte")
            if self._skip or len(data) < 8:
                return data
            if self._odd:
                # Chunks begin at even offsets, but those of some writers.
                self._odd = False
                self._skip = 0 if data[:4] in _AFTER_ODD else 1
                continue
            kind, length = data[:4], int.from_bytes(data[4:8], "little")
            if kind == b"data":
                return self._enter_audio(data[8:], length)
            if kind == b"fmt ":
                if length > _LONGEST_FORMAT:
                    raise NotAudio("a broken WAV header")
                if len(data) < 8 + length:
                    return data
                self.format = _parse_format(data[8 : 8 + length])
            elif kind == b"ds64" and length >= _SIZES.size:
                if len(data) < 8 + _SIZES.size:
                    return data
                whole, audio = _SIZES.unpack_from(data, 8)
                self._whole = whole + 8 if whole not in _UNKNOWN_LENGTHS else None
                self._long_audio = audio
            self._skip = 8 + length
            self._odd = bool(length & 1)

    def _enter_audio(self, data: bytes, length: int) -> bytes:
        if self.format is None:
            raise NotAudio("a WAV without a format")
        self._in_audio = True
        self._audio_left = self._believed(length)
        return data

    def _believed(self, length: int) -> int | None:
        """Bytes of audio by what the header claims; None for all that come."""
        if length == 0xFFFFFFFF and self._long_audio is not None and self._long_audio not in _UNKNOWN_LENGTHS:
            return self._long_audio
        if 0 < length < _STREAM:
            return length
        if self._whole is None:
            return None
        # What is behind the audio is not heard where the file's own length is known.
        return 0 if length == 0 else max(self._whole - self._passed - 8, 0)


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
