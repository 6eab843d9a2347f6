"""A mapping that is never changed, of which a changed one is made without a look at all of it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar, overload

_Key = TypeVar("_Key")
_Value_co = TypeVar("_Value_co", covariant=True)
_Default = TypeVar("_Default")

BUCKETS: Final = 1_024
"""A power of two. With 100,000 keys a change copies a hundred of them for each key that it has."""
_MASK: Final = BUCKETS - 1
_EMPTY: Final[dict[object, object]] = {}


class Buckets(Mapping[_Key, _Value_co]):
    """Keys spread over dictionaries by their hashes. To copy one dictionary of them all would hold the interpreter, and
    with it the event loop, for milliseconds, and to free it again for as long. The order of the keys is any."""

    __slots__ = ("_buckets", "_count")

    def __init__(self, items: Mapping[_Key, _Value_co] | None = None) -> None:
        self._buckets: list[dict[_Key, _Value_co]] = [_EMPTY] * BUCKETS  # type: ignore[list-item]
        self._count = 0
        if items:
            self._put(items)

    def changed(self, put: Mapping[_Key, _Value_co], removed: Iterable[_Key] = ()) -> "Buckets[_Key, _Value_co]":
        """The same without these keys, and then with those. What is to be removed need not be there."""
        gone = [key for key in removed if key in self]
        if not put and not gone:
            return self
        made: Buckets[_Key, _Value_co] = Buckets()
        made._buckets = self._buckets.copy()
        made._count = self._count
        touched: set[int] = set()
        for key in gone:
            del made._own(hash(key) & _MASK, touched)[key]
            made._count -= 1
        made._put(put, touched)
        return made

    def __getitem__(self, key: _Key) -> _Value_co:
        return self._buckets[hash(key) & _MASK][key]

    @overload
    def get(self, key: _Key, default: None = None, /) -> _Value_co | None: ...
    @overload
    def get(self, key: _Key, default: _Value_co | _Default, /) -> _Value_co | _Default: ...
    def get(self, key: _Key, default: object = None, /) -> object:
        """The key's value."""
        return self._buckets[hash(key) & _MASK].get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._buckets[hash(key) & _MASK]

    def __iter__(self) -> Iterator[_Key]:
        for bucket in self._buckets:
            yield from bucket

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"Buckets({dict(self)!r})"

    def _put(self, items: Mapping[_Key, _Value_co], touched: set[int] | None = None) -> None:
        touched = set() if touched is None else touched
        for key, value in items.items():
            bucket = self._own(hash(key) & _MASK, touched)
            before = len(bucket)
            bucket[key] = value
            self._count += len(bucket) - before

    def _own(self, number: int, touched: set[int]) -> dict[_Key, _Value_co]:
        """A bucket that no other mapping has."""
        if number not in touched:
            touched.add(number)
            self._buckets[number] = self._buckets[number].copy()
        return self._buckets[number]
