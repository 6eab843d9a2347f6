"""What Prometheus is told of each script: how often it ran, how often it failed, how long it took."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from sidecar.runs.runner import PoolName
from sidecar.runs.script_counts import ScriptCount


class ScriptMetrics(Collector):
    """The totals of each script in each pool."""

    def __init__(self, counts: Mapping[PoolName, Callable[[], Mapping[str, ScriptCount]]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape."""
        labels = ("pool", "script")
        runs = CounterMetricFamily("scriptforge_per_script_runs", "Runs of each script ended.", labels=labels)
        failures = CounterMetricFamily("scriptforge_per_script_failures", "Those that failed.", labels=labels)
        seconds = CounterMetricFamily("scriptforge_per_script_seconds", "Their time, summed.", labels=labels)
        for pool, counts in self._counts.items():
            for script, count in counts().items():
                runs.add_metric((pool.value, script), count.runs)
                failures.add_metric((pool.value, script), count.failures)
                seconds.add_metric((pool.value, script), count.micros / 1e6)
        yield runs
        yield failures
        yield seconds
