"""Digits in INFO bodies, by whichever of the usual types and in whichever of the usual spellings they come.

``application/dtmf-relay`` has ``Signal=5`` and ``Duration=160`` on lines of their own, ``application/dtmf`` a bare
``5``, Nortel's ``application/vnd.nortelnetworks.digits`` has ``d=5``; gateways mix the first two, and some put either
under ``audio/telephone-event``. So the type says that there is a digit and the content how it is spelt.
"""

import re
from typing import Final

import msgspec

from sipio.errors import MalformedMessage
from sipio.sip.bodies import find_part
from sipio.sip.message import Request

HOOK_FLASH: Final = "application/hook-flash"
DIGIT_TYPES: Final = (
    "application/dtmf-relay",
    "application/dtmf",
    "audio/telephone-event",
    "application/vnd.nortelnetworks.digits",
    HOOK_FLASH,
)
"""Content types of an INFO that are understood."""
DIGITS: Final = 32
"""The most digits in one INFO; all but Nortel's have one."""

_SIGNAL: Final = re.compile(r"^\s*(?:signal|d)\s*[=:]\s*(\S+?)\s*;?\s*$", re.IGNORECASE | re.MULTILINE)
_DURATION: Final = re.compile(r"^\s*duration\s*[=:]\s*(\d{1,6})\s*;?\s*$", re.IGNORECASE | re.MULTILINE)
_NORTEL: Final = re.compile(r"(?:^|[,;\s])d\s*=\s*([0-9*#A-Da-d]+)\s*(?:[,;\s]|$)")
_BYTES: Final = 256
"""Of a body that much is looked at; one digit and its duration take 40."""
_SPELLINGS: Final = {name: name for name in "0123456789*#ABCD"} | {
    # RFC 4733 event numbers, as Cisco gateways send them.
    "10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D", "16": "F",
    "STAR": "*", "POUND": "#", "HASH": "#", "HF": "F", "FLASH": "F", "!": "F", "F": "F",
}  # fmt: skip


class PressedDigits(msgspec.Struct, frozen=True):
    """What one INFO says was pressed."""

    digits: str
    """Each one of ``0123456789*#ABCD`` or ``F`` (hook flash)."""
    duration_ms: int
    """0 where it was not said."""


def pressed_digits(request: Request) -> PressedDigits | None:
    """The digits of an INFO; None where it has no body, or none but what may be passed over.

    Raises:
        MalformedMessage: a body of one of `DIGIT_TYPES` without a digit that is known.
        UnsupportedBody: a body of another type.
    """
    if (request.get("content-type") or "").strip().lower() == HOOK_FLASH:
        # Its type says all; some send it without a body.
        return PressedDigits("F", 0)
    part = find_part(request, DIGIT_TYPES)
    if part is None:
        return None
    text = part.content[:_BYTES].decode("latin-1")
    duration = _DURATION.search(text)
    milliseconds = int(duration[1]) if duration else 0
    if part.kind == "application/vnd.nortelnetworks.digits":
        several = _NORTEL.search(text)
        if several is not None and len(several[1]) <= DIGITS:
            return PressedDigits(several[1].upper(), milliseconds)
    signal = _SIGNAL.search(text)
    name = (signal[1] if signal else text.strip()).strip('"').upper()
    digit = _SPELLINGS.get(name)
    if digit is None:
        raise MalformedMessage(f"no digit in {part.kind}")
    return PressedDigits(digit, milliseconds)
