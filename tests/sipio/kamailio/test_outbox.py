"""Flow control: Kamailio loses nothing, however slowly it reads and however much there is to write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.errors import OversizedFrame
from sipio.kamailio.netstring import encode
from sipio.kamailio.outbox import ANSWER_BYTES, MARK_SECONDS, UNREAD_BYTES, WRITE_BYTES, Outbox
from tests.sipio.kamailio.kamailio_doubles import KamailioReader


def payloads_of(reader: KamailioReader) -> list[bytes]:
    return [frame for frame in reader.frames if not frame.startswith(b"m;")]


def deliver(outbox: Outbox, reader: KamailioReader, seen: int) -> int:
    for frame in reader.frames[seen:]:
        if frame.startswith(b"m;"):
            outbox.read(frame[2:])
    return len(reader.frames)


@given(st.lists(st.integers(1, ANSWER_BYTES), max_size=60), st.lists(st.booleans(), max_size=200))
def test_nothing_is_lost_whatever_the_sizes_and_the_pace(sizes: list[int], pace: list[bool]) -> None:
    outbox = Outbox(b"a")
    reader = KamailioReader()
    sent = [b"%05d" % index + b"x" * size for index, size in enumerate(sizes) if size <= ANSWER_BYTES - 5]
    seen = 0
    todo = list(sent)
    for turn in [*pace, *([True, False] * (len(sent) + 10))]:
        if turn and todo:
            outbox.push(todo.pop(0))
        writes = outbox.take(0.0)
        assert all(len(write) <= WRITE_BYTES for write in writes)
        reader.waiting += b"".join(writes)
        assert len(reader.waiting) <= UNREAD_BYTES
        if not turn:
            reader.read()
            seen = deliver(outbox, reader, seen)
    while outbox.held_bytes or reader.waiting:
        reader.waiting += b"".join(outbox.take(0.0))
        assert reader.read()
        seen = deliver(outbox, reader, seen)
    assert payloads_of(reader) == sent


def test_without_it_the_reader_does_lose() -> None:
    reader = KamailioReader()
    sent = [b"%05d" % index + b"x" * 95 for index in range(2_000)]
    lost = False
    for extra in range(110):
        reader = KamailioReader()
        reader.waiting = encode(b"y" * extra) + b"".join(encode(payload) for payload in sent)
        while reader.read():
            pass
        lost = lost or reader.frames[1:] != sent
    assert lost


def test_with_it_the_same_burst_arrives_whole() -> None:
    sent = [b"%05d" % index + b"x" * 95 for index in range(700)]
    for extra in range(110):
        reader = KamailioReader()
        outbox = Outbox(b"a")
        for payload in [b"y" * extra, *sent]:
            outbox.push(payload)
        seen = 0
        while outbox.held_bytes or reader.waiting:
            reader.waiting += b"".join(outbox.take(0.0))
            assert reader.read()
            seen = deliver(outbox, reader, seen)
        assert payloads_of(reader)[-700:] == sent


def test_a_small_answer_leaves_at_once_and_alone() -> None:
    outbox = Outbox(b"a")
    outbox.push(b"c;1;2")
    assert outbox.take(0.0) == [b"5:c;1;2,"]
    assert outbox.deadline is None


def test_a_lost_mark_holds_nothing_back_for_ever() -> None:
    outbox = Outbox(b"a")
    for _ in range(5):
        outbox.push(b"x" * (ANSWER_BYTES - 1))
    outbox.take(10.0)
    assert outbox.held_bytes > 0
    assert outbox.deadline == 10.0 + MARK_SECONDS
    assert outbox.take(10.0 + MARK_SECONDS / 2) == []
    while outbox.held_bytes:
        assert outbox.deadline is not None
        assert outbox.take(outbox.deadline)
    assert outbox.resets >= 1


def test_the_mark_of_another_sidecar_is_not_ours() -> None:
    outbox = Outbox(b"a")
    for _ in range(5):
        outbox.push(b"x" * (ANSWER_BYTES - 1))
    outbox.take(0.0)
    held = outbox.held_bytes
    outbox.read(b"b.1")
    assert outbox.take(0.0) == []
    assert outbox.held_bytes == held


def test_an_answer_over_the_cap_is_refused() -> None:
    with pytest.raises(OversizedFrame):
        Outbox(b"a").push(b"x" * (ANSWER_BYTES + 1))
