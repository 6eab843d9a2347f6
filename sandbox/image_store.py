"""Where a worker keeps the runs that wait in it: images in memory that the daemon can read, and read on in when the
worker is gone. The daemon never writes there."""

import mmap
from bisect import bisect_left, insort
from typing import Final, NamedTuple

GRANULE: Final = 256
"""What a place begins and ends at a multiple of: images are of some 12 kB."""
GIVEN_BACK_BYTES: Final = 1 << 20
"""Free stretches from here on go back to the kernel, looked for each time that so much lies free in parts."""


class Place(NamedTuple):
    """Bytes of a store."""

    offset: int
    size: int


class Extents:
    """Which parts of so many bytes are free. The smallest that is large enough is taken, the first of several."""

    __slots__ = ("_begins", "_by_size", "_ends")

    def __init__(self, size: int) -> None:
        whole = size // GRANULE * GRANULE
        self._by_size: list[tuple[int, int]] = [(whole, 0)] if whole else []
        """Size and offset of each free one, in that order."""
        self._begins = {0: whole} if whole else {}
        """Sizes by offset."""
        self._ends = {whole: 0} if whole else {}
        """Offsets by what follows."""

    def take(self, size: int) -> int | None:
        """Take a part of so many bytes; None where none is large enough."""
        wanted = _whole(size)
        at = bisect_left(self._by_size, (wanted,))
        if at == len(self._by_size):
            return None
        found, offset = self._by_size.pop(at)
        del self._begins[offset], self._ends[offset + found]
        if found > wanted:
            self._add(offset + wanted, found - wanted)
        return offset

    def give(self, offset: int, size: int) -> None:
        """Let a part that was taken be free again."""
        begin, end = offset, offset + _whole(size)
        before = self._ends.get(begin)
        if before is not None:
            self._remove(before, begin - before)
            begin = before
        behind = self._begins.get(end)
        if behind is not None:
            self._remove(end, behind)
            end += behind
        self._add(begin, end - begin)

    def large(self, least: int) -> list[Place]:
        """Free ones of at least so many bytes."""
        return [Place(offset, size) for size, offset in self._by_size[bisect_left(self._by_size, (least,)) :]]

    def _add(self, offset: int, size: int) -> None:
        insort(self._by_size, (size, offset))
        self._begins[offset] = size
        self._ends[offset + size] = offset

    def _remove(self, offset: int, size: int) -> None:
        del self._by_size[bisect_left(self._by_size, (size, offset))]
        del self._begins[offset], self._ends[offset + size]


def _whole(size: int) -> int:
    return max(GRANULE, (size + GRANULE - 1) // GRANULE * GRANULE)


class ImageStore:
    """A worker's images.

    A place that is given up is written to again only after ``settle``, which is called when the daemon has been sent
    what overtakes it: of a worker that dies, whatever it was at, the last that the daemon was told of a run is whole.
    """

    __slots__ = ("_extents", "_given_up", "_memory", "_ready", "_ready_bytes", "_touched", "_used", "_view")

    def __init__(self, descriptor: int, size: int) -> None:
        """``descriptor`` is that of a file of so many bytes. Raises OSError where it cannot be mapped."""
        self._memory = mmap.mmap(descriptor, size) if size else None
        self._view = memoryview(self._memory) if self._memory is not None else memoryview(b"")
        self._extents = Extents(size)
        self._given_up: list[Place] = []
        self._ready: dict[int, list[int]] = {}
        """Offsets of free parts by their size that were not joined to their neighbours: most images are as large as
        one before."""
        self._ready_bytes = 0
        self._used = 0
        self._touched = 0
        """Nothing has been written behind it."""

    def place(self, size: int) -> Place | None:
        """A place for an image of so many bytes; None where there is none."""
        whole = _whole(size)
        ready = self._ready.get(whole)
        if ready:
            self._ready_bytes -= whole
            self._used += whole
            return Place(ready.pop(), size)
        offset = self._extents.take(whole)
        if offset is None and self._ready_bytes:
            self._join()
            offset = self._extents.take(whole)
        if offset is None:
            return None
        self._touched = max(self._touched, offset + whole)
        self._used += whole
        return Place(offset, size)

    def at(self, place: Place) -> memoryview:
        """The bytes of a place."""
        return self._view[place.offset : place.offset + place.size]

    def give_up(self, place: Place) -> None:
        """Let a place be free once the daemon knows."""
        self._given_up.append(place)

    def settle(self) -> None:
        """What was given up is free: the daemon has been told."""
        if not self._given_up:
            return
        for offset, size in self._given_up:
            whole = _whole(size)
            self._ready.setdefault(whole, []).append(offset)
            self._ready_bytes += whole
            self._used -= whole
        self._given_up.clear()
        if self._ready_bytes >= GIVEN_BACK_BYTES:
            self._join()
            # To take a page anew costs as much as writing it, so some stay for the images to come.
            if self._touched - self._used > GIVEN_BACK_BYTES + self._used // 2:
                self._give_back()

    def _join(self) -> None:
        """Join what is free with what is free beside it."""
        for whole, offsets in self._ready.items():
            for offset in offsets:
                self._extents.give(offset, whole)
        self._ready.clear()
        self._ready_bytes = 0

    def _give_back(self) -> None:
        memory, page = self._memory, mmap.PAGESIZE
        for offset, size in self._extents.large(GIVEN_BACK_BYTES):
            # Whole pages that nothing else is in.
            begin = (offset + page - 1) // page * page
            end = min(offset + size, self._touched + page - 1) // page * page
            if memory is not None and begin < end:
                memory.madvise(mmap.MADV_REMOVE, begin, end - begin)
            if offset < self._touched <= offset + size:
                self._touched = offset
