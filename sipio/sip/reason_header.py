"""The Reason header (RFC 3326): why a call ended, in the terms of the telephone network."""

import re
from collections.abc import Iterable
from typing import Final

_Q850: Final = re.compile(r"Q\.850\s*+(?=;)", re.IGNORECASE)
_CAUSE: Final = re.compile(r";\s*+cause\s*+=\s*+(\d{1,3})", re.IGNORECASE)


def q850_cause(fields: Iterable[str]) -> int:
    """The Q.850 cause that the Reason headers of a message give; 0 for none."""
    for field in fields:
        protocol = _Q850.search(field)
        found = _CAUSE.search(field, protocol.end()) if protocol is not None else None
        if found is not None:
            return int(found[1])
    return 0
