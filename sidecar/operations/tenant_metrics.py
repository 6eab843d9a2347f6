"""What Prometheus is told of tenants: what their apps used, and what was refused of them."""

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from sidecar.hosts.usage import Usage

OTHER: Final = "other"
"""Stands for the apps past the cap. A tenant of that name is counted with them."""
_USED: Final[tuple[tuple[str, str, Callable[..., float]], ...]] = (
    ("scriptforge_tenant_runs", "Runs of scripts ended, by tenant and app.", lambda used: used.runs),
    ("scriptforge_tenant_cpu_seconds", "Processor time of scripts.", lambda used: used.cpu_us / 1e6),
    ("scriptforge_tenant_host_calls", "Answers of modules of the host.", lambda used: used.host_calls),
    ("scriptforge_tenant_host_bytes", "Bytes of those answers.", lambda used: used.bytes),
)


class TenantMetrics(Collector):
    """The first apps that ran by their names, so many of them, and all others together."""

    def __init__(self, usage: Usage, most: int) -> None:
        self._usage = usage
        self._most = most

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape."""
        totals = list(self._usage.totals())
        for name, words, value in _USED:
            family = CounterMetricFamily(name, words, labels=("tenant", "app"))
            rest = 0.0
            for number, (tenant, app, used) in enumerate(totals):
                if number >= self._most or tenant == OTHER:
                    rest += value(used)
                else:
                    family.add_metric((tenant, app), value(used))
            family.add_metric((OTHER, OTHER), rest)
            yield family
        refused = CounterMetricFamily(
            "scriptforge_tenant_refused", "What a limit of the tenant has refused.", labels=("tenant", "limit")
        )
        others: dict[str, int] = {}
        for number, allowance in enumerate(self._usage.allowances()):
            for limit, count in sorted(allowance.refused.items()):
                if number >= self._most or allowance.tenant == OTHER:
                    others[limit] = others.get(limit, 0) + count
                else:
                    refused.add_metric((allowance.tenant, limit), count)
        for limit, count in sorted(others.items()):
            refused.add_metric((OTHER, limit), count)
        yield refused
