"""What Prometheus is told: decisions, counted as they happen, the build and the process. `part_metrics` has what is
read of the parts when it is asked for."""

import platform
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from sidecar import __version__
from sidecar.operations.records import EndedDecision
from sidecar.runs.outcomes import FAILURES, OutcomeName
from sipio.routing import Action

STAGE_BOUNDS_MICROS: Final = (
    *(50, 100, 150, 200, 300, 500),
    *(1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000),
    *(1_000_000, 2_000_000, 5_000_000),
)
"""Upper bounds of the latency buckets: narrow around the 190 us of an ordinary decision, wide to the longest
timeout that an operator sets."""

KNOWN_STAGES: Final = ("total", "script", "transfer", "decide")
"""Those of a decision, shown from the start."""

REJECT_CODES: Final = (403, 404, 480, 486, 487, 500, 503, 600, 603, 604, 607, 608)
"""SIP answers that scripts and failure actions give; shown from the start, others from the first on."""

STAGES: Final = 32
"""Stage names followed; they are ours and few, so one past this is a bug, and must not grow the page."""


_NO_DECISIONS: Final = {
    **{(outcome.value, Action.ROUTE.value): 0 for outcome in (OutcomeName.RETURNED, OutcomeName.UNASSIGNED)},
    **{(outcome.value, Action.REJECT.value): 0 for outcome in (OutcomeName.SIP_ERROR, OutcomeName.CANCELLED)},
    **{(outcome.value, action.value): 0 for outcome in sorted(FAILURES) for action in Action},
}
"""Every way in which a decision may end: a counter that appears with its first event is no step for a rate."""


def _no_counts() -> list[int]:
    return [0] * (len(STAGE_BOUNDS_MICROS) + 2)


class DecisionMetrics(Collector):
    """Counts decisions. For the event loop's thread alone, hence without locks.

    prometheus_client takes 0.6 us for one observation and 1 us for one labelled increment, 4 us for a
    decision of six stages; this takes 1 us for the whole decision.
    """

    def __init__(self) -> None:
        self._decisions: dict[tuple[str, str], int] = {}
        self._rejected: dict[int, int] = {}
        self._stages: dict[str, list[int]] = {stage: _no_counts() for stage in KNOWN_STAGES}

    def decided(self, ended: EndedDecision) -> None:
        """Count one decision."""
        decision = ended.decision
        key = (decision.outcome, decision.action)
        self._decisions[key] = self._decisions.get(key, 0) + 1
        code = decision.code
        if code:
            self._rejected[code] = self._rejected.get(code, 0) + 1
        stages = self._stages
        for stage, micros in decision.micros.items():
            # One list a stage: the count of each bucket, of what is above them all, and the sum at the end.
            try:
                counts = stages[stage]
            except KeyError:
                if len(stages) >= STAGES:
                    continue
                counts = stages[stage] = _no_counts()
            counts[bisect_left(STAGE_BOUNDS_MICROS, micros)] += 1
            counts[-1] += micros

    @property
    def total(self) -> int:
        """Decisions since the start."""
        return sum(self._decisions.values())

    def by_outcome(self) -> dict[str, int]:
        """Decisions since the start, by outcome."""
        totals: Counter[str] = Counter()
        for (outcome, _), count in self._decisions.items():
            totals[outcome] += count
        return dict(totals)

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape."""
        decisions = CounterMetricFamily("scriptforge_decisions", "Decisions answered.", labels=("outcome", "action"))
        for (outcome, action), count in (_NO_DECISIONS | self._decisions).items():
            decisions.add_metric((outcome, action), count)
        yield decisions
        rejected = CounterMetricFamily(
            "scriptforge_rejected",
            "Calls refused, by the SIP code that the switch was told.",
            labels=("code",),
        )
        for code, count in (dict.fromkeys(REJECT_CODES, 0) | self._rejected).items():
            rejected.add_metric((str(code),), count)
        yield rejected
        stages = HistogramMetricFamily(
            "scriptforge_stage_seconds", "Time of a decision by stage; total is the whole.", labels=("stage",)
        )
        for stage, counts in self._stages.items():
            stages.add_metric((stage,), _buckets(counts), counts[-1] / 1e6)
        yield stages


class BuildMetrics(Collector):
    """Which build this is."""

    def __init__(self) -> None:
        self._labels = (
            __version__,
            platform.python_version(),
            _version("quickjs-ng"),
        )

    def collect(self) -> Iterator[Metric]:
        """The one family."""
        info = GaugeMetricFamily("scriptforge_build_info", "Always 1.", labels=("version", "python", "quickjs_ng"))
        info.add_metric(self._labels, 1)
        yield info


class OwnProcess(ProcessCollector):
    """Processor, memory and descriptors of this process.

    The one of prometheus_client wants the boot time from /proc/stat, which ``ProcSubset=pid`` hides, and then
    says nothing at all.
    """

    def _boot_time(self) -> float:
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def registry(*collectors: Collector) -> CollectorRegistry:
    """Everything on the metrics page, apart from the process-wide default registry: what is given, the build, the
    process."""
    own = CollectorRegistry()
    for collector in (*collectors, BuildMetrics()):
        own.register(collector)
    OwnProcess(registry=own)
    return own


def _buckets(counts: list[int]) -> list[tuple[str, float]]:
    buckets: list[tuple[str, float]] = []
    below = 0
    for bound, count in zip(STAGE_BOUNDS_MICROS, counts, strict=False):
        below += count
        buckets.append((str(bound / 1e6), below))
    buckets.append(("+Inf", below + counts[-2]))
    return buckets


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
