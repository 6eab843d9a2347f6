"""Digits that a call's script listens for."""

from collections import deque
from typing import Final

from sidecar.calls.script_run import CallScript

HEARD_DIGITS: Final = 1_000
"""Digits kept for a script that has asked for them and not yet come back for more."""


class HeardDigits:
    """Digits pressed since the script first asked for some, until it takes them."""

    __slots__ = ("_digits", "_listening", "_script", "_wanted")

    def __init__(self, script: CallScript) -> None:
        self._script = script
        self._digits: deque[str] = deque(maxlen=HEARD_DIGITS)
        self._listening = False
        self._wanted = 0

    def want(self, call_id: int, *, fresh: bool) -> bool:
        """The script asks for the digits that come; ``fresh`` for none of those that came before. Whether it got some
        at once: they came while it looked at those before."""
        if fresh:
            self._digits.clear()
        self._listening = True
        self._script.settle(self._wanted, [])
        self._wanted = call_id
        return self._hand()

    def heard(self, digit: str) -> bool:
        """A digit was pressed. Whether the script was waiting for it."""
        waited = self._wanted != 0
        if self._listening:
            self._digits.append(digit)
            self._hand()
        return waited

    def call_ended(self) -> None:
        """None will come any more."""
        wanted, self._wanted = self._wanted, 0
        self._script.reject_ended(wanted)

    def _hand(self) -> bool:
        if not self._wanted or not self._digits:
            return False
        call_id, self._wanted = self._wanted, 0
        digits = list(self._digits)
        self._digits.clear()
        self._script.settle(call_id, digits)
        return True
