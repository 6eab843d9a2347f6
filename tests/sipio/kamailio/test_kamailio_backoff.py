"""When a lost Kamailio is tried again."""

from random import Random

from sipio.kamailio.backoff import Backoff
from sipio.kamailio.limits import KamailioLimits


def test_backoff_doubles_to_its_cap_and_forgets_after_a_stable_connection() -> None:
    limits = KamailioLimits(reconnect_min_seconds=0.1, reconnect_max_seconds=1.0)
    backoff = Backoff(limits, Random(1))  # noqa: S311 - jitter, no secret
    waits = [backoff.failed(0.0) for _ in range(8)]
    for wait, longest in zip(waits, [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 1.0], strict=True):
        assert longest / 2 <= wait <= longest
    backoff.connected(10.0)
    assert backoff.failed(10.5) >= 0.5, "closed at once: refused, not stable"
    backoff.connected(20.0)
    assert backoff.failed(30.0) <= 0.1
