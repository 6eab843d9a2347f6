"""Open sockets on their way from one process to the next, which goes on where the first one stopped.

Whoever holds a socket reads and writes no more; what its peer sends meanwhile waits in the kernel. The connection
itself is not closed for as long as somebody has a descriptor of it.
"""

import contextlib
import os
import socket
from collections.abc import Mapping
from typing import Any

import msgspec


class HeldSocket(msgspec.Struct, frozen=True, kw_only=True):
    """One socket, and what its next owner has to know of it. Who has the object owns the descriptor."""

    socket: socket.socket
    role: str
    """What it is to its owner, such as a listener or the connection to one peer."""
    unread: bytes = b""
    """Read from the peer already, and not yet a whole message."""
    details: Mapping[str, Any] = {}
    """What else its owner keeps, of types that MessagePack has."""

    def discard(self) -> None:
        """Close it for every process that has it, so that the peer is told at once; nothing if it is closed."""
        if self.socket.fileno() >= 0:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()


def duplicate(descriptor: int) -> socket.socket:
    """Another descriptor of the same socket, as a socket of its own."""
    return socket.socket(fileno=os.dup(descriptor))
