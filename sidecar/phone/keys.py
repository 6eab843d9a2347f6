"""What the caller does, written down: ``1,wait 2,ahead 1234#,hangup``."""

import re
from enum import StrEnum
from typing import Final

import msgspec

from sidecar.errors import SidecarError

LONGEST_WAIT: Final = 86_400.0


class KeysError(SidecarError):
    """A scenario that cannot be understood."""


class Press(msgspec.Struct, frozen=True):
    """The caller presses one key, as soon as the script listens."""

    digit: str
    ahead: bool = False
    """Not so: while something is played, whose end is not waited for."""


class Wait(msgspec.Struct, frozen=True):
    """The caller does nothing for so long."""

    seconds: float


class HangUp(msgspec.Struct, frozen=True):
    """The caller hangs up."""


class PartyAction(StrEnum):
    """What the other party of a bridge does."""

    ANSWER = "answer"
    BUSY = "busy"
    NO_ANSWER = "noanswer"
    FAIL = "fail"
    END = "end"
    """Hangs up after it has answered."""


class Party(msgspec.Struct, frozen=True):
    """The other party does something, once it is called."""

    action: PartyAction


Step = Press | Wait | HangUp | Party

_DIGITS: Final = re.compile(r"[0-9*#A-D]+")
_AHEAD: Final = re.compile(r"ahead\s+([0-9*#A-D]+)", re.IGNORECASE)
_WAIT: Final = re.compile(r"wait\s+([0-9]+(?:\.[0-9]+)?)\s*s?")


def read_keys(text: str) -> list[Step]:
    """The steps of a scenario. Raises KeysError."""
    steps: list[Step] = []
    for part in text.split(","):
        word = part.strip()
        wait, ahead = _WAIT.fullmatch(word.lower()), _AHEAD.fullmatch(word)
        if not word:
            continue
        if _DIGITS.fullmatch(word):
            steps += [Press(digit) for digit in word]
        elif ahead is not None:
            steps += [Press(digit, ahead=True) for digit in ahead[1].upper()]
        elif wait is not None and float(wait[1]) <= LONGEST_WAIT:
            steps.append(Wait(float(wait[1])))
        elif word.lower() == "hangup":
            steps.append(HangUp())
        elif word.lower() in list(PartyAction):
            steps.append(Party(PartyAction(word.lower())))
        else:
            raise KeysError(
                f"--keys: {word[:40]!r} is neither digits (0-9 * # A-D), `ahead DIGITS`, `wait SECONDS`, `hangup`, nor"
                " what the other party does: answer, busy, noanswer, fail, end"
            )
    return steps


def in_words(step: Step) -> str:
    """A step as it is written."""
    match step:
        case Press(digit, ahead):
            return f"ahead {digit}" if ahead else digit
        case Wait(seconds):
            return f"wait {seconds:g}"
        case Party(action):
            return action.value
        case _:
            return "hangup"
