"""The web socket of one run: frames on their way to its script, and texts on their way out.

Both ways are bounded: who sends faster than the other reads waits.
"""

import asyncio
from collections import deque
from typing import Any, Final

import msgspec

from sandbox.host import Host, HostCall
from sidecar.hosts.json_size import VALUES, JsonValues

FRAMES: Final = 64
"""Held for a script that is not asking; a peer that sends more waits."""
UNSENT: Final = 256
"""Texts held for a peer that does not read; the script that sends more is told so."""
_JSON_BEGINS: Final = ("{", "[")


class WebSocketHost:
    """A `sandbox.host.Host` that answers for the web socket, and leaves the rest to another one."""

    __slots__ = ("_arrived", "_closed", "_ended", "_frames", "_outgoing", "_receiving", "_rest", "_room")

    def __init__(self, rest: Host | None) -> None:
        self._rest = rest
        self._frames: deque[Any] = deque()
        self._receiving: HostCall | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._outgoing: deque[tuple[str, HostCall]] = deque()
        self._arrived = asyncio.Event()
        self._closed = False
        self._ended = False

    # ---- the script's side ----

    def asked(self, call: HostCall) -> None:
        """Answer for the web socket, or have the other host do it."""
        if not call.name.startswith("socket."):
            if self._rest is not None:
                self._rest.asked(call)
            else:
                call.reject(f"there is no host call {call.name}")
            return
        match call.name:
            case "socket.receive" if self._receiving is None:
                self._receiving = call
                self._hand_over()
            case "socket.send" if call.arguments and isinstance(call.arguments[0], str):
                if self._closed:
                    call.reject("the web socket is closed")
                elif len(self._outgoing) >= UNSENT:
                    call.reject(f"more than {UNSENT} frames are waiting to be sent (await them)", name="RangeError")
                else:
                    self._outgoing.append((call.arguments[0], call))
                    self._arrived.set()
            case "socket.close":
                self.close()
                call.resolve(None)
            case _:
                call.reject(f"there is no host call {call.name}")

    def ended(self) -> None:
        """The run is over: nothing more is sent than what it has sent already."""
        self._ended = True
        self._closed = True
        self._frames.clear()
        self._receiving = None
        self._room.set()
        self._arrived.set()
        if self._rest is not None:
            self._rest.ended()

    # ---- the peer's side ----

    async def frame(self, text: str) -> None:
        """Give the script a frame, once there is room for it. JSON objects and lists come parsed, where they have not
        too many values."""
        await self._room.wait()
        parsed = await _parsed(text)
        if self._closed:
            return
        self._frames.append(parsed)
        if len(self._frames) >= FRAMES:
            self._room.clear()
        self._hand_over()

    def close(self) -> None:
        """There is no more: the script is told once it has had what came before."""
        self._closed = True
        self._room.set()
        self._arrived.set()
        self._hand_over()

    async def next_text(self) -> tuple[str, HostCall] | None:
        """What is to be sent next, with the call that is to be resolved once it has been; None for the end."""
        while not self._outgoing:
            if self._closed:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        return self._outgoing.popleft()

    def _hand_over(self) -> None:
        call = self._receiving
        if call is None or self._ended:
            return
        if self._frames:
            self._receiving = None
            frame = self._frames.popleft()
            self._room.set()
            call.resolve({"frame": frame})
        elif self._closed:
            self._receiving = None
            call.resolve({"closed": True})


async def _parsed(text: str) -> Any:
    if not text.lstrip().startswith(_JSON_BEGINS):
        return text
    if len(text) > VALUES and await JsonValues().take(text.encode("utf-8", "replace")):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return text
