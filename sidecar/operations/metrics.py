"""What Prometheus is told: decisions counted as they happen, everything else read when it is asked for."""

import platform
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from sidecar.operations.records import DecisionRecord

STAGE_BOUNDS_MICROS: Final = (
    *(50, 100, 150, 200, 300, 500),
    *(1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000),
    *(1_000_000, 2_000_000, 5_000_000),
)
"""Upper bounds of the latency buckets: narrow around the 190 us of an ordinary decision, wide to the longest
timeout that an operator sets."""

STAGES: Final = 32
"""Stage names followed; they are ours and few, so one past this is a bug, and must not grow the page."""

BREAKER_STATES: Final = ("closed", "half_open", "open")


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogState:
    """Which scripts and assignments run, and what became of the last attempt to load others."""

    version: str
    reload_succeeded: bool
    reload_time: float
    """Unix time of the last attempt."""
    problems: int
    """Problems that the last attempt found."""


def _none() -> Mapping[str, int]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where a scrape reads from: each is called in the event loop and gives a plain snapshot at once.

    Keys become label values, so each source keeps them to a closed set. Counts never go down.
    """

    queue_depth: Callable[[], Mapping[str, int]] = _none
    """Runs waiting or running, by lane."""
    workers: Callable[[], Mapping[str, int]] = _none
    """Worker processes, by state."""
    worker_restarts: Callable[[], Mapping[str, int]] = _none
    """Workers replaced since the start, by cause."""
    script_runs: Callable[[], Mapping[str, int]] = _none
    """Runs ended since the start, by outcome; a decision may be several runs."""
    evapi_connected: Callable[[], Mapping[str, bool]] = dict
    """Whether connected, by ``host:port`` of the Kamailio."""
    breaker: Callable[[], Mapping[str, str]] = dict
    """closed, half_open or open, by ``host:port`` of the Kamailio."""
    rpc_connections: Callable[[], Mapping[str, int]] = _none
    """Connections open, by socket (unix, tcp)."""
    rpc_requests: Callable[[], Mapping[str, int]] = _none
    """Requests since the start, by method; unknown methods under one key."""
    rpc_refused: Callable[[], Mapping[str, int]] = _none
    """Requests and connections refused since the start, by reason."""
    catalog: Callable[[], CatalogState | None] = lambda: None
    confined: Callable[[], bool] = lambda: False
    """Whether every worker runs under seccomp."""
    calls_up: Callable[[], Mapping[str, int]] = _none
    """Class 5 calls that are up, by driver."""
    calls: Callable[[], Mapping[str, int]] = _none
    """Class 5 calls ended since the start, by how their script ended."""
    call_workers: Callable[[], int] = lambda: 0
    """Worker processes of scripts that drive calls."""
    log_lines_dropped: Callable[[], int] = lambda: 0


class DecisionMetrics(Collector):
    """Counts decisions. For the event loop's thread alone, hence without locks.

    prometheus_client takes 0.6 us for one observation and 1 us for one labelled increment, 4 us for a
    decision of six stages; this takes 1 us for the whole decision.
    """

    def __init__(self) -> None:
        self._decisions: dict[tuple[str, str], int] = {}
        self._rejected: dict[int, int] = {}
        self._stages: dict[str, list[int]] = {}

    def decided(self, record: DecisionRecord) -> None:
        """Count one decision."""
        key = (record.outcome, record.decision)
        self._decisions[key] = self._decisions.get(key, 0) + 1
        code = record.code
        if code:
            self._rejected[code] = self._rejected.get(code, 0) + 1
        stages = self._stages
        for stage, micros in record.micros.items():
            # One list a stage: the count of each bucket, of what is above them all, and the sum at the end.
            try:
                counts = stages[stage]
            except KeyError:
                if len(stages) >= STAGES:
                    continue
                counts = stages[stage] = [0] * (len(STAGE_BOUNDS_MICROS) + 2)
            counts[bisect_left(STAGE_BOUNDS_MICROS, micros)] += 1
            counts[-1] += micros

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape."""
        decisions = CounterMetricFamily("scriptforge_decisions", "Decisions answered.", labels=("outcome", "action"))
        for (outcome, action), count in self._decisions.items():
            decisions.add_metric((outcome, action), count)
        yield decisions
        rejected = CounterMetricFamily(
            "scriptforge_rejected",
            "Calls refused, by the SIP code that the switch was told.",
            labels=("code",),
        )
        for code, count in self._rejected.items():
            rejected.add_metric((str(code),), count)
        yield rejected
        stages = HistogramMetricFamily(
            "scriptforge_stage_seconds", "Time of a decision by stage; total is the whole.", labels=("stage",)
        )
        for stage, counts in self._stages.items():
            stages.add_metric((stage,), _buckets(counts), counts[-1] / 1e6)
        yield stages


class SourceMetrics(Collector):
    """Reads the sources at each scrape."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape."""
        sources = self._sources
        yield _gauge("queue_depth", "Runs without an answer yet, waiting or running.", "lane", sources.queue_depth())
        yield _gauge("workers", "Worker processes by state.", "state", sources.workers())
        yield _counter("worker_restarts", "Workers replaced.", "cause", sources.worker_restarts())
        yield _counter("script_runs", "Runs of scripts ended.", "outcome", sources.script_runs())
        yield _gauge("evapi_connected", "1 while connected to this Kamailio.", "peer", sources.evapi_connected())
        yield _breaker(sources.breaker())
        yield _gauge("rpc_connections", "Connections of switches open.", "socket", sources.rpc_connections())
        yield _counter("rpc_requests", "Requests of switches.", "method", sources.rpc_requests())
        yield _counter("rpc_refused", "Requests and connections of switches refused.", "reason", sources.rpc_refused())
        yield from _catalog(sources.catalog())
        yield _gauge("calls_up", "Calls that scripts drive now.", "driver", sources.calls_up())
        yield _counter("calls", "Calls that scripts drove, ended.", "outcome", sources.calls())
        yield GaugeMetricFamily(
            "scriptforge_call_workers", "Processes of scripts that drive calls.", sources.call_workers()
        )
        yield GaugeMetricFamily("scriptforge_confined", "1 if workers run under seccomp.", int(sources.confined()))
        yield CounterMetricFamily(
            "scriptforge_log_lines_dropped",
            "Log lines lost because standard error was not read.",
            sources.log_lines_dropped(),
        )


class BuildMetrics(Collector):
    """Which build this is."""

    def __init__(self) -> None:
        self._labels = (
            _version("scriptforge-sidecar"),
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


def registry(decisions: DecisionMetrics, sources: Sources) -> CollectorRegistry:
    """Everything on the metrics page, apart from the process-wide default registry."""
    own = CollectorRegistry()
    own.register(decisions)
    own.register(SourceMetrics(sources))
    own.register(BuildMetrics())
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


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    return _filled(GaugeMetricFamily(f"scriptforge_{name}", text, labels=(label,)), values)


def _counter(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    return _filled(CounterMetricFamily(f"scriptforge_{name}", text, labels=(label,)), values)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[str, float]) -> Metric:
    for key, value in values.items():
        family.add_metric((key,), int(value))
    return family


def _breaker(states: Mapping[str, str]) -> Metric:
    family = GaugeMetricFamily(
        "scriptforge_kamailio_breaker", "1 for the state that the breaker is in.", labels=("peer", "state")
    )
    for peer, current in states.items():
        for state in BREAKER_STATES:
            family.add_metric((peer, state), int(state == current))
    return family


def _catalog(state: CatalogState | None) -> Iterable[Metric]:
    info = GaugeMetricFamily("scriptforge_catalog_info", "1 for the version running.", labels=("version",))
    # A family without samples where nothing has been loaded: 0 would say that a reload failed.
    names = (
        ("catalog_reload_success", "1 if the last reload was taken."),
        ("catalog_reload_timestamp_seconds", "Unix time of the last reload."),
        ("catalog_problems", "Problems that the last reload found."),
    )
    values = () if state is None else (int(state.reload_succeeded), state.reload_time, state.problems)
    if state is not None:
        info.add_metric((state.version,), 1)
    yield info
    for index, (name, text) in enumerate(names):
        family = GaugeMetricFamily(f"scriptforge_{name}", text, labels=())
        if values:
            family.add_metric((), values[index])
        yield family


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
