"""Messages between the runs of one tenant on this machine: at most once, in the order of each publisher."""

import asyncio
from collections import Counter, deque
from typing import Any, Final

from sandbox import values
from sidecar.hosts.errors import HostError

NAME_CHARACTERS: Final = 256
"""Of a topic, and of a key."""
WAITING: Final = 256
"""Messages that a subscriber has not taken. Past it the oldest is lost: who falls behind costs nobody memory."""
MESSAGE_BYTES: Final = 65_536
"""Of one message, as MessagePack."""
WAITING_BYTES: Final = 524_288
"""Of all that a subscriber has not taken, which it is given in one answer: a module's may have a megabyte."""
TENANT_BYTES: Final = 16_777_216
"""Of all that the subscribers of one tenant have not taken. Past it what comes is lost to those who did not take."""
SUBSCRIPTIONS: Final = 1_000
"""Of one tenant."""
EVERY_KEY: Final = "*"


class Subscription:
    """What one run hears of one topic."""

    __slots__ = ("_bytes", "_came", "_closed", "_held", "_messages", "key", "lost", "tenant", "topic")

    def __init__(self, tenant: str, topic: str, key: str, held: Counter[str]) -> None:
        """``held`` are the bytes that subscribers have not taken, by tenant."""
        self.tenant, self.topic, self.key = tenant, topic, key
        self.lost = 0
        self._held = held
        self._bytes = 0
        self._messages: deque[tuple[int, list[Any]]] = deque()
        self._came = asyncio.Event()
        self._closed = False

    def hear(self, key: str, payload: Any, size: int) -> None:
        """Take a message of so many bytes in."""
        while self._messages and (len(self._messages) >= WAITING or self._bytes + size > WAITING_BYTES):
            self._hold(-self._messages.popleft()[0])
            self.lost += 1
        if self._held[self.tenant] + size > TENANT_BYTES:
            self.lost += 1
            return
        self._hold(size)
        self._messages.append((size, [key, payload]))
        self._came.set()

    def end(self) -> None:
        """Have whoever waits go on: nothing more comes."""
        self._closed = True
        self._taken()
        self._came.set()

    async def next(self) -> list[list[Any]] | None:
        """What has come, as ``[key, payload]`` each; waits where nothing has. None once it has ended."""
        await self._came.wait()
        if self._closed:
            return None
        self._came.clear()
        return self._taken()

    def _taken(self) -> list[list[Any]]:
        messages = [message for _, message in self._messages]
        self._messages.clear()
        self._hold(-self._bytes)
        return messages

    def _hold(self, size: int) -> None:
        self._bytes += size
        self._held[self.tenant] += size
        if not self._held[self.tenant]:
            del self._held[self.tenant]


class Broker:
    """Who hears what. Lives on one event loop."""

    def __init__(self) -> None:
        self._heard: dict[tuple[str, str], dict[Subscription, None]] = {}
        """By tenant and topic, in the order in which they came."""
        self._counts: Counter[str] = Counter()
        self._held: Counter[str] = Counter()
        self.lost = 0
        """Messages that subscribers did not take in time, of those that have ended."""

    @property
    def subscriptions(self) -> int:
        """How many there are."""
        return self._counts.total()

    def subscribe(self, tenant: str, topic: str, key: str) -> Subscription:
        """Hear of a topic what has this key; all of it with `EVERY_KEY`. Raises HostError."""
        _check(topic, key)
        if self._counts[tenant] >= SUBSCRIPTIONS:
            raise HostError(f"more than {SUBSCRIPTIONS} subscriptions at once", "RangeError")
        subscription = Subscription(tenant, topic, key, self._held)
        self._heard.setdefault((tenant, topic), {})[subscription] = None
        self._counts[tenant] += 1
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Hear nothing more by it. One that has ended stays so."""
        tenant, topic = subscription.tenant, subscription.topic
        heard = self._heard.get((tenant, topic), {})
        if subscription not in heard:
            return
        del heard[subscription]
        if not heard:
            del self._heard[tenant, topic]
        self._counts[tenant] -= 1
        if not self._counts[tenant]:
            del self._counts[tenant]
        self.lost += subscription.lost
        subscription.end()

    def publish(self, tenant: str, topic: str, key: str, payload: Any) -> int:
        """Tell a tenant's subscribers. How many there were. Raises HostError."""
        _check(topic, key)
        size = len(values.encode([key, payload]))
        if size > MESSAGE_BYTES:
            raise HostError(f"the message has more than {MESSAGE_BYTES:,} bytes", "RangeError")
        hearing = [
            subscription
            for subscription in self._heard.get((tenant, topic), ())
            if subscription.key in (EVERY_KEY, key)
        ]
        for subscription in hearing:
            subscription.hear(key, payload, size)
        return len(hearing)


def _check(topic: str, key: str) -> None:
    for what, text in (("topic", topic), ("key", key)):
        if len(text) > NAME_CHARACTERS:
            raise HostError(f"the {what} has more than {NAME_CHARACTERS} characters", "RangeError")
    if not topic:
        raise HostError("the topic is empty", "TypeError")
