"""Where a worker keeps the images of its waiting runs."""

import os
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from sandbox.image_file import ImageFile
from sandbox.image_store import GIVEN_BACK_BYTES, GRANULE, Extents, ImageStore, Place

WHOLE: Final = 64 * GRANULE


def granules(size: int) -> int:
    return max(1, -(-size // GRANULE))


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 12 * GRANULE)), max_size=200))
def test_parts_never_overlap_and_what_is_free_is_found(steps: list[tuple[bool, int]]) -> None:
    extents = Extents(WHOLE)
    taken: dict[int, int] = {}
    for takes, number in steps:
        used = {
            granule for at, size in taken.items() for granule in range(at // GRANULE, at // GRANULE + granules(size))
        }
        if takes:
            free = [at for at in range(64) if all(at + more not in used for more in range(granules(number)))]
            offset = extents.take(number)
            if offset is None:
                assert not any(at + granules(number) <= 64 for at in free), "there was a place"
                continue
            assert offset % GRANULE == 0
            assert offset + number <= WHOLE
            assert not used & set(range(offset // GRANULE, offset // GRANULE + granules(number)))
            taken[offset] = number
        elif taken:
            offset = sorted(taken)[number % len(taken)]
            extents.give(offset, taken.pop(offset))
    for offset, size in taken.items():
        extents.give(offset, size)
    assert extents.large(0) == [Place(0, WHOLE)], "all of it is one again"


def test_the_smallest_that_is_large_enough_is_taken() -> None:
    extents = Extents(WHOLE)
    offsets = [extents.take(size * GRANULE) for size in (5, 1, 3, 1, 4)]
    for offset, size in ((offsets[0], 5), (offsets[2], 3), (offsets[4], 4)):
        assert offset is not None
        extents.give(offset, size * GRANULE)
    assert extents.take(2 * GRANULE + 1) == offsets[2]
    assert extents.take(4 * GRANULE) == offsets[0]


def test_nothing_fits_in_none() -> None:
    assert Extents(0).take(1) is None
    assert Extents(GRANULE).take(GRANULE + 1) is None
    file = ImageFile(GRANULE * 2)
    store = ImageStore(file.descriptor, file.size)
    assert store.place(GRANULE * 3) is None


def test_a_place_is_not_written_to_before_the_daemon_knows_that_it_may_be() -> None:
    file = ImageFile(2 * GRANULE)
    store = ImageStore(file.descriptor, file.size)
    first, second = store.place(10), store.place(10)
    assert first is not None
    assert second is not None
    store.at(first)[:] = b"0123456789"
    store.give_up(first)
    assert store.place(10) is None
    assert file.read(first.offset, 10, 10) == b"0123456789", "the daemon reads what the worker wrote"
    store.settle()
    assert store.place(10) == first


def held_bytes(file: ImageFile) -> int:
    return os.fstat(file.descriptor).st_blocks * 512


def test_memory_of_a_peak_goes_back() -> None:
    file = ImageFile(200_000_000)
    store = ImageStore(file.descriptor, file.size)
    places = [store.place(50_000) for _ in range(400)]
    for place in places:
        assert place is not None
        store.at(place)[:] = b"x" * place.size
    assert held_bytes(file) >= 20_000_000
    for number, place in enumerate(places):
        assert place is not None
        if number != 200:
            store.give_up(place)
            store.settle()
    assert held_bytes(file) < 3 * GIVEN_BACK_BYTES
    kept = places[200]
    assert kept is not None
    assert bytes(store.at(kept)) == b"x" * kept.size
    # And what was given back can be used again.
    again = [store.place(50_000) for _ in range(399)]
    for place in again:
        assert place is not None
        assert bytes(store.at(place)[:10]) in (bytes(10), b"x" * 10)
        store.at(place)[:] = b"y" * place.size
    assert bytes(store.at(kept)) == b"x" * kept.size
