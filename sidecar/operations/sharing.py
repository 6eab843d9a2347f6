"""What a process shares with those on other machines, led through its life. No call waits for any of it."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sidecar.hosts.relay import SharedRelay
from sidecar.hosts.services import Services
from sidecar.hosts.shared_levels import SharedLevels
from sidecar.lifecycle import PartState
from sidecar.logs.logger import ActionLogger
from sidecar.shared.connection import KEEPS, Shared
from sidecar.shared.errors import SharedError

_log = ActionLogger(__name__)

POLICY_SECONDS: Final = 60.0
"""Between two questions whether the server throws keys away: somebody may set it so at any time."""


class Sharing:
    """A `sidecar.lifecycle.Part`; nothing where ``shared.url`` names nothing."""

    name = "sharing"
    drain_seconds = 0.0

    def __init__(self, services: Services, role: str, tell: Callable[[], None]) -> None:
        """``role`` is ``daemon`` or ``platform``; ``tell`` is called when what is shared is lost, and when it is there
        again."""
        self._services = services
        self._role = role
        self._asking: asyncio.Task[None] | None = None
        self._evicts = ""
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
        self._asking = asyncio.get_running_loop().create_task(self._ask_policy(shared))

    def refuse_calls(self) -> None:
        """Nothing: no call comes here."""

    def stop_accepting(self) -> None:
        """Go on: what is still run uses it."""

    async def drain(self) -> None:
        """Return at once: nobody waits for what is told."""

    def cancel_rest(self) -> None:
        """Nothing: who asks is cancelled with its run."""

    async def close(self) -> None:
        """Share no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
        for one in (self._relay, self._levels):
            if one is not None:
                await one.close()

    @property
    def shares(self) -> bool:
        """Whether there is anything that is shared."""
        return self._shared is not None

    @property
    def words(self) -> str:
        """For ``systemctl status``, behind what else there is; empty where all is well."""
        if self._shared is None:
            return ""
        if self._shared.available:
            return f", {self._shared.url} EVICTS KEYS: {self._evicts}" if self._evicts else ""
        return f", WITHOUT {self._shared.url}: {self._shared.snapshot().why}"

    def state(self) -> PartState:
        """What is lost is no fault: calls are decided."""
        if self._shared is None:
            return PartState()
        shared = self._shared.snapshot()
        details: dict[str, str | bool] = {"shared": shared.available}
        if not shared.available:
            details["shared_lost"] = f"{self._shared.url}: {shared.why}"
        elif self._evicts:
            details["shared_evicts"] = self._evicts
        return PartState(details=details)

    async def _ask_policy(self, shared: Shared) -> None:
        """Tell whether the server throws away what scripts keep when its memory is full."""
        while True:
            await shared.present()
            with contextlib.suppress(SharedError):  # which the connection tells
                evicts = await shared.eviction()
                if evicts != self._evicts:
                    self._evicts = evicts
                    if evicts:
                        _log.warning("shared_evicts", server=str(shared.url), policy=evicts, wanted=KEEPS)
                    self._tell()
                await asyncio.sleep(POLICY_SECONDS)

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
