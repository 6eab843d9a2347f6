"""The tag of From and To, by which a dialog and its two ends are told apart (RFC 3261 clause 19.3)."""

import re
from typing import Final

_TAG: Final = re.compile(r";\s*tag\s*=\s*([^\s;,]+)", re.IGNORECASE)


def tag_of(value: str) -> str:
    """The tag of a From or To value; empty for none. For look-ups: nothing else of the value is checked."""
    found = _TAG.search(value, value.rfind(">") + 1)
    return found[1] if found else ""
