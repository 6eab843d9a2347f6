"""User agents joined in memory, with a clock of their own and a network that loses, doubles and reorders."""

import heapq
import random
from collections.abc import Callable
from itertools import count
from typing import TypeVar

from sipio.sip.address import Address
from sipio.sip.events import SipEvent
from sipio.sip.media_description import LocalMedia
from sipio.sip.randomness import Randomness
from sipio.sip.settings import UserAgentSettings
from sipio.sip.user_agent import UserAgent

EventType = TypeVar("EventType")


class Node:
    """One user agent, its address, and every event and message so far."""

    def __init__(self, network: "Network", settings: UserAgentSettings, transport: str) -> None:
        self.network = network
        self.address = Address(transport, f"10.0.0.{len(network.nodes) + 1}", 5060)
        self.takes_calls = True
        """Whether whoever drives calls would take one."""
        self.agent = UserAgent(
            settings,
            clock=lambda: network.now,
            randomness=Randomness(len(network.nodes) + 7),
            takes_calls=lambda: self.takes_calls,
        )
        self.agent.listen("", self.address)
        self.events: list[SipEvent] = []
        self.sent: list[tuple[float, bytes]] = []
        self.on_event: Callable[[SipEvent], None] = lambda _: None
        self.media = LocalMedia(host=self.address.host, port=4000)

    def told(self, kind: type[EventType]) -> list[EventType]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def first_lines(self) -> list[str]:
        """The start line of each message sent, in order."""
        return [data.partition(b"\r\n")[0].decode() for _, data in self.sent]

    def sent_times(self, start: str) -> list[float]:
        """When messages with this start line went out."""
        return [when for when, data in self.sent if data.startswith(start.encode())]


class Network:
    """Everything happens in order of time; nothing takes real time."""

    def __init__(
        self, *, loss: float = 0.0, duplicates: float = 0.0, delay: tuple[float, float] = (0.001, 0.001), seed: int = 1
    ) -> None:
        self.now = 1_000.0
        self.loss = loss
        self.duplicates = duplicates
        self.delay = delay
        self.random = random.Random(seed)  # noqa: S311 - repeatable
        self.nodes: dict[Address, Node] = {}
        self.drop: Callable[[Node, bytes], bool] = lambda *_: False
        """More to lose: by what it says."""
        self.rewrite: Callable[[bytes], bytes] = lambda data: data
        """A proxy on the way that changes messages."""
        self.names: dict[str, list[Address]] = {}
        """The servers of names; a name that is not here is never answered."""
        self._flying: list[tuple[float, int, Address, Address, bytes]] = []
        self._sequence = count()

    def node(self, settings: UserAgentSettings | None = None, transport: str = "udp") -> Node:
        node = Node(self, settings or UserAgentSettings(), transport)
        self.nodes[node.address] = node
        return node

    def deliver(self, data: bytes, source: Address, destination: Address, delay: float = 0.0) -> None:
        heapq.heappush(self._flying, (self.now + delay, next(self._sequence), source, destination, data))

    def run(self, seconds: float = 1.0) -> None:
        """Let time pass."""
        end = self.now + seconds
        self._take_out()
        while True:
            deadlines = [node.agent.next_deadline() for node in self.nodes.values()]
            following = min(
                [when for when in deadlines if when is not None] + [self._flying[0][0] if self._flying else end]
            )
            if following > end or (following == end and not self._due(end)):
                break
            self.now = max(self.now, following)
            while self._flying and self._flying[0][0] <= self.now:
                _, _, source, destination, data = heapq.heappop(self._flying)
                if destination in self.nodes:
                    self.nodes[destination].agent.receive(data, source)
                    self._take_out()
            for node in self.nodes.values():
                node.agent.handle_timers()
            self._take_out()
        self.now = end

    def _due(self, end: float) -> bool:
        return bool(self._flying and self._flying[0][0] <= end) or any(
            (deadline := node.agent.next_deadline()) is not None and deadline <= end for node in self.nodes.values()
        )

    def _take_out(self) -> None:
        for node in self.nodes.values():
            while node.agent.pending:
                for destination, data in node.agent.take_outgoing():
                    self._send(node, destination, data)
                for lookup in node.agent.take_lookups():
                    if lookup.host in self.names:
                        node.agent.located(lookup, self.names[lookup.host])
                event = node.agent.next_event()
                if event is not None:
                    node.events.append(event)
                    node.on_event(event)

    def _send(self, node: Node, destination: Address, data: bytes) -> None:
        node.sent.append((self.now, data))
        if self.drop(node, data):
            return
        data = self.rewrite(data)
        copies = 2 if self.random.random() < self.duplicates else 1
        for _ in range(copies):
            if self.random.random() >= self.loss:
                self.deliver(data, node.address, destination, self.random.uniform(*self.delay))
