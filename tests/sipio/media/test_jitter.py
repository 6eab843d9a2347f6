"""The jitter buffer: order restored, gaps concealed, no more held than a second."""

from hypothesis import given
from hypothesis import strategies as st

from sipio.media.g711 import SILENCE, Law
from sipio.media.jitter import JitterBuffer


def frame(number: int) -> bytes:
    return bytes([number % 250 + 1]) * 160


def drain(buffer: JitterBuffer, count: int) -> list[int]:
    """The number of each frame read; 0 for silence, or what was made up and fades."""
    return [number_of(buffer.read()) for _ in range(count)]


def number_of(read: bytes) -> int:
    # Its beginning may be blended with what was made up before it.
    rest = read[60:]
    return rest[0] if rest == rest[:1] * len(rest) and read != SILENCE[Law.PCMU] else 0


def test_frames_come_out_in_order_after_the_delay() -> None:
    buffer, heard = JitterBuffer(Law.PCMU), []
    for number in range(10):
        buffer.write(160 * number + 0xFFFFFF00 & 0xFFFFFFFF, frame(number))
        heard += drain(buffer, 1)
    assert heard == [0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert buffer.delay_ms == 40


def test_swapped_and_doubled_frames_are_put_right_and_a_lost_one_is_made_up() -> None:
    buffer, heard = JitterBuffer(Law.PCMU), []
    for number in [0, 2, 1, 1, 3, 5, 6, 7, 8]:
        buffer.write(160 * number, frame(number))
        heard += drain(buffer, 1)
    assert [number for number in heard if number] == [1, 2, 3, 4, 6, 7]
    assert buffer.late == 0


def test_a_late_frame_makes_the_delay_grow_and_time_makes_it_shrink() -> None:
    buffer = JitterBuffer(Law.PCMU)
    for number in range(3):
        buffer.write(160 * number, frame(number))
        drain(buffer, 1)
    drain(buffer, 5)
    buffer.write(160 * 3, frame(3))
    assert buffer.late == 1
    assert buffer.delay_ms == 60
    for number in range(9, 700):
        buffer.write(160 * number, frame(number))
        drain(buffer, 1)
    assert buffer.delay_ms == 40


def test_packets_of_any_length() -> None:
    buffer = JitterBuffer(Law.PCMU)
    audio = bytes(range(1, 251)) * 4
    position = 0
    for size in (80, 240, 33, 647):
        buffer.write(position, audio[position : position + size])
        position += size
    drain(buffer, 2)
    assert b"".join(buffer.read() for _ in range(6)) == audio[:960]


def test_a_jump_begins_a_new_timeline() -> None:
    buffer = JitterBuffer(Law.PCMU)
    buffer.write(0, frame(1))
    drain(buffer, 3)
    buffer.write(1_000_000, frame(5))
    assert drain(buffer, 4) == [0, 0, 6, 0]


@given(st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.binary(max_size=400), st.integers(0, 3)), max_size=40))
def test_anything_written_leaves_whole_frames_and_bounded_memory(writes: list[tuple[int, bytes, int]]) -> None:
    buffer = JitterBuffer(Law.PCMA)
    for timestamp, audio, reads in writes:
        buffer.write(timestamp, audio)
        for _ in range(reads):
            assert len(buffer.read()) == 160
        assert len(buffer._audio) <= 8_000


@given(st.permutations(range(12)), st.sets(st.integers(0, 11), max_size=4))
def test_what_was_written_before_its_time_is_heard_in_place(order: list[int], lost: set[int]) -> None:
    buffer = JitterBuffer(Law.PCMU)
    # The first fixes the timeline.
    buffer.write(1_000, frame(0))
    for number in order:
        if number not in lost:
            buffer.write(1_000 + 160 * (number + 1), frame(number + 1))
    drain(buffer, 3)
    assert drain(buffer, 12) == [0 if number in lost else number + 2 for number in range(12)]


def test_two_frames_swapped_at_the_very_beginning() -> None:
    buffer = JitterBuffer(Law.PCMU)
    buffer.write(160, frame(1))
    heard = drain(buffer, 1)
    buffer.write(0, frame(0))
    heard += drain(buffer, 1)
    buffer.write(320, frame(2))
    assert heard + drain(buffer, 3) == [0, 1, 2, 3, 0]
    assert buffer.late == 0
