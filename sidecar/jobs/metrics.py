"""What Prometheus is told of jobs: how many there are in the database, and what this process has done with them."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Final, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sidecar.jobs.deliveries import OUTCOMES
from sidecar.queue.job import JobState
from sidecar.queue.looking import Depth
from sidecar.runs.outcomes import FAILURES, OutcomeName

ATTEMPTS: Final = (OutcomeName.RETURNED, *sorted(FAILURES), OutcomeName.CANCELLED)
"""The outcomes of an attempt."""


def signal_of(depth: Depth, at_once: int) -> dict[str, float]:
    """What scales platforms, by the names of metrics without their beginning; ``at_once`` is how many jobs one platform
    has under way."""
    waiting = depth.counts.get(JobState.WAITING, 0)
    active = depth.counts.get(JobState.ACTIVE, 0)
    return {
        "jobs_waiting": waiting,
        "jobs_active": active,
        "jobs_oldest_seconds": round(depth.oldest_seconds, 3),
        "platforms_wanted": max(1, math.ceil((waiting + active) / at_once)),
    }


class JobFigures(Protocol):
    """What is told; `sidecar.jobs.service.JobService` has it."""

    depth: Depth
    outcomes: Counter[OutcomeName]
    ends: Counter[JobState]
    webhook_events: Counter[str]

    @property
    def lost(self) -> int:
        """Attempts whose job was somebody else's before they were over."""
        ...

    @property
    def under_way(self) -> int:
        """Jobs of this process."""
        ...


class JobMetrics(Collector):
    """The figures of the database are as old as the last count, and the same on every platform."""

    def __init__(self, service: JobFigures, at_once: int) -> None:
        """``at_once``: how many jobs a platform has under way."""
        self._service = service
        self._at_once = at_once

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape."""
        service = self._service
        jobs = GaugeMetricFamily("scriptforge_jobs", "Jobs in the database by state.", labels=("state",))
        for state in JobState:
            jobs.add_metric((state.value,), service.depth.counts.get(state, 0))
        yield jobs
        yield GaugeMetricFamily(
            "scriptforge_jobs_oldest_seconds",
            "How long the job waits that has waited longest.",
            service.depth.oldest_seconds,
        )
        yield GaugeMetricFamily(
            "scriptforge_platforms_wanted",
            "How many platforms would have all jobs under way that wait or are.",
            signal_of(service.depth, self._at_once)["platforms_wanted"],
        )
        yield GaugeMetricFamily("scriptforge_jobs_running", "Jobs under way in this process.", service.under_way)
        attempts = CounterMetricFamily(
            "scriptforge_job_attempts", "Attempts ended in this process.", labels=("outcome",)
        )
        for outcome in ATTEMPTS:
            attempts.add_metric((outcome.value,), service.outcomes[outcome])
        yield attempts
        ends = CounterMetricFamily(
            "scriptforge_job_ends", "What became of a job at the end of an attempt.", labels=("state",)
        )
        for state in JobState:
            if state is not JobState.ACTIVE:
                ends.add_metric((state.value,), service.ends[state])
        yield ends
        yield CounterMetricFamily(
            "scriptforge_jobs_lost", "Attempts whose job was another process's before they were over.", service.lost
        )
        told = CounterMetricFamily(
            "scriptforge_webhook_events",
            "Events told to webhooks by this process, and attempts that failed, for good or not.",
            labels=("outcome",),
        )
        for name in OUTCOMES:
            told.add_metric((name,), service.webhook_events[name])
        yield told


class CallEventFigures(Protocol):
    """What is told; `sidecar.jobs.call_events.CallEvents` has it."""

    @property
    def told(self) -> int: ...

    @property
    def unreadable(self) -> int: ...


class CallEventMetrics(Collector):
    """What has become of the call records of this machine."""

    def __init__(self, events: CallEventFigures) -> None:
        self._events = events

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape."""
        yield CounterMetricFamily(
            "scriptforge_call_records_told", "Call records of which webhooks are told.", self._events.told
        )
        yield CounterMetricFamily(
            "scriptforge_call_records_unreadable", "Lines of call records that are none.", self._events.unreadable
        )
