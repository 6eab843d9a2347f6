"""Telephone-events: each press is heard once, whatever is lost, doubled, swapped or begun anew on its way."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.media.digit_events import DigitEvents
from sipio.media.dtmf import DIGITS, EventPayload, build_event, send_event
from sipio.media.rtp import RtpPacket

TICK = 0.02


def event_packet(
    digit: str,
    timestamp: int,
    duration: int,
    *,
    sequence: int = 0,
    end: bool = False,
    marker: bool = False,
    ssrc: int = 7,
) -> RtpPacket:
    payload = build_event(EventPayload(DIGITS.index(digit), end, 10, duration))
    return RtpPacket(101, marker, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc, payload)


def press(digit: str, timestamp: int, sequence: int, *, duration_ms: int = 100, ssrc: int = 7) -> list[RtpPacket]:
    """The packets of one press: 7 of them where it is 100 ms."""
    return [
        RtpPacket(101, packet.marker, (sequence + number) & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc, packet.payload)
        for number, packet in enumerate(send_event(digit, duration_ms))
    ]


class Receiver:
    """Hears packets that come one a tick."""

    def __init__(self) -> None:
        self.events = DigitEvents()
        self.now = 100.0

    def hear(self, packets: Iterable[RtpPacket]) -> str:
        heard = ""
        for packet in packets:
            self.now += TICK
            heard += self.events.packet(packet, self.now)
        return heard


@given(st.text(alphabet=DIGITS, min_size=1, max_size=8), st.data())
def test_each_digit_is_heard_once_whatever_is_lost_doubled_or_swapped(digits: str, data: st.DataObject) -> None:
    receiver, heard = Receiver(), ""
    for index, digit in enumerate(digits):
        packets = press(digit, 5_000 * index + 0xFFFFF000, 0xFFF8 + 7 * index)
        heard += receiver.hear(data.draw(st.lists(st.sampled_from(packets), min_size=1, max_size=12)))
    assert heard == digits


@given(st.text(alphabet=DIGITS, min_size=1, max_size=8), st.data())
def test_each_digit_is_heard_once_whatever_timeline_and_source_it_has(digits: str, data: st.DataObject) -> None:
    """Between presses the source may begin its sequence, its timestamps or both anew, or another take its place."""
    receiver, heard = Receiver(), ""
    timestamp, sequence, ssrc = 0x70000000, 100, 7
    for digit in digits:
        # A second's jump back is a new timeline; less than that is one where packets are in sequence.
        timestamp = data.draw(st.one_of(st.just(timestamp + 2_000), st.integers(0, 0xFFFFFFFF)))
        sequence = data.draw(st.one_of(st.just(sequence + 7), st.integers(0, 0xFFFF)))
        ssrc = data.draw(st.sampled_from([ssrc, 7, 9, 11]))
        receiver.now += 1.1
        heard += receiver.hear(press(digit, timestamp, sequence, ssrc=ssrc))
    assert heard == digits


def test_a_late_packet_of_an_earlier_digit_is_none() -> None:
    receiver = Receiver()
    one, two = press("1", 1_000, 0), press("2", 9_000, 7)
    assert receiver.hear([one[0], two[0], one[-1], two[1]]) == "12"


def test_a_late_end_of_a_long_press_is_none() -> None:
    receiver = Receiver()
    one, two = press("1", 1_000, 0, duration_ms=3_000), press("2", 25_400, len(send := list(send_event("1", 3_000))))
    assert len(send) > 100
    assert receiver.hear([*one[:-1], two[0], one[-1], *two[1:]]) == "12"


def test_the_same_digit_twice_without_its_ends() -> None:
    assert Receiver().hear([press("1", 1_000, 0)[0], press("1", 3_000, 7)[0]]) == "11"


def test_a_segment_of_a_long_event_is_no_new_digit() -> None:
    packets = [
        event_packet("3", 1_000, 160, sequence=1),
        event_packet("3", 1_000, 0xFFFF, sequence=2),
        event_packet("3", 1_000 + 0xFFFF, 160, sequence=3),
        event_packet("3", 1_000 + 0xFFFF, 320, sequence=4, end=True),
        event_packet("3", 90_000, 160, sequence=5),
    ]
    assert [Receiver().hear(packets[:count]) for count in range(1, 6)] == ["3", "3", "3", "3", "33"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 0xFFFFFFFF), st.binary(max_size=8)), max_size=20))
def test_any_payload_is_an_event_or_none(packets: list[tuple[int, int, bytes]]) -> None:
    receiver = DigitEvents()
    for ssrc, timestamp, payload in packets:
        assert receiver.packet(RtpPacket(101, False, 1, timestamp, ssrc, payload), 1.0) in {"", "F", *DIGITS}


# ---- sources ----


def test_two_sources_side_by_side_are_two_streams() -> None:
    one, two = press("1", 1_000, 0, ssrc=7), press("2", 0x80000000, 30_000, ssrc=9)
    assert Receiver().hear(packet for pair in zip(one, two, strict=True) for packet in pair) == "12"


def test_a_key_held_while_its_source_changes_is_one_press() -> None:
    before, after = press("5", 1_000, 0), press("5", 777_000, 500, ssrc=9)
    assert Receiver().hear([*before[:3], *after[3:]]) == "5"


def test_the_same_key_pressed_anew_from_another_source_is_another() -> None:
    assert Receiver().hear([*press("5", 1_000, 0)[:3], *press("5", 777_000, 500, ssrc=9)]) == "55"


def test_a_peer_that_invents_sources_is_not_remembered_without_end() -> None:
    receiver = Receiver()
    for ssrc in range(1_000):
        receiver.hear(press("1", 1_000, 0, ssrc=ssrc))
    assert len(receiver.events._sources) == 4


# ---- timelines ----


def test_timestamps_that_begin_anew_lower_are_a_new_timeline() -> None:
    receiver = Receiver()
    assert receiver.hear([*press("1", 0x70000000, 100), *press("2", 0x70000000 + 2_000, 107)]) == "12"
    assert receiver.hear([*press("3", 3_960, 40_006), *press("4", 5_960, 40_013)]) == "34"


def test_timestamps_that_go_back_a_little_in_packets_that_are_in_sequence_are_a_new_timeline() -> None:
    assert Receiver().hear([*press("1", 9_000, 100), *press("2", 5_000, 107)]) == "12"


def test_a_key_held_while_its_timeline_changes_is_one_press() -> None:
    before, after = press("5", 0x70000000, 0), press("5", 777_000, 500)
    assert Receiver().hear([*before[:3], *after[3:]]) == "5"


def test_what_is_sent_over_again_as_it_was_is_pressed_again() -> None:
    """A played capture, or a far end that begins every stream at the same numbers."""
    receiver = Receiver()
    keys = [*press("1", 1_000, 0), *press("2", 3_000, 7)]
    for _ in range(3):
        assert receiver.hear(keys) == "12"
        receiver.now += 2.0
    assert receiver.hear(press("1", 1_000, 0)) == "1"
    receiver.now += 2.0
    assert receiver.hear(press("1", 1_000, 0)) == "1"


def test_a_copy_of_a_press_that_follows_at_once_is_none() -> None:
    keys = press("1", 1_000, 0)
    assert Receiver().hear([*keys, *keys, *keys]) == "1"


def test_another_key_under_the_same_timestamp_is_pressed_too() -> None:
    assert Receiver().hear([*press("1", 0, 0), *press("2", 0, 7), *press("2", 0, 14), *press("1", 4_000, 21)]) == "1221"


# ---- timestamps that rise within one press ----


@pytest.mark.parametrize("interval", [80, 160, 400])
@pytest.mark.parametrize("durations", ["rising", "fixed", "none"])
@pytest.mark.parametrize("ends", [0, 1, 3])
def test_timestamps_that_rise_within_one_press_are_one_press(interval: int, durations: str, ends: int) -> None:
    def packets(digit: str, timestamp: int, sequence: int) -> list[RtpPacket]:
        return [
            event_packet(
                digit,
                timestamp + interval * number,
                {"rising": interval * (number + 1), "fixed": interval, "none": 0}[durations],
                sequence=sequence + number,
                end=number >= 5,
                marker=number == 0,
            )
            for number in range(5 + ends)
        ]

    keys = [*packets("5", 1_000, 0), *packets("5", 9_000, 20), *packets("6", 17_000, 40), *packets("5", 25_000, 60)]
    assert Receiver().hear(keys) == "5565"


def test_a_marker_on_every_packet_of_a_press_changes_nothing() -> None:
    keys = [event_packet("5", 1_000 + 160 * n, 400 + 160 * n, sequence=n, marker=True) for n in range(6)]
    assert Receiver().hear(keys) == "5"


def test_quick_presses_of_one_key_are_as_many() -> None:
    """40 ms apart, the least that is heard (Q.24)."""
    for lost in ([], [0], [4, 5, 6], [0, 4, 5], [1, 2, 3]):
        keys = [press("5", 1_000 + 1_120 * number, 7 * number) for number in range(5)]
        kept = [packet for packets in keys for index, packet in enumerate(packets) if index not in lost]
        assert Receiver().hear(kept) == "55555", lost
