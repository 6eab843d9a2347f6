"""What the end of an attempt means for its job."""

import pytest

from sidecar.jobs.job_run import step_of
from sidecar.queue import life
from sidecar.queue.job import DEFAULT_QUEUE, RUNS, Job, NewJob
from sidecar.queue.life import AnyStep, Complete, Fail, GiveBack, Lose
from sidecar.runs.answers import Answer
from sidecar.runs.outcomes import OutcomeName


def job(queue: str = DEFAULT_QUEUE) -> Job:
    return life.added(NewJob(tenant="acme", script="s", queue=queue), "1", "s", "", 0)


def step(status: int, outcome: OutcomeName, queue: str = DEFAULT_QUEUE, *, outage: bool = False) -> AnyStep:
    return step_of(job(queue), Answer(status=status, outcome=outcome, error="why", name="Error"), outage=outage)


def test_what_came_to_its_end_is_complete_whatever_was_away_meanwhile() -> None:
    for outage in (False, True):
        answer = Answer(status=200, outcome=OutcomeName.RETURNED, value={"a": 1})
        assert step_of(job(), answer, outage=outage) == Complete("1", 0, '{"a":1}')


@pytest.mark.parametrize("status", [400, 402, 404, 408, 425, 429, 500, 503])
def test_a_status_that_was_thrown_is_an_answer_of_a_run_that_nobody_waits_for(status: int) -> None:
    failed = step(status, OutcomeName.RETURNED, RUNS)
    assert isinstance(failed, Fail)
    assert failed.final == (status in (400, 402, 404))
    of_job = step(status, OutcomeName.RETURNED)
    assert isinstance(of_job, Fail)
    assert not of_job.final


@pytest.mark.parametrize(
    ("status", "outcome", "outage"),
    [
        (500, OutcomeName.SCRIPT_ERROR, True),
        (504, OutcomeName.TIMED_OUT, True),
        (503, OutcomeName.RETURNED, True),
        (402, OutcomeName.RETURNED, False),
        (500, OutcomeName.OUT_OF_MEMORY, False),
    ],
)
def test_a_failure_is_an_outages_where_it_may_be(status: int, outcome: OutcomeName, *, outage: bool) -> None:
    failed = step(status, outcome, outage=True)
    assert isinstance(failed, Fail)
    assert failed.outage == outage
    before = step(status, outcome)
    assert isinstance(before, Fail)
    assert not before.outage


def test_what_was_not_the_scripts_is_no_failure() -> None:
    assert step(500, OutcomeName.CRASHED, outage=True) == Lose("1", 0)
    for outcome in (OutcomeName.REFUSED, OutcomeName.CANCELLED):
        assert step(503, outcome, outage=True) == GiveBack("1", 0)
