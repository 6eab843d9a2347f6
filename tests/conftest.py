"""SIGTERM ends a test run as Ctrl-C does: fixtures end what they have started. No property is judged by the clock."""

import signal
import sys
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings


def pytest_configure() -> None:
    signal.signal(signal.SIGTERM, _end)
    # Ignored where a shell without job control has put the run into the background, and so by every program it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Of the profile that holds here, which in CI is another one. A busy machine takes 200 ms over anything.
    settings.register_profile("any machine", settings(), deadline=None, suppress_health_check=(HealthCheck.too_slow,))
    settings.load_profile("any machine")


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.stderr.write("SIGTERM\n")
    raise KeyboardInterrupt


def pytest_unconfigure(config: pytest.Config) -> None:
    del config
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
