"""What Prometheus is told of schedules, as this process has looked after them."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from sidecar.jobs.schedule_service import LATENESS_SECONDS


class ScheduleFigures(Protocol):
    """What is told; `sidecar.jobs.schedule_service.ScheduleService` has it."""

    late_counts: list[int]
    late_seconds: float
    made_up: int
    left_out: int


class ScheduleMetrics(Collector):
    """Of all platforms together each due time is counted once."""

    def __init__(self, service: ScheduleFigures) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape."""
        service = self._service
        bounds = [*map(str, LATENESS_SECONDS), "+Inf"]
        yield HistogramMetricFamily(
            "scriptforge_schedule_lateness_seconds",
            "How long after its due time a schedule's job was added, but for those that were missed.",
            buckets=list(zip(bounds, accumulate(service.late_counts), strict=True)),
            sum_value=service.late_seconds,
        )
        runs = CounterMetricFamily("scriptforge_schedule_runs", "Jobs added for schedules.", labels=("made_up",))
        runs.add_metric(("no",), sum(service.late_counts))
        runs.add_metric(("yes",), service.made_up)
        yield runs
        yield CounterMetricFamily(
            "scriptforge_schedule_missed", "Due times of schedules without a job of their own.", service.left_out
        )
