"""Values made such that they can be sent: a text that came from a command line, a file name or a program above may
hold half of a surrogate pair, and UTF-8 cannot."""

from datetime import datetime
from typing import Any

import msgspec


def sound(text: str) -> str:
    """The text with each half of a surrogate pair as its escape, ``\\ud800``."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def with_sound_text(value: Any) -> Any:
    """A value of maps, lists, plain values and structs with every text of it sound, keys too; structs become maps."""
    return _sound(msgspec.to_builtins(value, builtin_types=(bytes, datetime), enc_hook=_plain))


def _plain(value: Any) -> Any:
    """What is no plain value as one: MessagePack as what it holds, and all else as its text."""
    return msgspec.msgpack.decode(value) if type(value) is msgspec.Raw else str(value)


def _sound(value: Any) -> Any:
    if isinstance(value, str):
        return sound(value)
    if isinstance(value, dict):
        return {_sound(key): _sound(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_sound(item) for item in value]
    return value
