"""Collecting digits (`sipio.call_control.Collect`): prompts, barge-in, tries, timeouts. No I/O, time is an argument."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

import msgspec

from sipio.call_control import Collect, Digits, Media
from sipio.digit_entry import Again, DigitEntry


class PlayPrompt(msgspec.Struct, frozen=True):
    """Play this; then say `DigitCollector.prompt_finished`."""

    media: Sequence[Media]


class StopPrompt(msgspec.Struct, frozen=True):
    """Stop the prompt: a digit came while it played."""


class Collected(msgspec.Struct, frozen=True):
    """Collecting is over, with this result."""

    digits: Digits


CollectStep = PlayPrompt | StopPrompt | Collected


class _State(Enum):
    NEW = auto()
    PROMPTING = auto()
    LISTENING = auto()
    DONE = auto()


class DigitCollector:
    """One `Collect`. Every method gives the steps to take now; `deadline` is when `timer` wants to be called."""

    def __init__(self, action: Collect) -> None:
        """What is typed ahead is judged by `start`. Raises BadPattern where the action's pattern is none."""
        self._action: Final = action
        self._entry: Final = DigitEntry(action)
        self._state = _State.NEW
        self.deadline: float | None = None
        """When `timer` is due, by the clock that the other methods are given; None for never."""

    def start(self, now: float) -> list[CollectStep]:
        """Begin the first try. What was typed ahead may end it at once."""
        if not self._action.typed_ahead:
            return self._begin_try(self._action.prompt, now)
        self._listen(now)
        return self._follow(self._entry.begin(), now)

    def prompt_finished(self, now: float) -> list[CollectStep]:
        """Begin to wait for digits: all of the prompt was heard."""
        if self._state is _State.PROMPTING:
            self._listen(now)
        return []

    def digit(self, digit: str, now: float) -> list[CollectStep]:
        """Take a digit that was pressed."""
        if self._state not in {_State.PROMPTING, _State.LISTENING} or len(digit) != 1:
            return []
        steps: list[CollectStep] = []
        if self._state is _State.PROMPTING:
            steps.append(StopPrompt())
        self._listen(now)
        return steps + self._follow(self._entry.digit(digit), now)

    def timer(self, now: float) -> list[CollectStep]:
        """Time has passed; before `deadline` it does nothing."""
        if self._state is not _State.LISTENING or self.deadline is None or now < self.deadline:
            return []
        return self._follow(self._entry.expired(), now)

    def _follow(self, verdict: Digits | Again | None, now: float) -> list[CollectStep]:
        if verdict is None:
            return []
        if isinstance(verdict, Again):
            return self._begin_try([*self._action.invalid_prompt, *self._action.prompt], now)
        self._state, self.deadline = _State.DONE, None
        return [Collected(verdict)]

    def _begin_try(self, prompt: Sequence[Media], now: float) -> list[CollectStep]:
        if not prompt:
            self._listen(now)
            return []
        self._state, self.deadline = _State.PROMPTING, None
        return [PlayPrompt(prompt)]

    def _listen(self, now: float) -> None:
        self._state, self.deadline = _State.LISTENING, now + self._action.timeout_seconds
