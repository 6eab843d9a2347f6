"""Bit-exact to the ITU's values: against audioop where Python still has it, and against values stored from it."""

import hashlib
import sys
import warnings

import numpy as np
import pytest

from sipio.media.g711 import TO_PCMA, TO_PCMU, Law, decode, encode, translation

EVERY_SAMPLE = np.arange(-32_768, 32_768, dtype=np.int16)
EVERY_CODE = bytes(range(256))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_every_sample_and_code_is_as_stored() -> None:
    # Of audioop.lin2ulaw, lin2alaw, ulaw2lin and alaw2lin of Python 3.11, little-endian.
    assert digest(encode(EVERY_SAMPLE, Law.PCMU)) == "81d633c9e6972a18c74a58720b96cb8ca0bdd096d4060b646dd708c3b846019a"
    assert digest(encode(EVERY_SAMPLE, Law.PCMA)) == "38488f6fd710f4686360edc4d38639f96c491595ef93f8eb8d62d5e07ca6ce7b"
    values = [decode(EVERY_CODE, law).astype("<i2").tobytes() for law in (Law.PCMU, Law.PCMA)]
    assert digest(values[0]) == "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827"
    assert digest(values[1]) == "e04788d110e58ff8c70c93b8480190d973e3b67876b6119abbaec766cc75c174"


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop is gone")
def test_every_sample_and_code_is_as_audioop_has_it() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop  # noqa: PLC0415 - only where it exists
    linear = EVERY_SAMPLE.tobytes()
    assert encode(EVERY_SAMPLE, Law.PCMU) == audioop.lin2ulaw(linear, 2)
    assert encode(EVERY_SAMPLE, Law.PCMA) == audioop.lin2alaw(linear, 2)
    assert decode(EVERY_CODE, Law.PCMU).tobytes() == audioop.ulaw2lin(EVERY_CODE, 2)
    assert decode(EVERY_CODE, Law.PCMA).tobytes() == audioop.alaw2lin(EVERY_CODE, 2)


def test_known_values() -> None:
    assert decode(bytes([0x00, 0x0F, 0x7F, 0x80, 0xFF, 0xFE]), Law.PCMU).tolist() == [-32124, -16764, 0, 32124, 0, 8]
    assert decode(bytes([0x00, 0x55, 0xD5, 0x2A, 0xAA]), Law.PCMA).tolist() == [-5504, -8, 8, -32256, 32256]


@pytest.mark.parametrize("law", list(Law))
def test_a_code_survives_its_own_value(law: Law) -> None:
    again = encode(decode(EVERY_CODE, law), law)
    # mu-law has two codes for zero.
    assert [code for code in range(256) if again[code] != code] == ([0x7F] if law is Law.PCMU else [])


def test_translation_is_decoding_and_encoding() -> None:
    assert EVERY_CODE.translate(TO_PCMA) == encode(decode(EVERY_CODE, Law.PCMU), Law.PCMA)
    assert EVERY_CODE.translate(TO_PCMU) == encode(decode(EVERY_CODE, Law.PCMA), Law.PCMU)
    assert translation(Law.PCMA, Law.PCMA) is None
    assert translation(Law.PCMU, Law.PCMA) is TO_PCMA
