"""SIP answers as an operator writes them: ``503 Script Timeout``, or ``continue`` for none."""

import re
from dataclasses import dataclass
from typing import Final

CONTINUE: Final = "continue"
_ANSWER: Final = re.compile(r"([3-6][0-9]{2}) ([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])")
"""RFC 3261 25.1: Status-Code SP Reason-Phrase. A control character would end the status line early."""


@dataclass(frozen=True, slots=True)
class SipAnswer:
    """A SIP final answer, such as ``503 Script Timeout``. ``code`` is 300 to 699."""

    code: int
    reason: str

    def __str__(self) -> str:
        return f"{self.code} {self.reason}"


def parse_action(text: str) -> SipAnswer | None:
    """The answer, or None to continue with the switch's own decision. Raises ValueError."""
    if text == CONTINUE:
        return None
    match = _ANSWER.fullmatch(text)
    if match is None or match[2].startswith(" "):
        raise ValueError(
            f"expected 'continue' or a SIP answer from 300 to 699, such as '503 Script Timeout', got {text!r}"
        )
    return SipAnswer(int(match[1]), match[2])
