"""The life of a message: whatever happens to it, it stays at its place, and it ends."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.queue import message as life
from sidecar.queue.errors import WrongJob, WrongState
from sidecar.queue.job import LOSSES, JobError
from sidecar.queue.message import LONGEST_WAIT_MICROS, Message, MessageState, NewMessage

SENT = Message(number=7, id="a", script="w", tenant="acme", due=0, sent=0)
ERROR = JobError("no", "RangeError")


def test_a_message_fails_so_often_and_is_dead_then() -> None:
    message, now = SENT, 0
    waits = []
    for _ in range(4):
        message = life.failed(life.begun(message, now), ERROR, now, 5)
        waits.append((message.due - now) // 1_000_000)
        assert (message.state, message.error) == (MessageState.WAITING, ERROR)
        now = message.due
    assert waits == [1, 2, 4, 8]
    dead = life.failed(life.begun(message, now), ERROR, now, 5)
    assert (dead.state, dead.attempt, dead.number) == (MessageState.DEAD, 5, 7)
    again = life.revived(dead, now)
    assert (again.state, again.attempt, again.due, again.number) == (MessageState.WAITING, 0, now, 7)


def test_a_death_is_no_attempt_and_too_many_are_its_end() -> None:
    message = SENT
    for number in range(1, LOSSES + 1):
        message = life.lost(life.begun(message, 0), 0)
        assert (message.state, message.attempt, message.losses) == (MessageState.WAITING, 0, number)
    dead = life.lost(life.begun(message, 0), 0)
    assert dead.state is MessageState.DEAD
    assert dead.error is not None
    assert dead.error.message == "its process has died or was cut off 4 times with it"


def test_what_cannot_be_is_refused() -> None:
    active = life.begun(SENT, 0)
    attempts: list[Callable[[], Message]] = [
        lambda: life.begun(active, 0),
        lambda: life.begun(life.failed(active, ERROR, 5, 2), 5),
        lambda: life.failed(SENT, ERROR, 0, 1),
        lambda: life.given_back(SENT, 0),
        lambda: life.lost(SENT, 0),
        lambda: life.revived(SENT, 0),
    ]
    for wrong in attempts:
        with pytest.raises(WrongState):
            wrong()
    with pytest.raises(WrongJob, match="more than 500000 bytes"):
        NewMessage(tenant="acme", script="w", data=f'"{"x" * 500_000}"')


@given(st.lists(st.sampled_from(("fail", "lose", "back")), max_size=40), st.integers(1, 6))
def test_it_keeps_its_place_and_ends(steps: list[str], attempts: int) -> None:
    message, now = SENT, 0
    for step in steps:
        if message.state is MessageState.DEAD:
            break
        now = max(now, message.due)
        active = life.begun(message, now)
        if step == "fail":
            message = life.failed(active, ERROR, now, attempts)
        else:
            message = (life.lost if step == "lose" else life.given_back)(active, now)
        assert (message.number, message.id) == (SENT.number, SENT.id)
        assert message.due <= now + LONGEST_WAIT_MICROS
    is_over = steps.count("fail") >= attempts or steps.count("lose") > LOSSES
    assert (message.state is MessageState.DEAD) == is_over
