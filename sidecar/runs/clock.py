"""Times as runs are given them."""

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def since_1970(time: datetime) -> float:
    """Milliseconds since 1970: a `sandbox.program.Invocation.clock`."""
    return (time - _EPOCH) / _MILLISECOND
