"""Keys pressed before anybody asked for them, kept for the next `ivr` of the call's script.

Whoever knows a menu does not wait for it, and expects the keys to count. FreeSWITCH's own applications do either:
``read`` and its menus take what was typed before, play_and_get_digits throws it away before each try. Here the first
try has it and a further one begins anew, on every driver alike: none of them keeps a digit, this is where they are.
"""

from typing import Final

from msgspec import structs

from sipio.call_control import BlockDtmf, Bridge, CallAction, Collect, CollectStatus, Digits, Echo
from sipio.digit_entry import Again, DigitEntry

TYPED_AHEAD: Final = 128
"""Digits kept, as many as one `ivr` may ask for; further ones are not. What somebody began to type has its meaning from
its beginning."""

_DO_NOT_KEEP: Final = (Collect, Bridge, Echo)
"""While one of these is under way, digits are its own, the other party's, or somebody's who tries out a telephone."""


class TypeAhead:
    """The digits that a caller pressed before anything asked for them, kept for the first action that collects."""

    __slots__ = ("_digits",)

    def __init__(self) -> None:
        self._digits = ""

    def pressed(self, digit: str, under_way: CallAction | None) -> None:
        """A digit came while this was done on the call."""
        if not isinstance(under_way, _DO_NOT_KEEP) and len(self._digits) < TYPED_AHEAD:
            self._digits += digit

    def forget(self) -> None:
        """Drop what was typed, so that no later action is given it."""
        self._digits = ""

    def before(self, action: CallAction, *, wanted: bool = True) -> CallAction:
        """The action that is to be performed now, a `Collect` with what was typed for it unless that is not wanted."""
        if isinstance(action, Collect):
            typed, self._digits = self._digits, ""
            if typed and wanted:
                taken, verdict = _first_try(action, typed)
                if isinstance(verdict, Digits) and verdict.status is CollectStatus.SUCCESS:
                    # After a try that failed the caller is told so, and begins anew.
                    self._digits = typed[taken:]
                return structs.replace(action, typed_ahead=typed[:taken])
        elif isinstance(action, Bridge):
            self._digits = ""
        elif isinstance(action, BlockDtmf):
            self._digits = "".join(digit for digit in self._digits if action.digits and digit not in action.digits)
        return action


def _first_try(action: Collect, typed: str) -> tuple[int, Digits | Again | None]:
    """How many of the digits the first try takes, and what becomes of it."""
    entry = DigitEntry(action)
    for taken, digit in enumerate(typed, 1):
        verdict = entry.digit(digit)
        if verdict is not None:
            return taken, verdict
    return len(typed), None
