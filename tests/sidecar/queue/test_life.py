"""A job's life: whatever those who have it do, and in whatever order, it is finished by one, and is never stuck."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from sidecar.queue import life
from sidecar.queue.errors import LeaseLost, WrongJob, WrongState
from sidecar.queue.job import LONGEST_BACKOFF_MS, LOSSES, MICROS, Backoff, Job, JobError, JobState, NewJob
from sidecar.queue.life import AnyStep, Complete, Fail, GiveBack, Keeping, Lose, Note, Renew

KEEPING = Keeping(completed=60, failed=600)
LEASE = 30 * MICROS
ERROR = JobError("again")


def job(now: int = 0, **more: Any) -> Job:
    return life.added(NewJob(tenant="acme", script="s", **more), "1", "s", "app", now)


def taken(now: int = 0, **more: Any) -> Job:
    return life.taken(job(now, **more), "one", now, LEASE)


class Lives(RuleBasedStateMachine):
    """One job, workers that take it, die, wake up again, and are too late."""

    @st.composite
    @staticmethod
    def steps(draw: st.DrawFn) -> Any:
        return draw(st.sampled_from(("renew", "note", "complete", "fail", "final", "outage", "back", "lose")))

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000
        self.job = job(self.now)
        self.leases: list[int] = []
        """Every one that somebody was ever given, and still believes in."""
        self.finished_by: list[int] = []
        self.begun = 0

    @rule(attempts=st.integers(1, 4), backoff=st.sampled_from(Backoff), wait=st.sampled_from((0, 5, 3_000)))
    @precondition(lambda self: self.job.state is JobState.WAITING and not self.leases and not self.job.attempt)
    def is_of(self, attempts: int, backoff: Backoff, wait: int) -> None:
        self.job = job(self.now, attempts=attempts, backoff=backoff, backoff_ms=wait)

    @rule(micros=st.sampled_from((1, MICROS, LEASE, 10 * LEASE)))
    def time_passes(self, micros: int) -> None:
        self.now += micros

    @rule()
    def somebody_takes_it(self) -> None:
        if self.job.state is not JobState.WAITING:
            with pytest.raises(WrongState):
                life.taken(self.job, "x", self.now, LEASE)
            return
        self.job = life.taken(self.job, "x", self.now, LEASE)
        assert self.job.lease not in self.leases
        self.leases.append(self.job.lease)
        self.begun += 1

    @rule(data=st.data(), what=steps())
    @precondition(lambda self: self.leases)
    def somebody_goes_on(self, data: st.DataObject, what: str) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        steps: dict[str, AnyStep] = {
            "renew": Renew("1", lease, LEASE),
            "note": Note("1", lease, "[1]", "0.5"),
            "complete": Complete("1", lease, "2"),
            "fail": Fail("1", lease, ERROR),
            "final": Fail("1", lease, ERROR, final=True),
            "outage": Fail("1", lease, ERROR, outage=True),
            "back": GiveBack("1", lease),
            "lose": Lose("1", lease),
        }
        step = steps[what]
        before = self.job
        if before.state is not JobState.ACTIVE or before.lease != lease:
            with pytest.raises(LeaseLost):
                life.apply(step, before, self.now, KEEPING)
            return
        self.job = life.apply(step, before, self.now, KEEPING)
        if what == "complete":
            self.finished_by.append(lease)

    @rule()
    def somebody_looks_for_leases_that_have_ended(self) -> None:
        if self.job.state is JobState.ACTIVE and self.job.due <= self.now:
            self.job = life.expired(self.job, self.now, KEEPING)
        else:
            with pytest.raises(WrongState):
                life.expired(self.job, self.now, KEEPING)

    @rule()
    def somebody_looks_for_what_is_due(self) -> None:
        if self.job.state is JobState.DELAYED and self.job.due <= self.now:
            self.job = life.ripe(self.job, self.now)

    @rule()
    def it_is_retried_by_hand(self) -> None:
        if self.job.state in (JobState.FAILED, JobState.DELAYED):
            self.job = life.retried(self.job, self.now)
            assert (self.job.attempt, self.job.losses, self.job.state) == (0, 0, JobState.WAITING)

    @invariant()
    def it_is_finished_by_one(self) -> None:
        assert len(self.finished_by) <= 1
        assert (self.job.state is JobState.COMPLETED) == (len(self.finished_by) == 1)

    @invariant()
    def what_counts_is_within_its_bounds(self) -> None:
        assert 0 <= self.job.attempt <= self.job.attempts
        assert 0 <= self.job.losses <= LOSSES + 1
        assert self.job.lease == self.begun

    @invariant()
    def it_is_never_stuck(self) -> None:
        """Whatever it is, something is due at a time that is not too far away."""
        longest = {
            JobState.DELAYED: LONGEST_BACKOFF_MS * 1_000,
            JobState.WAITING: 0,
            JobState.ACTIVE: LEASE,
            JobState.COMPLETED: KEEPING.completed * MICROS,
            JobState.FAILED: KEEPING.failed * MICROS,
        }[self.job.state]
        assert self.job.due <= self.now + longest

    @invariant()
    def who_has_it_is_known_while_it_is_active(self) -> None:
        assert bool(self.job.owner) == (self.job.state is JobState.ACTIVE)
        assert (self.job.finished is not None) == self.job.is_over


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


def test_attempts_are_counted_and_the_last_error_stays() -> None:
    one = taken(attempts=2)
    again = life.apply(Fail("1", 1, ERROR), one, 5, KEEPING)
    assert (again.state, again.attempt, again.error) == (JobState.WAITING, 1, ERROR)
    dead = life.apply(Fail("1", 2, JobError("no", "TypeError")), life.taken(again, "x", 6, LEASE), 7, KEEPING)
    assert (dead.state, dead.attempt, dead.error) == (JobState.FAILED, 2, JobError("no", "TypeError"))
    assert dead.due == 7 + KEEPING.failed * MICROS


def test_what_is_lost_is_no_attempt_three_times() -> None:
    one = job(attempts=1)
    for number in range(1, LOSSES + 1):
        one = life.expired(life.taken(one, "x", 0, LEASE), LEASE, KEEPING)
        assert (one.state, one.attempt, one.losses, life.number_of(one)) == (JobState.WAITING, 0, number, 1)
    dead = life.apply(Lose("1", one.lease + 1), life.taken(one, "x", 0, LEASE), 1, KEEPING)
    assert dead.state is JobState.FAILED
    assert dead.error == JobError("its process has died or was cut off 4 times while it ran")


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [(Backoff.FIXED, [50, 50, 50, 50]), (Backoff.EXPONENTIAL, [50, 100, 200, 400])],
)
def test_between_attempts_it_waits(backoff: Backoff, waits: list[int]) -> None:
    one = job(attempts=5, backoff=backoff, backoff_ms=50)
    found = []
    for _ in waits:
        one = life.apply(Fail("1", one.lease + 1, ERROR), life.taken(one, "x", 0, LEASE), 0, KEEPING)
        assert one.state is JobState.DELAYED
        found.append(one.due // 1000)
        one = life.ripe(one, one.due)
    assert found == waits


@pytest.mark.parametrize(("age", "wait"), [(0, 10), (5, 10), (60, 60), (3_600, 600)])
def test_an_outage_is_no_attempt_and_is_waited_for_twice_as_long_each_time(age: int, wait: int) -> None:
    one = life.taken(job(), "x", age * MICROS, LEASE)
    again = life.apply(Fail("1", 1, ERROR, outage=True), one, age * MICROS, KEEPING)
    assert (again.state, again.attempt, again.losses, again.error, again.owner) == (JobState.DELAYED, 0, 0, ERROR, "")
    assert again.due == (age + wait) * MICROS


def test_an_outage_of_more_than_a_day_is_a_failure() -> None:
    now = life.OUTAGE_SECONDS * MICROS
    dead = life.apply(Fail("1", 1, ERROR, outage=True), life.taken(job(), "x", now, LEASE), now, KEEPING)
    assert (dead.state, dead.attempt) == (JobState.FAILED, 1)


def test_the_longest_wait_is_a_day() -> None:
    one = job(attempts=100, backoff=Backoff.EXPONENTIAL, backoff_ms=60_000)
    for number in (1, 12, 64, 99):
        late = life.backoff_of(replace(one, attempt=number))
        assert late == min(60_000 * 2 ** (number - 1), LONGEST_BACKOFF_MS)


def test_a_delayed_job_may_be_run_now() -> None:
    one = job(delay_ms=1_000)
    assert (one.state, one.due) == (JobState.DELAYED, 1_000_000)
    with pytest.raises(WrongState, match="the job 1 is not due: it is delayed"):
        life.ripe(one, 999_999)
    assert life.retried(one, 7).state is JobState.WAITING
    with pytest.raises(WrongState, match="is neither failed nor delayed: it is waiting"):
        life.retried(job(), 7)


def test_what_is_over_is_forgotten_when_its_time_has_come() -> None:
    done = life.apply(Complete("1", 1, "2"), taken(keep_seconds=5), 10, KEEPING)
    assert not life.forgotten(done, 10)
    assert life.forgotten(done, 10 + 5 * MICROS)
    assert not life.forgotten(job(), 10**18)
    assert life.apply(Complete("1", 1, "2"), taken(), 10, KEEPING).due == 10 + 60 * MICROS


def test_what_is_too_long_is_not_kept() -> None:
    failed = life.check(Complete("1", 1, '"' + "ä" * 300_000 + '"'))
    assert isinstance(failed, Fail)
    assert failed.final
    assert failed.error.name == "RangeError"
    with pytest.raises(ValueError, match="the data has more than 500000 bytes"):
        life.check(Note("1", 1, data="x" * 500_001))
    with pytest.raises(ValueError, match="the progress has more than 4000 bytes"):
        life.check(Note("1", 1, progress="x" * 4_001))
    long = life.check(Fail("1", 1, JobError("x" * 9_000, "y" * 9_000)))
    assert isinstance(long, Fail)
    assert len(long.error.message) == len(long.error.name) == 2_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"attempts": 101},
        {"delay_ms": -1},
        {"backoff_ms": -1},
        {"priority": -1},
        {"priority": 2_097_153},
        {"queue": ""},
        {"queue": "a b"},
        {"function": "a-b"},
        {"key": ""},
        {"key": "a\0"},
        {"key": "\ud800"},
        {"key": "x" * 257},
        {"keep_seconds": -1},
        {"data": "x" * 500_001},
    ],
)
def test_what_is_no_job_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(WrongJob):
        job(**wrong)
