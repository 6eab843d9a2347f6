"""What a process has used of the processors: read once a millisecond, and never less than it was at the reading."""

import time

import pytest

from sandbox.processor_time import READING_SECONDS, ProcessorTime


def test_between_readings_what_passes_counts_as_used(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([5.0, 5.25])
    monkeypatch.setattr(time, "process_time", lambda: next(readings))
    used = ProcessorTime()
    assert used.at(100.0) == 5.0
    assert used.at(100.0 + READING_SECONDS / 4) == pytest.approx(5.0 + READING_SECONDS / 4)
    assert used.at(100.0 + READING_SECONDS / 2) == pytest.approx(5.0 + READING_SECONDS / 2)
    assert used.at(101.0) == 5.25
    assert used.at(101.0 + READING_SECONDS / 2) == pytest.approx(5.25 + READING_SECONDS / 2)
