"""Messages between the runs of one tenant: at most once, in the order of each publisher. Those of other processes come
by the relay, where there is one."""

import asyncio
from collections import Counter, deque
from typing import Any, Final, Protocol

import msgspec

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


class Relay(Protocol):
    """Takes messages to other processes, and brings theirs to `Broker.heard`."""

    def take(self, tenant: str, topic: str, message: bytes) -> None:
        """Take a message there, ``[key, payload]`` as MessagePack, if it can be."""
        ...

    def follow(self, tenant: str, topic: str) -> None:
        """Bring what has this topic from now on."""
        ...

    def leave(self, tenant: str, topic: str) -> None:
        """Bring it no more."""
        ...

    async def followed(self, tenant: str, topic: str) -> None:
        """Wait until it is brought; not where that cannot be now."""
        ...


class Broker:
    """Who hears what. Lives on one event loop."""

    def __init__(self) -> None:
        self._relay: Relay | None = None
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

    def relay_by(self, relay: Relay) -> None:
        """Have messages go to other processes, and come from them."""
        self._relay = relay
        for tenant, topic in self._heard:
            relay.follow(tenant, topic)

    async def ready(self, subscription: Subscription) -> None:
        """Wait until it hears other processes as well; not where they cannot be heard now."""
        if self._relay is not None:
            await self._relay.followed(subscription.tenant, subscription.topic)

    def subscribe(self, tenant: str, topic: str, key: str) -> Subscription:
        """Hear of a topic what has this key; all of it with `EVERY_KEY`. Raises HostError."""
        _check(topic, key)
        if self._counts[tenant] >= SUBSCRIPTIONS:
            raise HostError(f"more than {SUBSCRIPTIONS} subscriptions at once", "RangeError")
        subscription = Subscription(tenant, topic, key, self._held)
        heard = self._heard.setdefault((tenant, topic), {})
        if not heard and self._relay is not None:
            self._relay.follow(tenant, topic)
        heard[subscription] = None
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
            if self._relay is not None:
                self._relay.leave(tenant, topic)
        self._counts[tenant] -= 1
        if not self._counts[tenant]:
            del self._counts[tenant]
        self.lost += subscription.lost
        subscription.end()

    def publish(self, tenant: str, topic: str, key: str, payload: Any) -> int:
        """Tell a tenant's subscribers. How many there were in this process. Raises HostError."""
        _check(topic, key)
        message = values.encode([key, payload])
        if len(message) > MESSAGE_BYTES:
            raise HostError(f"the message has more than {MESSAGE_BYTES:,} bytes", "RangeError")
        if self._relay is not None:
            self._relay.take(tenant, topic, message)
        return self._tell(tenant, topic, key, payload, len(message))

    def heard(self, tenant: str, topic: str, message: bytes) -> int:
        """Tell a tenant's subscribers what the relay has brought. How many there were. Raises ValueError for what is no
        message."""
        if len(message) > MESSAGE_BYTES:
            raise ValueError("the message is too long")
        key, payload = msgspec.msgpack.decode(message, type=tuple[str, Any])
        return self._tell(tenant, topic, key, payload, len(message))

    def _tell(self, tenant: str, topic: str, key: str, payload: Any, size: int) -> int:
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
