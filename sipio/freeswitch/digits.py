"""Digits of one `Collect`, try by try. Sans-IO: digits and expiries in, the result out.

FreeSWITCH's own play_and_get_digits is not used. It says success where the pattern did not match, plays one file, does
not tell nothing entered from too little, searches its pattern anywhere in the input, and cannot be stopped.
"""

import re
from enum import Enum
from typing import Final

from sipio.call_control import Collect, CollectStatus, Digits
from sipio.errors import LocalError


class Again(Enum):
    """What was entered does not do and another try is left."""

    AGAIN = "again"


AGAIN: Final = Again.AGAIN


class DigitCollector:
    """Collects. After a result it is not to be used any more."""

    __slots__ = ("_collect", "_entered", "_pattern", "_tries_left")

    def __init__(self, collect: Collect) -> None:
        """Raises LocalError for a pattern that is no regular expression."""
        self._collect = collect
        try:
            self._pattern = re.compile(collect.pattern) if collect.pattern else None
        except re.error as error:
            raise LocalError(f"the pattern cannot be used: {error}") from None
        self._entered = ""
        self._tries_left = max(1, collect.tries)

    def digit(self, digit: str) -> Digits | Again | None:
        """A digit was pressed. None while more are wanted."""
        if digit in self._collect.terminators:
            return self._judge(digit)
        self._entered += digit
        return self._judge("") if len(self._entered) >= self._collect.maximum else None

    def expired(self) -> Digits | Again:
        """The time for the next digit is over."""
        if len(self._entered) < max(1, self._collect.minimum):
            return self._missed(CollectStatus.TIMEOUT, "")
        return self._judge("")

    def _judge(self, terminator: str) -> Digits | Again:
        long_enough = len(self._entered) >= self._collect.minimum
        if long_enough and (self._pattern is None or self._pattern.fullmatch(self._entered)):
            return Digits(status=CollectStatus.SUCCESS, value=self._entered, terminator=terminator)
        return self._missed(CollectStatus.FAILURE, terminator)

    def _missed(self, status: CollectStatus, terminator: str) -> Digits | Again:
        self._tries_left -= 1
        if self._tries_left > 0:
            self._entered = ""
            return AGAIN
        return Digits(status=status, value=self._entered, terminator=terminator)
