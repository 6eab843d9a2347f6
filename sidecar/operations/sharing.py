"""What a process shares with those on other machines, led through its life. No call waits for any of it."""

import asyncio
import contextlib
import os
import platform
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sidecar import __version__
from sidecar.hosts.relay import SharedRelay
from sidecar.hosts.services import Services
from sidecar.hosts.shared_levels import SharedLevels
from sidecar.lifecycle import PartState
from sidecar.shared import nodes
from sidecar.shared.connection import Shared
from sidecar.shared.errors import SharedError


class Load(NamedTuple):
    """What a process does now."""

    catalog: str
    """The version of scripts and assignments."""
    runs: int
    """Under way."""
    calls: int
    """Up."""


class Sharing:
    """A `sidecar.lifecycle.Part`; nothing where ``shared.url`` names nothing."""

    name = "sharing"
    drain_seconds = 0.0

    def __init__(
        self, services: Services, role: str, name: str, load: Callable[[], Load], tell: Callable[[], None]
    ) -> None:
        """``role`` is ``daemon`` or ``platform``, ``name`` the machine's, where it is not that of the host; ``tell`` is
        called when what is shared is lost, and when it is there again."""
        self._services = services
        self._id = os.urandom(8).hex()
        self._name = name or platform.node()
        self._load = load
        self._since = time.time_ns() // 1_000
        self._beating: asyncio.Task[None] | None = None
        self._role = role
        self._tell = tell
        self._shared: Shared | None = None
        self._relay: SharedRelay | None = None
        self._levels: SharedLevels | None = None

    async def start(self) -> None:
        """Begin to share, which waits for no connection. Raises SharedError where packages are missing."""
        shared = await self._services.shared()
        if shared is None:
            return
        self._shared = shared
        shared.changed = self._tell
        self._relay = SharedRelay(shared, self._services.broker)
        self._relay.start()
        used = self._services.usage.used_levels
        assert used is not None  # noqa: S101 - where something is shared
        self._levels = SharedLevels(shared, used, self._role)
        self._levels.start()
        self._beating = asyncio.get_running_loop().create_task(self._beat(shared))

    def refuse_calls(self) -> None:
        """Nothing: no call comes here."""

    def stop_accepting(self) -> None:
        """Go on: what is still run uses it."""

    async def drain(self) -> None:
        """Return at once: nobody waits for what is told."""

    def cancel_rest(self) -> None:
        """Nothing: who asks is cancelled with its run."""

    async def close(self) -> None:
        """Share no more, and be listed no more."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait([self._beating])
        for one in (self._relay, self._levels):
            if one is not None:
                await one.close()
        if self._shared is not None:
            with contextlib.suppress(SharedError):  # then it is not listed in a while
                await nodes.leave(self._shared, self._id)

    @property
    def shares(self) -> bool:
        """Whether there is anything that is shared."""
        return self._shared is not None

    @property
    def words(self) -> str:
        """For ``systemctl status``, behind what else there is; empty where all is well."""
        if self._shared is None or self._shared.available:
            return ""
        return f", WITHOUT {self._shared.url}: {self._shared.snapshot().why}"

    def state(self) -> PartState:
        """What is lost is no fault: calls are decided."""
        if self._shared is None:
            return PartState()
        shared = self._shared.snapshot()
        details: dict[str, str | bool] = {"shared": shared.available}
        if not shared.available:
            details["shared_lost"] = f"{self._shared.url}: {shared.why}"
        return PartState(details=details)

    async def _beat(self, shared: Shared) -> None:
        runs, since = self._runs(), time.monotonic()
        while True:
            await shared.present()
            before, runs = runs, self._runs()
            then, since = since, time.monotonic()
            load = self._load()
            node = nodes.Node(
                id=self._id,
                name=self._name,
                role=self._role,
                pid=os.getpid(),
                version=__version__,
                catalog=load.catalog,
                since=self._since,
                runs=load.runs,
                calls=load.calls,
                runs_a_second=round((runs - before) / max(since - then, 0.001), 1),
            )
            with contextlib.suppress(SharedError):
                await nodes.tell(shared, node)
            await asyncio.sleep(nodes.BEAT_SECONDS)

    def _runs(self) -> int:
        return sum(used.runs for _, _, used in self._services.usage.totals())

    def metrics(self) -> "SharingMetrics":
        """What Prometheus is told."""
        return SharingMetrics(lambda: self._shared, lambda: self._relay)


class SharingMetrics(Collector):
    """Whether what is shared answers, and what it has not."""

    def __init__(self, shared: Callable[[], Shared | None], relay: Callable[[], Any]) -> None:
        self._shared = shared
        self._relay = relay

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape; with 1 and 0 where nothing is shared, so that no alert is for it."""
        shared, relay = self._shared(), self._relay()
        found = shared.snapshot() if shared is not None else None
        available = GaugeMetricFamily("scriptforge_shared_available", "Whether the Valkey or Redis answers.")
        available.add_metric((), 1.0 if found is None or found.available else 0.0)
        yield available
        for name, text, count in (
            ("losses", "How often the Valkey or Redis was lost.", found.losses if found else 0),
            ("refused", "Questions to it without an answer.", found.refused if found else 0),
            ("messages_lost", "Messages of scripts not taken to others.", relay.lost if relay is not None else 0),
        ):
            family = CounterMetricFamily(f"scriptforge_shared_{name}", text)
            family.add_metric((), float(count))
            yield family
