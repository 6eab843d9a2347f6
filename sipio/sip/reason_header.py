"""The Reason header (RFC 3326): why a call ended, in the terms of the telephone network."""

import re
from typing import Final

from sipio.sip.message import SipMessage

LONGEST: Final = 1_000
"""Characters of one header that are looked at: the search takes time with their square, 1 s for the longest header."""

_CAUSE: Final = re.compile(r"Q\.850\s*;(?:.*;)?\s*cause\s*=\s*(\d{1,3})", re.IGNORECASE)


def q850_cause(message: SipMessage | None) -> int:
    """The Q.850 cause that a message gives; 0 for none."""
    if message is None:
        return 0
    for field in message.get_all("reason"):
        found = _CAUSE.search(field, 0, LONGEST)
        if found is not None:
            return int(found[1])
    return 0
