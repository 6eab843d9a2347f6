"""The Reason header (RFC 3326): why a call ended, in the terms of the telephone network."""

import re
from collections.abc import Iterable
from typing import Final

LONGEST: Final = 1_000
"""Characters of one header that are looked at: the search takes time with their square, 1 s for the longest header."""

_CAUSE: Final = re.compile(r"Q\.850\s*;(?:.*;)?\s*cause\s*=\s*(\d{1,3})", re.IGNORECASE)


def q850_cause(fields: Iterable[str]) -> int:
    """The Q.850 cause that the Reason headers of a message give; 0 for none."""
    for field in fields:
        found = _CAUSE.search(field, 0, LONGEST)
        if found is not None:
            return int(found[1])
    return 0
