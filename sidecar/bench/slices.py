"""Short measurements taken in turn, so that what else the machine does falls on all that is compared alike."""

import statistics
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LEAD_SHARE: Final = 0.1
"""Share of a slice that goes before and is not measured: caches and warm contexts are still another slice's."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One measurement of one case. Times in seconds, processor times over the whole slice."""

    seconds: float
    latencies: "array[float]"
    """One entry in seconds for each request that was answered."""
    server_cpu: float
    workers_cpu: float
    client_cpu: float

    @property
    def rate(self) -> float:
        """Requests answered in a second; 0 for a slice that took no time."""
        return len(self.latencies) / self.seconds if self.seconds > 0 else 0.0


def percentile(slices: Sequence[Slice], share: float) -> float:
    """The latency that this share of the requests of all slices did not pass."""
    latencies = sorted(latency for one in slices for latency in one.latencies)
    return latencies[min(len(latencies) - 1, int(len(latencies) * share))] if latencies else 0.0


def median_rate(slices: Sequence[Slice]) -> float:
    """Requests a second, of the slices' median."""
    return statistics.median(one.rate for one in slices)


def median_ratio(slices: Sequence[Slice], others: Sequence[Slice]) -> float:
    """How many times as many requests a second as others had in the same rounds, of the rounds' median."""
    pairs = zip(slices, others, strict=True)
    return statistics.median(one.rate / other.rate if other.rate else 0.0 for one, other in pairs)


def per_request(cpu: Sequence[float], slices: Sequence[Slice]) -> float:
    """Processor time a request, of the slices' median."""
    pairs = zip(cpu, slices, strict=True)
    return statistics.median(seconds / len(one.latencies) if one.latencies else 0.0 for seconds, one in pairs)
