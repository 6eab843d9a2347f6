"""Messages of scripts from process to process, on whatever machine, by what is shared.

At most once: what cannot be taken now is lost, and counted. A process hears its own by its broker alone.
"""

import asyncio
import contextlib
import os
from collections import Counter, deque
from typing import Final

import msgspec

from sidecar.hosts.broker import Broker
from sidecar.shared.connection import ANSWER_SECONDS, Script, Shared
from sidecar.shared.errors import SharedError
from sidecar.shared.listening import Listening

WAITING_BYTES: Final = 4_194_304
"""Of one tenant's messages that have not left: as much as a slow network takes in a moment. Past it the next is
lost."""
AT_ONCE: Final = 256
"""Messages in one question."""
ORIGIN_BYTES: Final = 16
"""Before each message: which process it is of."""
_SCRIPT: Final = Script.beside(__file__)


class SharedRelay:
    """A `sidecar.hosts.broker.Relay`. Lives on one event loop."""

    def __init__(self, shared: Shared, broker: Broker) -> None:
        self._shared = shared
        self._broker = broker
        self._begin = f"{shared.prefix}:topic:".encode()
        self._origin = os.urandom(ORIGIN_BYTES)
        self._waiting: deque[tuple[str, bytes, bytes]] = deque()
        self._held: Counter[str] = Counter()
        """Bytes that wait, by tenant."""
        self._came = asyncio.Event()
        self._followed: dict[bytes, asyncio.Event] = {}
        """The channels that are to be heard, and whether they are."""
        self._changed: set[bytes] = set()
        self._change = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.lost = 0
        """Messages that were not taken to other processes, or were none."""

    def start(self) -> None:
        """Begin to take and to bring."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._send()), loop.create_task(self._hear())]
        self._broker.relay_by(self)

    async def close(self) -> None:
        """Take and bring nothing more. What has not left is lost."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def take(self, tenant: str, topic: str, message: bytes) -> None:
        """Take a message to other processes, if they can be reached."""
        if not self._shared.available or self._held[tenant] + len(message) > WAITING_BYTES:
            self.lost += 1
            return
        self._held[tenant] += len(message)
        self._waiting.append((tenant, self._channel(tenant, topic), self._origin + message))
        self._came.set()

    def follow(self, tenant: str, topic: str) -> None:
        """Bring what has this topic."""
        channel = self._channel(tenant, topic)
        self._followed[channel] = asyncio.Event()
        self._changes(channel)

    def leave(self, tenant: str, topic: str) -> None:
        """Bring it no more."""
        channel = self._channel(tenant, topic)
        event = self._followed.pop(channel, None)
        if event is not None:
            event.set()
        self._changes(channel)

    async def followed(self, tenant: str, topic: str) -> None:
        """Wait until it is brought, for as long as what is shared has for an answer."""
        event = self._followed.get(self._channel(tenant, topic))
        if event is None or not self._shared.available:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await event.wait()

    def _channel(self, tenant: str, topic: str) -> bytes:
        return self._begin + f"{tenant}\x00{topic}".encode("utf-8", "surrogatepass")

    def _changes(self, channel: bytes) -> None:
        self._changed.add(channel)
        self._change.set()

    async def _send(self) -> None:
        while True:
            await self._came.wait()
            self._came.clear()
            while self._waiting:
                arguments: list[bytes] = []
                for _ in range(min(AT_ONCE, len(self._waiting))):
                    tenant, channel, message = self._waiting.popleft()
                    self._let_go(tenant, len(message) - ORIGIN_BYTES)
                    arguments += (channel, message)
                try:
                    await self._shared.run(_SCRIPT, arguments)
                except SharedError:
                    # Whether they were heard is not known: twice is worse.
                    self.lost += len(arguments) // 2 + len(self._waiting)
                    self._waiting.clear()
                    self._held.clear()

    def _let_go(self, tenant: str, size: int) -> None:
        self._held[tenant] -= size
        if not self._held[tenant]:
            del self._held[tenant]

    async def _hear(self) -> None:
        while True:
            await self._shared.present()
            with contextlib.suppress(SharedError):
                async with self._shared.listening() as heard:
                    self._changed = set(self._followed)
                    self._change.set()
                    changing = asyncio.get_running_loop().create_task(self._change_channels(heard))
                    try:
                        await self._bring(heard)
                    finally:
                        changing.cancel()
                        await asyncio.wait([changing])
                        if not changing.cancelled():
                            changing.exception()  # ended by what ends the connection, which `_bring` is told as well
            for event in self._followed.values():
                event.clear()

    async def _change_channels(self, heard: Listening) -> None:
        while True:
            await self._change.wait()
            self._change.clear()
            while self._changed:
                channel = self._changed.pop()
                if channel in self._followed:
                    await heard.subscribe(channel)
                else:
                    await heard.unsubscribe(channel)

    async def _bring(self, heard: Listening) -> None:
        while True:
            kind, channel, message = await heard.next()
            if kind == b"message":
                self._take_in(channel, message)
            elif kind == b"subscribe" and channel in self._followed:
                self._followed[channel].set()

    def _take_in(self, channel: bytes, message: bytes) -> None:
        if message.startswith(self._origin):
            return
        tenant, _, topic = channel[len(self._begin) :].decode("utf-8", "surrogatepass").partition("\x00")
        try:
            self._broker.heard(tenant, topic, message[ORIGIN_BYTES:])
        except (ValueError, RecursionError, msgspec.MsgspecError):
            self.lost += 1
