"""One attempt of a job: its run, and what is said to the queue when it is over."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sidecar.jobs.leases import Leased
from sidecar.queue.job import RUNS, Job, JobError
from sidecar.queue.life import AnyStep, Complete, Fail, GiveBack, Lose
from sidecar.runs.answers import Answer
from sidecar.runs.outcomes import OutcomeName

if TYPE_CHECKING:
    from sandbox.outcome import LogLine
    from sandbox.run import Run
    from sidecar.hosts.job_host import JobHost


class JobRun(Leased):
    """A job that is ours."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.id, {"job": job.id})
        self.job = job
        self.host: JobHost | None = None
        self.run: Run | asyncio.Task[AnyStep] | None = None
        """What is under way: a script, or what a webhook is told."""

    @property
    def lines(self) -> "Sequence[LogLine]":
        """What its script has written to its console so far, as of its last turn."""
        return () if self.run is None or isinstance(self.run, asyncio.Task) else self.run.log

    def cancel(self) -> None:
        """Give its run up, if it is not over."""
        if self.run is not None:
            self.run.cancel()


ANSWERS: Final = range(HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR)
_LATER: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


def step_of(job: Job, answer: Answer, *, outage: bool = False) -> AnyStep:
    """What an attempt's end means for its job. ``outage`` is whether something of ours did not answer its script.

    What its script did counts as an attempt: a throw, and what it must not use. What was not the script's does not: a
    worker that died is a loss, which may be the script's after all, and is not borne for ever; a run that was never
    begun, or that was cancelled at the end of the platform, is given back; one that failed while something of ours did
    not answer is tried again later. Of a run that nobody waits for a status below 500 is an answer, for which it is
    over, unless the status itself says that it may be asked again.
    """
    match answer.outcome:
        case OutcomeName.RETURNED if not answer.failed:
            return Complete(job.id, job.lease, _json(answer.value))
        case OutcomeName.RETURNED:
            # An error that over HTTP would be a status: the job has it as it was thrown.
            text = f"{answer.status} {answer.error}" if answer.error else str(answer.status)
            is_answer = answer.status in ANSWERS
            error = JobError(text, answer.name or "Error", answer.status)
            final = job.queue == RUNS and is_answer and answer.status not in _LATER
            return Fail(job.id, job.lease, error, final=final, outage=outage and not is_answer)
        case OutcomeName.CRASHED:
            return Lose(job.id, job.lease)
        case OutcomeName.REFUSED | OutcomeName.CANCELLED:
            return GiveBack(job.id, job.lease)
    error = JobError(answer.error or answer.message, answer.name or "Error", answer.status)
    return Fail(job.id, job.lease, error, outage=outage and answer.outcome is not OutcomeName.OUT_OF_MEMORY)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
