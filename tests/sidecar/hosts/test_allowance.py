"""What is left to a tenant: levels that drain, limits that change, and what is told of them."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.catalog.compile import make_script
from sidecar.catalog.limits import TenantLimits, decode_limits, encode_limits
from sidecar.hosts import allowance as module
from sidecar.hosts.allowance import LONGEST_WAIT, Allowance
from sidecar.hosts.usage import Usage
from sidecar.kind import Kind
from tests.sidecar.hosts.moved_clock import MovedClock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    clock = MovedClock()
    monkeypatch.setattr(module, "_now", clock)
    return clock


def test_a_tenant_without_limits_may_run_anything() -> None:
    allowance = Allowance("acme")
    assert [allowance.begin() for _ in range(1_000)] == [None] * 1_000
    assert allowance.running == 1_000


def test_runs_at_once_are_those_that_are_not_over() -> None:
    allowance = Allowance("acme", TenantLimits(runs_at_once=2))
    assert [allowance.begin(), allowance.begin()] == [None, None]
    over = allowance.begin()
    assert over == ("runs_at_once", "more than 2 runs at once", 1.0)
    allowance.ended()
    assert allowance.begin() is None
    assert allowance.refused == {"runs_at_once": 1}


def test_runs_a_second_come_back_as_time_goes_by(clock: MovedClock) -> None:
    allowance = Allowance("acme", TenantLimits(runs_a_second=10))
    assert [allowance.begin() for _ in range(10)] == [None] * 10
    over = allowance.begin()
    assert over is not None
    assert over.why == "more than 10 runs a second"
    assert over.seconds == pytest.approx(0.1)
    clock.now += 0.1001
    assert [allowance.begin() is None for _ in range(2)] == [True, False]
    clock.now += 100
    assert [allowance.begin() is None for _ in range(11)] == [True] * 10 + [False]


def test_processor_time_past_the_limit_is_paid_back(clock: MovedClock) -> None:
    allowance = Allowance("acme", TenantLimits(cpu_ms_a_minute=6_000))
    assert allowance.begin() is None
    allowance.used_cpu(9_000_000)
    over = allowance.begin()
    assert over is not None
    assert over.why == "more than 6_000 ms of processor time a minute"
    clock.now += 30
    assert allowance.begin() is not None
    clock.now += 1
    assert allowance.begin() is None


def test_questions_and_the_bytes_of_their_answers_have_limits_of_their_own(clock: MovedClock) -> None:
    calls = Allowance("acme", TenantLimits(host_calls_a_minute=60))
    assert [calls.question() for _ in range(60)] == [None] * 60
    over = calls.question()
    assert over is not None
    assert over.limit == "host_calls_a_minute"
    assert calls.begin() is None, "a run may begin all the same"
    size = Allowance("acme", TenantLimits(host_bytes_a_minute=600))
    assert size.question() is None
    size.answered(601)
    assert size.question() is not None
    clock.now += 1
    assert size.question() is None


def test_nothing_at_all_is_a_limit_as_well() -> None:
    allowance = Allowance("acme", TenantLimits(runs_a_second=0))
    over = allowance.begin()
    assert over is not None
    assert over.seconds == LONGEST_WAIT
    assert Allowance("acme", TenantLimits(runs_at_once=0)).begin() is not None


def test_another_limit_forgets_nothing_of_what_was_used(clock: MovedClock) -> None:
    allowance = Allowance("acme", TenantLimits(cpu_ms_a_minute=1_000, runs_at_once=1))
    assert allowance.begin() is None
    allowance.used_cpu(1_500_000)
    allowance.limit(TenantLimits(cpu_ms_a_minute=2_000, runs_at_once=2))
    assert allowance.begin() is None
    assert allowance.begin() is not None
    allowance.limit(TenantLimits(cpu_ms_a_minute=1_200))
    assert allowance.begin() is not None
    allowance.limit(TenantLimits())
    assert allowance.begin() is None
    clock.now += 1


def test_it_is_told_once_a_minute(clock: MovedClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    allowance = Allowance("acme", TenantLimits(runs_at_once=0))
    for _ in range(50):
        allowance.begin()
    assert [one.__dict__["limit"] for one in caplog.records] == ["runs_at_once"]
    clock.now += 61
    allowance.begin()
    assert len(caplog.records) == 2


def test_limits_are_those_of_the_tenant_before_the_usual_ones() -> None:
    usage = Usage(limits=TenantLimits(runs_at_once=5, keys=100))
    script = make_script(id="s", name="s.js", kind=Kind.APP, text="", tenant="acme", app="9")
    allowance = usage.of(script).allowance
    assert allowance is usage.allowance("acme")
    assert usage.limits_of("acme") == TenantLimits(runs_at_once=5, keys=100)
    usage.limit({"acme": TenantLimits(runs_at_once=0)})
    assert usage.limits_of("acme") == TenantLimits(runs_at_once=0, keys=100)
    assert allowance.begin() is not None
    assert usage.allowance("beta").begin() is None
    usage.limit({})
    assert allowance.begin() is None


@given(st.fixed_dictionaries({name: st.none() | st.integers(0, 2**53 - 1) for name in TenantLimits.__struct_fields__}))
def test_limits_are_read_as_they_were_kept(values: dict[str, int | None]) -> None:
    limits = TenantLimits(**values)
    assert decode_limits(encode_limits(limits)) == limits
