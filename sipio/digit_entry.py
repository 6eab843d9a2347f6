"""What a caller enters, judged try by try (`sipio.call_control.Collect`). Prompts and time are the driver's.

FreeSWITCH's own play_and_get_digits is not used. It says success where the pattern did not match, plays one file, does
not tell nothing entered from too little, searches its pattern anywhere in the input, and cannot be stopped.
"""

from enum import Enum
from typing import Any, Final

import re2

from sipio.call_control import Collect, CollectStatus, Digits
from sipio.errors import LocalError

LONGEST_PATTERN: Final = 1_000
PATTERN_BYTES: Final = 1 << 20
"""The most memory that one compiled pattern may take."""


class BadPattern(LocalError):
    """The pattern is no regular expression that is understood."""


class Again(Enum):
    """What was entered does not do and another try is left."""

    AGAIN = "again"


AGAIN: Final = Again.AGAIN


def compile_pattern(pattern: str) -> Any:
    """A pattern that whole inputs are matched against. Raises BadPattern for what RE2 does not take.

    By RE2, in linear time: Python's own engine takes exponential time for a pattern such as ``(1*)*2``, and a
    customer's pattern must not hold up the calls of others. It has no look-around and no back references.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise BadPattern(f"a pattern of more than {LONGEST_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise BadPattern(f"not a pattern that is understood: {text}") from error


class DigitEntry:
    """Judges one `Collect` as its digits come. After a result it is not to be used any more.

    A try fails as TIMEOUT when too little came in time, as FAILURE when what came is not valid: it was ended by a
    terminator before the minimum, or does not match the pattern. The last try's failure is the result.
    """

    __slots__ = ("_collect", "_entered", "_maximum", "_pattern", "_tries_left")

    def __init__(self, collect: Collect) -> None:
        """``collect.pattern`` is compiled here: raises BadPattern where it is no regular expression."""
        self._collect = collect
        self._pattern = compile_pattern(collect.pattern) if collect.pattern else None
        self._maximum = max(collect.maximum, collect.minimum, 1)
        self._entered = ""
        self._tries_left = max(1, collect.tries)

    def begin(self) -> Digits | Again | None:
        """What was typed ahead counts as pressed. None where there was nothing, or more is wanted."""
        for digit in self._collect.typed_ahead:
            verdict = self.digit(digit)
            if verdict is not None:
                return verdict
        return None

    def digit(self, digit: str) -> Digits | Again | None:
        """A digit was pressed. None while more are wanted."""
        if digit in self._collect.terminators:
            return self._judge(digit)
        self._entered += digit
        return self._judge("") if len(self._entered) >= self._maximum else None

    def expired(self) -> Digits | Again:
        """The time for the next digit is over."""
        if len(self._entered) < max(1, self._collect.minimum):
            return self._missed(CollectStatus.TIMEOUT, "")
        return self._judge("")

    def _judge(self, terminator: str) -> Digits | Again:
        long_enough = len(self._entered) >= self._collect.minimum
        if long_enough and (self._pattern is None or self._pattern.fullmatch(self._entered) is not None):
            return Digits(status=CollectStatus.SUCCESS, value=self._entered, terminator=terminator)
        return self._missed(CollectStatus.FAILURE, terminator)

    def _missed(self, status: CollectStatus, terminator: str) -> Digits | Again:
        self._tries_left -= 1
        if self._tries_left > 0:
            self._entered = ""
            return AGAIN
        return Digits(status=status, value=self._entered, terminator=terminator)
