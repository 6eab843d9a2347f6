"""Values of this process as a script is given them: MessagePack, of what JSON has and no more."""

import math
import re
from typing import Any, Final

import msgspec

_INTEGERS: Final = range(-(2**63), 2**64)
"""Those that MessagePack has."""
_NO_NUMBER: Final = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")
"""A float of 64 bits that is NaN or infinite, or a text that happens to look like one."""


def encode(value: Any) -> bytes:
    """The MessagePack of a value as JSON would say it: bytes as text in base64, dates and keys that are numbers as
    text, structs as maps, numbers that are none as null.

    Half of a surrogate pair becomes a question mark. An integer that MessagePack has no room for becomes the text of
    its digits, as each past 2^53 is to a script. Raises TypeError, ValueError or RecursionError for what JSON cannot
    say.
    """
    plain = msgspec.to_builtins(value, str_keys=True)
    try:
        encoded = msgspec.msgpack.encode(plain)
    except (UnicodeEncodeError, OverflowError):
        return msgspec.msgpack.encode(_fitting(plain))
    return encoded if _NO_NUMBER.search(encoded) is None else msgspec.msgpack.encode(_fitting(plain))


def _fitting(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_fitting(key): _fitting(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_fitting(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and value not in _INTEGERS:
        return str(value)
    return value
