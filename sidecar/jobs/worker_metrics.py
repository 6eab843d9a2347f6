"""What Prometheus is told of Workers and their mailboxes."""

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sidecar.jobs.metrics import ATTEMPTS
from sidecar.queue.mailbox_looking import MailboxDepth
from sidecar.runs.outcomes import OutcomeName


class WorkerFigures(Protocol):
    """What is told; `sidecar.jobs.worker_service.WorkerService` has it."""

    depth: MailboxDepth
    outcomes: Counter[OutcomeName]
    begun: int
    dead: int

    @property
    def lost(self) -> int:
        """Workers whose mailbox was another process's before they were over."""
        ...

    @property
    def alive(self) -> int:
        """Workers of this process."""
        ...


class WorkerMetrics(Collector):
    """The figures of the database are as old as the last count, and the same on every platform."""

    def __init__(self, service: WorkerFigures) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape."""
        service = self._service
        messages = GaugeMetricFamily(
            "scriptforge_messages", "Messages to Workers in the database by state.", labels=("state",)
        )
        messages.add_metric(("waiting",), service.depth.waiting)
        messages.add_metric(("dead",), service.depth.dead)
        yield messages
        yield GaugeMetricFamily(
            "scriptforge_messages_oldest_seconds",
            "How long the message waits that was sent first.",
            service.depth.oldest_seconds,
        )
        yield GaugeMetricFamily("scriptforge_workers_alive", "Workers that live in this process.", service.alive)
        yield CounterMetricFamily("scriptforge_workers_begun", "Workers begun in this process.", service.begun)
        given = CounterMetricFamily(
            "scriptforge_messages_given", "Messages given in this process, by what came of it.", labels=("outcome",)
        )
        for outcome in ATTEMPTS:
            given.add_metric((outcome.value,), service.outcomes[outcome])
        yield given
        yield CounterMetricFamily("scriptforge_messages_dead", "Messages given up in this process.", service.dead)
        yield CounterMetricFamily(
            "scriptforge_mailboxes_lost",
            "Workers whose mailbox was another process's before they were over.",
            service.lost,
        )
