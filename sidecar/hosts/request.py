"""What a run over HTTP is given, and what it gives."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from sandbox import values
from sidecar.kind import Kind

SOCKET_MODULE: Final = "cxWebSocket"
"""The web socket itself, which the adapter serves; every App may name it, and has it where there is one."""
_LONGEST_TEXT: Final = 4_096
"""Of an error, as whoever asked is told it."""


def second_argument(kind: Kind, run_id: str, attempt: int = 1) -> Mapping[str, Any] | None:
    """What a function's second argument is, where that is no web socket; None for nothing. What a Worker is told of a
    message is made up: there is no mailbox that this one lies in."""
    return {"id": run_id, "attempt": attempt} if kind is Kind.WORKER else None


class Reject(NamedTuple):
    """An error of the script's that is an HTTP status."""

    status: int
    text: str
    name: str


class _Result(msgspec.Struct):
    returned: msgspec.Raw = msgspec.Raw(b"\xc0")
    reject: tuple[int, str, str] | None = None


class UnreadableResult(ValueError):
    """A result that no adapter has made."""


_decoder: Final = msgspec.msgpack.Decoder(_Result)


def pack_input(
    data: Any,
    *,
    context: Mapping[str, Any] | None = None,
    socket: bool = False,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """The input of a run; ``context`` is the function's second argument, where that is no web socket, and
    ``environment`` what ``process.env`` has beside the program's own. Raises ValueError for values that no script can
    be given."""
    given = {"data": data} | ({"socket": True} if socket else {}) | ({"context": context} if context else {})
    if environment:
        given["environment"] = environment
    return values.encode(given)


def read_result(value: bytes) -> Any | Reject:
    """What the script returned, or how it refused. Raises UnreadableResult: a worker may be a script's after a
    breakout."""
    try:
        result = _decoder.decode(value)
        if result.reject is None:
            return msgspec.msgpack.decode(result.returned)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableResult(str(error)) from None
    status, text, name = result.reject
    if not 400 <= status <= 599:
        raise UnreadableResult(f"the status {status}")
    return Reject(status, text[:_LONGEST_TEXT], name[:_LONGEST_TEXT])
