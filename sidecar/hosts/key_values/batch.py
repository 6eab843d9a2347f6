"""What is asked of key-values, and what comes of it: pure, over the values of the keys that are asked of.

Whoever keeps them loads what a batch touches, applies it, and keeps what has changed, in one transaction.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

import msgspec

from sidecar.hosts.errors import HostError

KEY_BYTES: Final = 512
VALUE_BYTES: Final = 990_000
"""As much as an answer of a host call can have beside its own frame."""
HIGHEST: Final = 2**53 - 1
"""A counter goes no further from zero: JavaScript does not count beyond."""
LONGEST_SECONDS: Final = 100 * 366 * 86_400
"""A longer life is for ever, or the time of its end would be none."""
_INTEGER: Final = re.compile(r"-?[0-9]{1,17}")
_MICROS: Final = 1_000_000

Place = tuple[str, str]
"""A tenant and a key."""
Answer = str | int | None


class Value(msgspec.Struct, frozen=True):
    """What a key has. Times are microseconds since 1970."""

    text: str
    expires: int | None
    created: int
    updated: int


class Space(msgspec.Struct):
    """How much a tenant keeps, with what has ended and is not swept yet."""

    keys: int = 0
    bytes: int = 0


class SpaceLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one tenant may keep."""

    keys: int = 100_000
    bytes: int = 100_000_000
    """Of keys and values as UTF-8."""

    def of(self, tenant: str) -> "SpaceLimits":  # noqa: ARG002 - as `Spaces` has it
        """The same for each."""
        return self


class Spaces(Protocol):
    """What each tenant may keep; `SpaceLimits` is one."""

    def of(self, tenant: str) -> SpaceLimits:
        """One tenant's limits."""
        ...


class Get(msgspec.Struct, frozen=True):
    """Ask for a value: its text, or None."""

    tenant: str
    key: str


class Set(msgspec.Struct, frozen=True):
    """Keep a text. The life is in seconds; 0 is for ever."""

    tenant: str
    key: str
    text: str
    life: float = 0


class Increment(msgspec.Struct, frozen=True):
    """Count: the new number. A life of 0 leaves the end as it is; another one begins now."""

    tenant: str
    key: str
    by: int = 1
    life: float = 0


class Delete(msgspec.Struct, frozen=True):
    """Keep it no more, if it is there."""

    tenant: str
    key: str


class Sweep(msgspec.Struct, frozen=True):
    """Keep it no more if it has ended."""

    tenant: str
    key: str


Operation = Get | Set | Increment | Delete | Sweep


def check_key(key: str) -> None:
    """Raises HostError for what is no key."""
    if not key:
        raise HostError("the key is empty", "TypeError")
    if _size(key, "key") > KEY_BYTES:
        raise HostError(f"the key has more than {KEY_BYTES} bytes", "RangeError")


def check_operation(operation: Operation) -> None:
    """Raises HostError for what can be refused whatever is kept."""
    check_key(operation.key)
    if isinstance(operation, Set) and _size(operation.text, "value") > VALUE_BYTES:
        raise HostError(f"the value has more than {VALUE_BYTES:_} bytes", "RangeError")
    if isinstance(operation, Set | Increment) and not operation.life >= 0:
        raise HostError("a life is a number of seconds, and 0 is for ever", "RangeError")
    if isinstance(operation, Increment) and abs(operation.by) > HIGHEST:
        raise HostError("it counts by no number as large as that", "RangeError")


def is_live(value: Value | None, now: int) -> bool:
    """Whether there is one at this time."""
    return value is not None and (value.expires is None or value.expires > now)


class Batch:
    """Operations one after the other, over what was loaded for them."""

    __slots__ = ("_limits", "_now", "_spaces", "_values", "changed", "changed_spaces")

    def __init__(self, values: Mapping[Place, Value], spaces: Mapping[str, Space], limits: Spaces, now: int) -> None:
        """``values`` has every key of the operations that there is, and ``spaces`` every tenant's that has one."""
        self._values: dict[Place, Value | None] = dict(values)
        self._spaces = {tenant: Space(space.keys, space.bytes) for tenant, space in spaces.items()}
        self._limits = limits
        self._now = now
        self.changed: dict[Place, Value | None] = {}
        """To be kept; None to be kept no more."""
        self.changed_spaces: dict[str, Space] = {}

    def apply(self, operation: Operation) -> Answer:
        """Do it. Raises HostError, with nothing changed by it."""
        place = operation.tenant, operation.key
        there = self._values.get(place)
        live = there if is_live(there, self._now) else None
        match operation:
            case Get():
                return live.text if live is not None else None
            case Set():
                self._keep(place, there, self._value(live, operation.text, self._ends(operation.life)))
                return None
            case Increment():
                number = _counted(live) + operation.by
                if abs(number) > HIGHEST:
                    raise beyond(operation.key)
                ends = self._ends(operation.life) if operation.life else live.expires if live is not None else None
                self._keep(place, there, self._value(live, str(number), ends))
                return number
            case Delete():
                self._forget(place, there)
                return None
            case Sweep():
                if live is None:
                    self._forget(place, there)
                return None

    def _value(self, live: Value | None, text: str, expires: int | None) -> Value:
        return Value(text, expires, self._now if live is None else live.created, self._now)

    def _ends(self, life: float) -> int | None:
        micros = life_micros(life)
        return self._now + micros if micros else None

    def _keep(self, place: Place, there: Value | None, value: Value) -> None:
        tenant, key = place
        space = self._spaces.get(tenant) or Space()
        keys = space.keys + (there is None)
        size = space.bytes + _weight(key, value) - (0 if there is None else _weight(key, there))
        limits = self._limits.of(tenant)
        # What only shrinks is let through, or a tenant at its limit could not even make room.
        if keys > max(limits.keys, space.keys):
            raise too_many_keys(space.keys)
        if size > max(limits.bytes, space.bytes):
            raise too_many_bytes(space.bytes, limits.bytes)
        self._change(place, value, there, Space(keys, size))

    def _forget(self, place: Place, there: Value | None) -> None:
        if there is None:
            return
        space = self._spaces.get(place[0]) or Space()
        left = Space(max(0, space.keys - 1), max(0, space.bytes - _weight(place[1], there)))
        self._change(place, None, there, left)

    def _change(self, place: Place, value: Value | None, there: Value | None, space: Space) -> None:
        self._values[place] = self.changed[place] = value
        if (there is None) != (value is None) or space != self._spaces.get(place[0]):
            self._spaces[place[0]] = self.changed_spaces[place[0]] = space


def places_of(operations: Iterable[Operation]) -> list[Place]:
    """What a batch touches, each once, in one order for everybody."""
    return sorted({(one.tenant, one.key) for one in operations})


def life_micros(life: float) -> int:
    """How long a value lives; 0 for ever."""
    return int(life * _MICROS) if 0 < life <= LONGEST_SECONDS else 0


def too_many_keys(keys: int) -> HostError:
    """There is no room for one more."""
    return HostError(f"there are {keys:_} keys already, and no more may be kept", "RangeError")


def too_many_bytes(kept: int, most: int) -> HostError:
    """There is no room for a value."""
    return HostError(f"{kept:_} bytes are kept already, and no more than {most:_} may be", "RangeError")


def beyond(key: str) -> HostError:
    """A counter would be no exact number any more."""
    return HostError(f"{key!r} would count beyond {HIGHEST}", "RangeError")


def no_integer(text: str) -> HostError:
    """What a key has is not counted."""
    return HostError(f"its value is no integer: {text[:40]!r}", "TypeError")


def _counted(live: Value | None) -> int:
    if live is None:
        return 0
    if _INTEGER.fullmatch(live.text) is None:
        raise no_integer(live.text)
    return int(live.text)


def _weight(key: str, value: Value) -> int:
    return len(key.encode()) + len(value.text.encode())


def _size(text: str, what: str) -> int:
    if "\x00" in text:
        raise HostError(f"the {what} has a NUL, which no database keeps", "TypeError")
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise HostError(f"the {what} is no Unicode text: half of a surrogate pair is in it", "TypeError") from None
