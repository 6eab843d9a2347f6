"""Requests counted: by method, route and status class, none of which a stranger can make more of."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sidecar.http.rates import Rates
from sidecar.http.run_service import RunService
from sidecar.http.script_log import ScriptLog
from sidecar.runs.outcomes import FAILURES, OutcomeName

METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"})
NO_ROUTE: Final = "none"
RUN_OUTCOMES: Final = (OutcomeName.RETURNED, *sorted(FAILURES), OutcomeName.CANCELLED)


class RequestCounts:
    """Totals since the start."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, str]] = Counter()
        self.open = 0
        """Requests and web sockets that have no end yet."""

    def around(self, app: ASGIApp) -> ASGIApp:
        """An application that is counted."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] not in ("http", "websocket"):
                await app(scope, receive, send)
                return
            status = 0

            async def noted(message: Message) -> None:
                nonlocal status
                if message["type"] in ("http.response.start", "websocket.http.response.start"):
                    status = message["status"]
                elif message["type"] == "websocket.accept":
                    status = 101
                await send(message)

            self.open += 1
            try:
                await app(scope, receive, noted)
            finally:
                self.open -= 1
                method = scope.get("method", "websocket")
                method = method if method in METHODS or method == "websocket" else "other"
                route = getattr(scope.get("route"), "path", None) or NO_ROUTE
                self.requests[method, route, f"{status // 100}xx" if status else "none"] += 1

        return counted


class PlatformMetrics(Collector):
    """What Prometheus is told of HTTP and of the runs over it."""

    def __init__(self, counts: RequestCounts, runs: RunService, rates: Rates, log: ScriptLog) -> None:
        self._counts = counts
        self._runs = runs
        self._rates = rates
        self._log = log

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape."""
        requests = CounterMetricFamily(
            "scriptforge_http_requests", "Requests answered.", labels=("method", "route", "status")
        )
        for labels, count in sorted(self._counts.requests.items()):
            requests.add_metric(labels, count)
        yield requests
        yield GaugeMetricFamily("scriptforge_http_open", "Requests and web sockets open.", self._counts.open)
        outcomes: Mapping[OutcomeName, int] = self._runs.outcomes
        runs = CounterMetricFamily("scriptforge_http_runs", "Runs over HTTP by outcome.", labels=("outcome",))
        for outcome in RUN_OUTCOMES:
            runs.add_metric((outcome.value,), outcomes.get(outcome, 0))
        yield runs
        refused = CounterMetricFamily(
            "scriptforge_http_refused", "Requests refused because they came too often.", labels=("limit",)
        )
        for limit, count in self._rates.refused.items():
            refused.add_metric((limit,), count)
        yield refused
        yield CounterMetricFamily(
            "scriptforge_script_log_dropped", "Lines of scripts that were not kept.", self._log.dropped
        )
