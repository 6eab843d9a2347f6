"""Params and results: from a peer's MessagePack to the type wanted, or an error naming the field."""

from typing import Any, NoReturn

import msgspec

from sipio.errors import MalformedMessage


def _refuse_extension(code: int, _data: memoryview) -> NoReturn:
    raise NotImplementedError(f"extension type {code} is not accepted")


class ValueDecoder:
    """Decodes MessagePack to one type.

    A client that sends every string as bin, keys too, is understood: what does not fit is tried once more
    with binary read as UTF-8 text. Binary where anything fits stays binary; JSON, and so a script, sees it
    as base64. Extension types other than timestamps are refused.
    """

    __slots__ = ("_decode", "_wanted")

    def __init__(self, wanted: Any) -> None:
        self._wanted = wanted
        self._decode = msgspec.msgpack.Decoder(wanted, ext_hook=_refuse_extension).decode

    def decode(self, data: "bytes | msgspec.Raw", root: str) -> Any:
        """Decode; an error names ``root`` and the path below it.

        Raises `MalformedMessage`, and nothing else whatever the bytes.
        """
        try:
            try:
                return self._decode(data)
            except msgspec.ValidationError:
                value = _decode_anything(data)
                if not _has_binary(value):
                    raise
                return msgspec.convert(_as_text(value), self._wanted)
        except UnicodeDecodeError as error:
            raise MalformedMessage(f"{root}: text that is not UTF-8") from error
        except RecursionError as error:
            raise MalformedMessage(f"{root}: nested too deeply") from error
        except (msgspec.MsgspecError, NotImplementedError) as error:
            raise MalformedMessage(_explained(str(error), root)) from error
        except (ValueError, TypeError, OverflowError) as error:
            # Timestamps out of range surface as whatever CPython raised inside the decoder.
            raise MalformedMessage(f"{root}: {error}") from error


_decode_anything = msgspec.msgpack.Decoder(ext_hook=_refuse_extension).decode


def _explained(problem: str, root: str) -> str:
    # msgspec: "Expected `str`, got `int` - at `$[0].call_id`", and nothing after the dash at the root itself.
    if "`$" in problem:
        return problem.replace("`$", f"`{root}")
    return f"{problem} - at `{root}`"


def _has_binary(value: Any) -> bool:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        kind = type(value)
        if kind is dict:
            for key, item in value.items():
                inner = type(item)
                if inner is bytes or type(key) is bytes:
                    return True
                if inner is dict or inner is list:
                    waiting.append(item)
        elif kind is list:
            for item in value:
                inner = type(item)
                if inner is bytes:
                    return True
                if inner is dict or inner is list:
                    waiting.append(item)
        elif kind is bytes:
            return True
    return False


def _as_text(value: Any) -> Any:
    if type(value) is bytes:
        return value.decode()
    if type(value) is dict:
        return {_as_text(key): _as_text(item) for key, item in value.items()}
    if type(value) is list:
        return [_as_text(item) for item in value]
    return value
