"""Values of any shape in a request's body: what JSON, and our databases, can hold."""

import math
from typing import Annotated, Any, Final

from pydantic import AfterValidator

DEPTH: Final = 100
"""Of objects and lists in each other."""
_INTEGERS: Final = range(-(2**63), 2**64)


def sound_table(table: dict[str, Any]) -> dict[str, Any]:
    """The table itself. Raises ValueError for what JSON, or a database, could not say again."""
    left: list[tuple[object, int]] = [(table, 0)]
    while left:
        value, depth = left.pop()
        if depth > DEPTH:
            raise ValueError(f"nested deeper than {DEPTH}")
        if isinstance(value, dict):
            left += [(one, depth + 1) for one in (*value, *value.values())]
        elif isinstance(value, list):
            left += [(one, depth + 1) for one in value]
        elif isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                raise ValueError("half of a surrogate pair is in it") from None
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value} is no number in JSON")
        elif isinstance(value, int) and value not in _INTEGERS:
            raise ValueError("a whole number of more than 64 bits")
    return table


JsonTable = Annotated[dict[str, Any], AfterValidator(sound_table)]
