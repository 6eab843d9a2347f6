"""Digits in INFO bodies: application/dtmf-relay (``Signal=5``, ``Duration=160``) and application/dtmf (``5``)."""

import re
from typing import Final

from sipio.sip.message import Request

_SIGNAL: Final = re.compile(r"^\s*signal\s*=\s*(\S+)\s*$", re.IGNORECASE | re.MULTILINE)
_DURATION: Final = re.compile(r"^\s*duration\s*=\s*(\d{1,6})\s*$", re.IGNORECASE | re.MULTILINE)
_DIGITS: Final = {name: name for name in "0123456789*#ABCD"} | {
    # RFC 4733 event numbers, as Cisco gateways send them.
    "10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D", "16": "F",
    "STAR": "*", "POUND": "#", "HF": "F", "FLASH": "F", "!": "F", "F": "F",
}  # fmt: skip


def parse_digit(request: Request) -> tuple[str, int] | None:
    """The digit and its duration in milliseconds (0 where it is not said); None where the body is something else."""
    kind = (request.get("content-type") or "").partition(";")[0].strip().lower()
    text = request.body[:256].decode("latin-1")
    if kind == "application/dtmf-relay":
        signal = _SIGNAL.search(text)
        duration = _DURATION.search(text)
        name = signal[1] if signal else ""
        milliseconds = int(duration[1]) if duration else 0
    elif kind == "application/dtmf":
        name, milliseconds = text.strip(), 0
    else:
        return None
    digit = _DIGITS.get(name.upper())
    return None if digit is None else (digit, milliseconds)
