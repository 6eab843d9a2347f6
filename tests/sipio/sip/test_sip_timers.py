"""Deadlines of what waits, and those that may be met together."""

from sipio.sip.timers import Timers


def test_what_may_wait_a_moment_is_called_at_once_with_others_and_never_early() -> None:
    timers = Timers()
    called: list[float] = []
    for when in (5.0, 5.01, 5.055, 5.1):
        timers.start_about(when, called.append)
    timers.cancel(timers.start_about(5.02, called.append))
    deadlines = []
    while (deadline := timers.next_deadline()) is not None:
        deadlines.append(deadline)
        timers.run(deadline)
    assert deadlines == [5.0, 5.1]
    assert called == [5.0, 5.1, 5.1, 5.1]
