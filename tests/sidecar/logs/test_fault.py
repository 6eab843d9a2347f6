"""What is said of something that cannot be done for now."""

import logging

import pytest

from sidecar.logs.fault import FAULT_CHARACTERS, Fault
from sidecar.logs.logger import ActionLogger


@pytest.fixture
def fault() -> Fault:
    return Fault(ActionLogger("sidecar.faults"), "jobs_not_taken", "jobs_taken_again")


def test_its_begin_and_its_end_are_logged_and_nothing_between(fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for text in ("", "gone", "gone still", "", ""):
        fault.found(text)
    assert [record.getMessage() for record in caplog.records] == ["jobs_not_taken", "jobs_taken_again"]


def test_health_has_what_was_found_last_in_a_line(fault: Fault) -> None:
    fault.found("away")
    fault.found("x" * 1_000)
    assert fault.text == "x" * FAULT_CHARACTERS
    fault.found("")
    assert fault.text == ""


def test_a_bug_is_logged_each_time_and_its_end_once(fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(2):
        try:
            [].pop()
        except IndexError:
            fault.crashed("see the log")
    assert fault.text == "see the log"
    fault.found("")
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.ERROR, logging.INFO]
    assert all(record.exc_info for record in caplog.records[:2])
