"""Images on their way into a worker, whose runs waited in another one."""

from collections.abc import Callable

from sandbox.image_store import ImageStore, Place


class ArrivingImages:
    """Places in the worker's store that are filled piece by piece, by what the runs are known by where they began."""

    __slots__ = ("_bytes", "_places", "_room", "_store")

    def __init__(self, store: ImageStore, room: Callable[[], int]) -> None:
        """``room`` gives the bytes that one more image may have."""
        self._store = store
        self._room = room
        self._places: dict[int, Place] = {}
        self._bytes = 0

    def add(self, origin: int, size: int, begin: int, piece: bytes) -> None:
        """Put a piece in its place. The first lets go of what there was, and so does an empty one, which is the last.
        Where there is no room for the image its pieces are not kept."""
        if not begin:
            self.drop(origin)
            place = self._place(size) if piece else None
            if place is None:
                return
            self._places[origin] = place
            self._bytes += size
        there = self._places.get(origin)
        if there is not None and piece:
            self._store.at(there)[begin : begin + len(piece)] = piece
        elif there is not None:
            self.drop(origin)

    def finish(self, origin: int, size: int, rest: bytes) -> Place | None:
        """The place of an image that is whole with this; None where there is none for it."""
        there = self._places.pop(origin, None)
        if there is not None:
            self._bytes -= there.size
        elif len(rest) == size:
            there = self._place(size)
        if there is not None:
            self._store.at(there)[size - len(rest) :] = rest
        return there

    def drop(self, origin: int) -> None:
        """Let go of what there is of an image."""
        there = self._places.pop(origin, None)
        if there is not None:
            self._bytes -= there.size
            self._store.give_up(there)

    def _place(self, size: int) -> Place | None:
        return self._store.place(size) if size <= self._room() - self._bytes else None
