"""The kernel's timer of a worker: never before what it was asked for, and set as seldom as that allows."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kill_timer import LATER_SECONDS, KillTimer


class Kernel:
    """When it would kill, by what it was told at a time that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.kills_at = 0.0
        self.told = 0

    def setitimer(self, which: int, seconds: float) -> None:
        assert which == signal.ITIMER_REAL
        self.told += 1
        self.kills_at = self.now + seconds if seconds else 0.0


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(signal, "setitimer", kernel.setitimer)
    return kernel


def test_runs_that_follow_each_other_have_one_timer(kernel: Kernel) -> None:
    timer = KillTimer()
    for _ in range(100):
        timer.cover(kernel.now, 3.1)
        kernel.now += 0.000_1
    assert kernel.told == 1
    timer.stop()
    timer.stop()
    assert (kernel.told, kernel.kills_at) == (2, 0.0)


@given(steps=st.lists(st.tuples(st.floats(0, 0.1), st.floats(0.1, 5.0), st.booleans()), max_size=50))
def test_each_run_is_killed_at_its_time_or_a_little_later(steps: list[tuple[float, float, bool]]) -> None:
    kernel, timer = Kernel(), KillTimer()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(signal, "setitimer", kernel.setitimer)
        for passes, seconds, stops in steps:
            kernel.now += passes
            timer.cover(kernel.now, seconds)
            after = kernel.kills_at - kernel.now
            assert seconds - 1e-9 <= after <= seconds + LATER_SECONDS + 1e-9
            if stops:
                timer.stop()
                assert kernel.kills_at == 0.0
