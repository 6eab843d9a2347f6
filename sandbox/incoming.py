"""What a worker sends, taken apart: nothing of it is believed that no worker would say, or not so much of."""

from typing import Any, Final

import msgpack

from sandbox.allowance import Allowance
from sandbox.messages_up import DoneMessage, LetGoMessage, MessageUp, unpacker_up

_ENDS: Final = frozenset((DoneMessage, LetGoMessage))
"""What a run has one of, for each time that a worker is given it."""


class Incoming:
    """One end of a link, for what comes up."""

    __slots__ = ("_allowance", "_received", "_unfinished", "_unpacker")

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._unpacker: Any = unpacker_up()
        self._received = 0
        """Bytes so far."""
        self._unfinished = 0
        """Of them those of a message that is not whole yet."""

    def read(self, data: bytes) -> tuple[list[MessageUp], bool]:
        """The messages that are whole now, and whether what came is what a worker sends."""
        messages: list[Any] = []
        ended = 0
        try:
            self._unpacker.feed(data)
            for message in self._unpacker:
                if not isinstance(message, tuple):
                    return messages, False  # by itself, a number say, it is none
                messages.append(message)
                ended += type(message) in _ENDS
        except (ValueError, msgpack.exceptions.UnpackException):
            return messages, False
        self._received += len(data)
        self._unfinished = self._received - self._unpacker.tell() if messages else self._unfinished + len(data)
        may = self._allowance.spend(len(messages), ended, len(data), self._unfinished)
        return messages if may else [], may
