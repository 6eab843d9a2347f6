"""What a decision changed of a switch's own routing, as lines that a person reads. Nothing is printed here."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from sidecar.header_rules import folded
from sipio.routing import HeaderChanges

VALUE_CHARACTERS: Final = 100
"""The most characters that are shown of one value; longer ones are cut."""

_LISTS: Final = frozenset({"egress_routing", "headers", "remove_headers"})


class Sign(StrEnum):
    """What happened to what a line names."""

    SAME = " "
    ADDED = "+"
    REMOVED = "-"
    CHANGED = "~"


@dataclass(frozen=True, slots=True)
class Line:
    """One line; ``depth`` 1 belongs to the line of depth 0 above it."""

    sign: Sign
    text: str
    depth: int = 0


def changes(before: Mapping[str, Any], after: Mapping[str, Any], common: HeaderChanges) -> list[Line]:
    """Every difference that reaches the call, in the order of the message: numbers, headers, destinations.

    ``common`` are the header changes for all destinations. Empty where the switch's own decision stands as it was.
    Destinations are all listed as soon as one of them differs.
    """
    lines = [*_values(_without_lists(before), _without_lists(after), "")]
    # A routing handed back untouched still has the switch's own changes in it; one that a script left has not.
    own = _changes_of(after)
    common = HeaderChanges(
        add=[*common.add, *own.add],
        remove=[*common.remove, *own.remove],
    )
    lines += _headers(_changes_of(before), common, "all destinations")
    destinations = _destinations(_list(before), _list(after))
    if any(line.sign is not Sign.SAME for line in destinations):
        lines += destinations
    return lines


def label(destination: Any, position: int) -> str:
    """What a destination is called: its gateways' ids, else its place in the switch's list."""
    gateways = destination.get("gw") if isinstance(destination, dict) else None
    if isinstance(gateways, dict) and gateways:
        return ", ".join(map(str, gateways))
    return f"destination {position}"


def shown(value: Any) -> str:
    """A value in a line: text as it is, anything else as JSON."""
    text = value if isinstance(value, str) and value else msgspec.json.encode(value).decode()
    return text if len(text) <= VALUE_CHARACTERS else f"{text[:VALUE_CHARACTERS]}..."


def _without_lists(routing: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in routing.items() if key not in _LISTS}


def _list(routing: Mapping[str, Any]) -> list[Any]:
    found = routing.get("egress_routing")
    return found if isinstance(found, list) else []


def _entries(container: Any, key: str) -> list[Any]:
    found = container.get(key) if isinstance(container, dict) else None
    if isinstance(found, dict):
        return [found]
    return found if isinstance(found, list) else []


def _pair(entry: Any) -> tuple[str, str]:
    value = entry.get("value") if isinstance(entry, dict) else None
    return _name(entry), value if isinstance(value, str) else shown(value)


def _name(entry: Any) -> str:
    return str(entry.get("key")) if isinstance(entry, dict) else str(entry)


def _values(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str, depth: int = 0) -> Iterator[Line]:
    for key in dict.fromkeys((*before, *after)):
        name = f"{prefix}{key}"
        if key not in after:
            yield Line(Sign.REMOVED, f"{name}  {shown(before[key])}", depth)
        elif key not in before:
            yield Line(Sign.ADDED, f"{name}  {shown(after[key])}", depth)
        elif before[key] != after[key]:
            old, new = before[key], after[key]
            if isinstance(old, dict) and isinstance(new, dict):
                yield from _values(old, new, f"{name}.", depth)
            else:
                yield Line(Sign.CHANGED, f"{name}  {shown(old)} -> {shown(new)}", depth)


def _headers(before: HeaderChanges, after: HeaderChanges, scope: str = "", depth: int = 0) -> Iterator[Line]:
    """Header changes that the script brought about, and the switch's own that it took back."""

    def line(sign: Sign, text: str, note: str = "") -> Line:
        notes = ", ".join(filter(None, (scope, note)))
        return Line(sign, f"{text}  ({notes})" if notes else text, depth)

    removed = _more(after.remove, before.remove)
    replaced = {folded(name) for name in removed}
    names = set()
    for name, value in _more(after.add, before.add):
        names.add(folded(name))
        if folded(name) in replaced:
            yield line(Sign.CHANGED, f"{name}: {value}", "replaces the call's own")
        else:
            yield line(Sign.ADDED, f"{name}: {value}")
    for name in removed:
        if folded(name) not in names:
            yield line(Sign.REMOVED, name)
    for name, value in _more(before.add, after.add):
        yield line(Sign.CHANGED, f"{name}: {value}", "no longer added")
    for name in _more(before.remove, after.remove):
        yield line(Sign.CHANGED, name, "no longer removed")


def _more(longer: Iterable[Any], shorter: Iterable[Any]) -> list[Any]:
    """What of the first list the second does not have, with repetitions, in order."""
    left = Counter(shorter)
    found = []
    for one in longer:
        if left[one]:
            left[one] -= 1
        else:
            found.append(one)
    return found


def _destinations(before: Sequence[Any], after: Sequence[Any]) -> list[Line]:
    places = _matched(before, after)
    lines = []
    for position, (destination, place) in enumerate(zip(after, places, strict=True)):
        if place is None:
            lines.append(Line(Sign.ADDED, f"{position + 1}  {label(destination, position + 1)}  (new)"))
            lines += _inside({}, destination)
            continue
        text = f"{position + 1}  {label(destination, place + 1)}"
        inside = list(_inside(before[place], destination))
        # Those before it that were dropped moved it up, and that is no change of order.
        moved = sorted(other for other in places if other is not None).index(place) != sum(
            other is not None for other in places[:position]
        )
        if moved:
            text += f"  (was {place + 1})"
        lines.append(Line(Sign.CHANGED if moved else Sign.SAME, text))
        lines += inside
    dropped = [place for place in range(len(before)) if place not in places]
    lines += [Line(Sign.REMOVED, f"{place + 1}  {label(before[place], place + 1)}  (dropped)") for place in dropped]
    return lines


def _matched(before: Sequence[Any], after: Sequence[Any]) -> list[int | None]:
    """Which of the switch's destinations each one is: the one equal to it, else the first with its gateways."""
    places: list[int | None] = [None] * len(after)
    free = list(range(len(before)))
    for is_same in (_equal, _same_gateways, _same_but_headers):
        for position, destination in enumerate(after):
            if places[position] is None:
                place = next((place for place in free if is_same(before[place], destination)), None)
                if place is not None:
                    places[position] = place
                    free.remove(place)
    return places


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other)


def _same_gateways(one: Any, other: Any) -> bool:
    return bool(_gateways(one)) and list(_gateways(one)) == list(_gateways(other))


def _same_but_headers(one: Any, other: Any) -> bool:
    # A destination without gateways has nothing else to be known by.
    if not isinstance(one, dict) or not isinstance(other, dict) or _gateways(one) or _gateways(other):
        return False
    return _without_lists(one) == _without_lists(other)


def _gateways(destination: Any) -> dict[str, Any]:
    found = destination.get("gw") if isinstance(destination, dict) else None
    return found if isinstance(found, dict) else {}


def _inside(before: Any, after: Any) -> Iterator[Line]:
    """What differs inside one destination. Of a new one, its headers."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return
    if before:
        old, new = _gateways(before), _gateways(after)
        for identity in new:
            prefix = "" if len(new) == 1 else f"{identity} "
            if isinstance(old.get(identity), dict) and isinstance(new[identity], dict):
                yield from _values(old[identity], new[identity], prefix, depth=1)
            elif old.get(identity) != new[identity]:
                yield from _values({identity: old.get(identity)}, {identity: new[identity]}, "", depth=1)
        others = [{key: value for key, value in one.items() if key not in _LISTS | {"gw"}} for one in (before, after)]
        yield from _values(others[0], others[1], "", depth=1)
    yield from _headers(_changes_of(before), _changes_of(after), depth=1)


def _changes_of(container: Mapping[str, Any]) -> HeaderChanges:
    return HeaderChanges(
        add=[_pair(entry) for entry in _entries(container, "headers")],
        remove=[_name(entry) for entry in _entries(container, "remove_headers")],
    )
