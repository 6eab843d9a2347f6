"""Failures in words."""

import pytest

from sandbox.outcome import Completion, Interruption, Location, Stage, TimedOut, TimeLimit
from sandbox.program import Program
from sidecar.runs.failure import Failure, failure_of
from sidecar.runs.outcomes import OutcomeName

TEXT = """function main(data) {
  const a = data.x;

  while (true) {
    data.y += 1;
  }
}
function other() { for (;;); }"""
PROGRAM = Program(key="1", name="a.js", suspends=False, text=TEXT, adapter="")


@pytest.mark.parametrize(
    ("limit", "interruption", "message", "location"),
    [
        (TimeLimit.WALL, None, "the time limit was reached", ""),
        (
            TimeLimit.WALL,
            Interruption(Stage.WAITING, 1.984),
            "the time limit was reached: it had waited for 1.98 s for what it awaits",
            "",
        ),
        (
            TimeLimit.WALL,
            Interruption(Stage.QUEUED, 0.2),
            "the time limit was reached: it had stood in the queue for 0.2 s",
            "",
        ),
        (
            TimeLimit.CPU,
            Interruption(Stage.RUNNING, 2.0, "main", Location(5, 5)),
            "the limit of processor time was reached: it had run for 2 s, in the loop here",
            "a.js:4:3",
        ),
        (
            TimeLimit.CPU,
            Interruption(Stage.RUNNING, 2.0, "main", Location(2, 13)),
            "the limit of processor time was reached: it had run for 2 s, in the loop here",
            "a.js:4:3",
        ),
        (
            TimeLimit.CPU,
            Interruption(Stage.RUNNING, 2.0, "other", Location(8, 1)),
            "the limit of processor time was reached: it had run for 2 s, in the loop here",
            "a.js:8:20",
        ),
        (
            TimeLimit.CPU,
            Interruption(Stage.RUNNING, 2.0, "sort", Location(80, 1)),
            "the limit of processor time was reached: it had run for 2 s, in sort",
            "",
        ),
    ],
)
def test_a_time_out_says_what_the_run_was_at(
    limit: TimeLimit, interruption: Interruption | None, message: str, location: str
) -> None:
    completion = Completion(TimedOut(limit), interruption=interruption)
    assert failure_of(completion, PROGRAM) == Failure(OutcomeName.TIMED_OUT, message, location)
