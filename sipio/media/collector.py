"""Collecting digits (`sipio.call_control.Collect`): prompts, barge-in, tries, timeouts. No I/O, time is an argument."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

import msgspec
import re2

from sipio.call_control import Collect, CollectStatus, Digits, Media
from sipio.media.errors import MediaFailed

_LONGEST_PATTERN: Final = 1_000


class BadPattern(MediaFailed):
    """The pattern is no regular expression that is understood."""


class PlayPrompt(msgspec.Struct, frozen=True):
    """Play this; then say `DigitCollector.prompt_finished`."""

    media: Sequence[Media]


class StopPrompt(msgspec.Struct, frozen=True):
    """A digit came while it played."""


class Collected(msgspec.Struct, frozen=True):
    """The end of it."""

    digits: Digits


CollectStep = PlayPrompt | StopPrompt | Collected


class _State(Enum):
    NEW = auto()
    PROMPTING = auto()
    LISTENING = auto()
    DONE = auto()


class DigitCollector:
    """One `Collect`. Every method gives the steps to take now; `deadline` is when `timer` wants to be called.

    A try fails as TIMEOUT when too little came in time, as FAILURE when what came is not valid: it was ended by a
    terminator before the minimum, or does not match the pattern. The last try's failure is the result.
    """

    def __init__(self, action: Collect) -> None:
        """Raises BadPattern.

        Patterns are matched by RE2 in linear time: a customer's pattern cannot hold up the calls of others. It has no
        look-around and no back references.
        """
        self._action: Final = action
        self._maximum: Final = max(action.maximum, action.minimum, 1)
        self._pattern: Final = _compile(action.pattern) if action.pattern else None
        self._state = _State.NEW
        self._tries_left = max(action.tries, 1)
        self._entered = ""
        self.deadline: float | None = None
        """When `timer` is due, by the clock that the other methods are given; None for never."""

    def start(self, now: float) -> list[CollectStep]:
        """Begin the first try."""
        return self._begin_try(self._action.prompt, now)

    def prompt_finished(self, now: float) -> list[CollectStep]:
        """All of the prompt was heard."""
        if self._state is _State.PROMPTING:
            self._listen(now)
        return []

    def digit(self, digit: str, now: float) -> list[CollectStep]:
        """A digit was pressed."""
        if self._state not in {_State.PROMPTING, _State.LISTENING} or len(digit) != 1:
            return []
        steps: list[CollectStep] = []
        if self._state is _State.PROMPTING:
            steps.append(StopPrompt())
        self._listen(now)
        if digit in self._action.terminators:
            return steps + self._judge(now, terminator=digit)
        self._entered += digit
        if len(self._entered) >= self._maximum:
            steps += self._judge(now)
        return steps

    def timer(self, now: float) -> list[CollectStep]:
        """Time has passed; before `deadline` it does nothing."""
        if self._state is not _State.LISTENING or self.deadline is None or now < self.deadline:
            return []
        if not self._entered or len(self._entered) < self._action.minimum:
            return self._fail(CollectStatus.TIMEOUT, now)
        return self._judge(now)

    def _begin_try(self, prompt: Sequence[Media], now: float) -> list[CollectStep]:
        self._tries_left -= 1
        self._entered = ""
        if not prompt:
            self._listen(now)
            return []
        self._state, self.deadline = _State.PROMPTING, None
        return [PlayPrompt(prompt)]

    def _listen(self, now: float) -> None:
        self._state, self.deadline = _State.LISTENING, now + self._action.timeout_seconds

    def _judge(self, now: float, terminator: str = "") -> list[CollectStep]:
        valid = len(self._entered) >= self._action.minimum and (
            self._pattern is None or self._pattern.fullmatch(self._entered) is not None
        )
        if not valid:
            return self._fail(CollectStatus.FAILURE, now, terminator)
        return self._finish(CollectStatus.SUCCESS, terminator)

    def _fail(self, status: CollectStatus, now: float, terminator: str = "") -> list[CollectStep]:
        if not self._tries_left:
            return self._finish(status, terminator)
        return self._begin_try([*self._action.invalid_prompt, *self._action.prompt], now)

    def _finish(self, status: CollectStatus, terminator: str) -> list[CollectStep]:
        self._state, self.deadline = _State.DONE, None
        return [Collected(Digits(status=status, value=self._entered, terminator=terminator))]


def _compile(pattern: str) -> "re2._Regexp[str]":
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    if len(pattern) > _LONGEST_PATTERN:
        raise BadPattern(f"a pattern of more than {_LONGEST_PATTERN} characters")
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise BadPattern(f"not a pattern that is understood: {text}") from error
