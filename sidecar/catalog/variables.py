"""The vars of an assignment: what is wrong with them."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from sidecar.problem import Severity

RESERVED_VARIABLES: Final = frozenset({"routing", "headers", "remove_headers", "egress_routing"})
"""Keys of a script's ``data`` that are the call's own."""
SHADOWING_VARIABLES: Final = frozenset({"sip"})
"""Those that came later: an assignment of before may have one, and its script goes on to find that."""
VARIABLES_DEPTH: Final = 64
"""Tables within tables in vars. Dotted keys nest without bound, and whoever walks them on the call path would not."""
VARIABLES_BYTES: Final = 262_144
"""Vars of one assignment as JSON: they go to the script with every call."""
EXACT_INTEGER: Final = 2**53
"""Past it JavaScript's numbers are rounded."""
INTEGER_BITS: Final = 1_024
"""Past it they are infinite, and a few thousand digits on Python writes no number down."""

Key = tuple[str | int, ...]
"""Keys from the vars down; a number is an index into a list."""


def wrong_variables(variables: Mapping[str, Any]) -> Iterator[tuple[Key, str, Severity]]:
    """What is wrong with vars, each with the key below which it stands."""
    for reserved in sorted(RESERVED_VARIABLES.intersection(variables)):
        yield (reserved,), f"vars: the key {reserved!r} is the call's own", Severity.ERROR
    for shadowing in sorted(SHADOWING_VARIABLES.intersection(variables)):
        message = f"vars: the key {shadowing!r} hides the data.{shadowing} that a Class 4 script finds else"
        yield (shadowing,), message, Severity.WARNING
    if too_deep(variables):
        yield (), f"vars: more than {VARIABLES_DEPTH} tables or lists within each other", Severity.ERROR
        return
    foreign = list(_foreign_to_json(variables, ()))
    for key, message, severity in foreign:
        yield key, f"vars: {message}", severity
    if any(severity is Severity.ERROR for _, _, severity in foreign):
        return
    try:
        encoded = msgspec.json.encode(variables)
    except (TypeError, ValueError) as error:  # UnicodeEncodeError, of half a surrogate pair, is a ValueError
        yield (), f"vars: no JSON: {error}", Severity.ERROR
        return
    if len(encoded) > VARIABLES_BYTES:
        yield (), f"vars: longer than {VARIABLES_BYTES:_} bytes as JSON", Severity.ERROR


def same_variables(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a script sees no difference. Python's own equality takes 1, 1.0 and true for the same."""
    return one == other and (not one or msgspec.json.encode(one) == msgspec.json.encode(other))


def too_deep(variables: Mapping[str, Any]) -> bool:
    """Whether vars nest deeper than whoever walks them by recursion could bear."""
    depth = 0
    level: list[Any] = [variables]
    while level:
        level = [
            child
            for one in level
            if isinstance(one, (dict, list))
            for child in (one.values() if isinstance(one, dict) else one)
        ]
        depth += 1
    return depth > VARIABLES_DEPTH


def _foreign_to_json(value: Any, key: Key) -> Iterator[tuple[Key, str, Severity]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield key, f"{value} has no meaning in JSON", Severity.ERROR
    elif isinstance(value, int) and value.bit_length() > INTEGER_BITS:
        yield key, f"a number of {value.bit_length():_} bits has no meaning in JSON", Severity.ERROR
    elif isinstance(value, int) and abs(value) > EXACT_INTEGER:
        yield key, f"{value} is past 2^53: a script sees it as text; write it as text", Severity.WARNING
    elif isinstance(value, dict):
        for name, child in value.items():
            yield from _foreign_to_json(child, (*key, name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _foreign_to_json(child, (*key, index))
