"""What the reading process and the deciding one say to each other: MessagePack, each message behind its length.

The deciding process imports this module and no other that knows SQL.
"""

import struct
from collections.abc import Sequence
from typing import Final

import msgspec

from sidecar.catalog.database.rows import AssignmentRow, CustomerRow, GrantsRow, LimitsRow, ScriptRow
from sidecar.nodes.node import Node

LENGTH: Final = struct.Struct(">I")
LONGEST: Final = 1 << 28
"""Twenty scripts of the longest sort, prepared, are a sixth of it."""


class Follow(msgspec.Struct, frozen=True, tag=True):
    """The first message to the reader."""

    url: str
    """With its password: that is why it is no argument of the command."""
    poll_seconds: float
    copy: str | None
    """The file in which the last catalog is kept; None for nowhere."""

    def __repr__(self) -> str:
        return "Follow()"


class Present(msgspec.Struct, frozen=True, tag=True):
    """To the reader: what the process that it reads for tells of itself. It is listed until standard input ends."""

    node: Node


class Begin(msgspec.Struct, frozen=True, tag=True):
    """Pieces follow, and then the end."""

    whole: bool
    """Whether what they have is everything, and nothing of before stays."""


class Piece(msgspec.Struct, frozen=True, tag=True):
    """A part of what has changed. No larger than may be decoded in one go while an event loop waits."""

    scripts: Sequence[ScriptRow] = ()
    removed_scripts: Sequence[str] = ()
    assignments: Sequence[AssignmentRow] = ()
    removed_assignments: Sequence[int] = ()
    customers: Sequence[CustomerRow] = ()
    removed_customers: Sequence[str] = ()
    limits: Sequence[LimitsRow] = ()
    grants: Sequence[GrantsRow] = ()


class End(msgspec.Struct, frozen=True, tag=True):
    """All pieces were sent."""

    revision: int
    copied: str = ""
    """Why the database could not be asked, where they are of the copy of before."""


class Reachable(msgspec.Struct, frozen=True, tag=True):
    """The database can be asked, and nothing has changed that was not sent."""


class Unreachable(msgspec.Struct, frozen=True, tag=True):
    """The database cannot be asked, or not by this release."""

    why: str


ToReader = Follow | Present
FromReader = Begin | Piece | End | Reachable | Unreachable

_encoder = msgspec.msgpack.Encoder()
from_reader: Final = msgspec.msgpack.Decoder(FromReader)
to_reader: Final = msgspec.msgpack.Decoder(ToReader)


def encode_message(message: FromReader | ToReader) -> bytes:
    """A message behind its length."""
    body = _encoder.encode(message)
    return LENGTH.pack(len(body)) + body
