"""Params and results: from a peer's MessagePack to the type wanted, or an error naming the field."""

from collections.abc import Iterator
from typing import Any, NoReturn

import msgpack
import msgspec

from sipio.errors import MalformedMessage


def _refuse_extension(code: int, _data: memoryview) -> NoReturn:
    raise NotImplementedError(f"extension type {code} is not accepted")


class ValueDecoder:
    """Decodes MessagePack to one type.

    Bin that is UTF-8 is text, wherever it stands and whatever stands beside it: clients of some languages send every
    string as bin, keys too. Other bin fits where anything does, and JSON, and so a script, sees it as base64. Extension
    types other than timestamps are refused.
    """

    __slots__ = ("_decode", "_exact")

    def __init__(self, wanted: Any, *, exact: bool = False) -> None:
        """``exact``: nothing of ``wanted`` may be anything, and so what fits as it came has no bin that would have to
        be looked for. What is left undecoded in it stays as it came."""
        self._decode = msgspec.msgpack.Decoder(wanted, ext_hook=_refuse_extension).decode
        self._exact = exact

    def decode(self, data: "bytes | msgspec.Raw", root: str) -> Any:
        """Decode; an error names ``root`` and the path below it.

        Raises `MalformedMessage`, and nothing else whatever the bytes.
        """
        if self._exact:
            try:
                return self._decode(data)
            except (msgspec.MsgspecError, NotImplementedError, ValueError, RecursionError):
                pass  # decoded below, or told what is wrong with it
        packed = bytes(data)
        try:
            return self._decode(with_text(packed))
        except RecursionError as error:
            raise MalformedMessage(f"{root}: nested too deeply") from error
        except msgspec.ValidationError as error:
            raise MalformedMessage(_explained(str(error), root)) from error
        except (msgspec.MsgspecError, NotImplementedError, ValueError, TypeError, OverflowError) as error:
            # Text that is not UTF-8 and an extension: the decoder does not say where.
            raise MalformedMessage(_unusable(packed, root) or f"{root}: {error}") from error


_decode_anything = msgspec.msgpack.Decoder(ext_hook=_refuse_extension).decode
_encode = msgspec.msgpack.Encoder().encode


def with_text(packed: bytes) -> bytes:
    """The same value with every bin that is UTF-8 as str; the same bytes where there is none.

    Raises whatever msgspec does for a value that cannot be read.
    """
    # The first bytes of bin 8, 16 and 32. They also stand in numbers and in texts of some alphabets, which costs those
    # the closer look.
    if b"\xc4" not in packed and b"\xc5" not in packed and b"\xc6" not in packed:
        return packed
    value = [_decode_anything(packed)]
    changed = False
    waiting: list[Any] = [value]
    while waiting:
        container = waiting.pop()
        named = type(container) is dict
        if named and any(type(key) is bytes for key in container):
            items = [(_text_of(key), item) for key, item in container.items()]
            container.clear()
            container.update(items)
            changed = True
        for key, item in container.items() if named else enumerate(container):
            if type(item) is bytes:
                container[key] = _text_of(item)
                changed = True
            elif type(item) is dict or type(item) is list:
                waiting.append(item)
    return _encode(value[0]) if changed else packed


def _text_of(value: Any) -> Any:
    if type(value) is not bytes:
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _explained(problem: str, root: str) -> str:
    # msgspec: "Expected `str`, got `int` - at `$[0].call_id`", and nothing after the dash at the root itself.
    if "`$" in problem:
        return problem.replace("`$", f"`{root}")
    return f"{problem} - at `{root}`"


def _unusable(packed: bytes, root: str) -> str:
    """What in a value no decoder takes, with its place; empty where there is nothing of the kind."""
    try:
        value = msgpack.unpackb(packed, raw=False, unicode_errors="surrogateescape", strict_map_key=False, timestamp=0)
    except (ValueError, TypeError, msgpack.UnpackException):
        return ""
    for place, item in _items(value, root):
        if _not_utf8(item):
            return f"text that is not UTF-8 - at `{place}`"
        if type(item) is msgpack.ExtType:
            return f"extension type {item.code} is not accepted - at `{place}`"
    return ""


def _not_utf8(item: Any) -> bool:
    return type(item) is str and not item.isascii() and any("\ud800" <= character <= "\udfff" for character in item)


def _items(value: Any, root: str) -> Iterator[tuple[str, Any]]:
    """Every value and key with its place."""
    waiting: list[tuple[str, Any]] = [(root, value)]
    while waiting:
        place, item = waiting.pop()
        yield place, item
        if type(item) is dict:
            for key in item:
                yield place, key
            inside = [(f"{place}.{key}" if _is_plain(key) else f"{place}[...]", one) for key, one in item.items()]
        elif type(item) is list:
            inside = [(f"{place}[{index}]", one) for index, one in enumerate(item)]
        else:
            continue
        waiting += reversed(inside)


def _is_plain(key: Any) -> bool:
    return type(key) is str and key.isidentifier() and key.isascii()
