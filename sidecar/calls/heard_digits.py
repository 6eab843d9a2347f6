"""Digits that a call's script listens for."""

from collections import deque
from typing import Final

from sandbox.host import HostCall
from sidecar.calls.script_run import reject_ended

HEARD_DIGITS: Final = 1_000
"""Digits kept for a script that has asked for them and not yet come back for more."""


class HeardDigits:
    """Digits pressed since the script first asked for some, until it takes them."""

    __slots__ = ("_digits", "_listening", "_wanted")

    def __init__(self) -> None:
        self._digits: deque[str] = deque(maxlen=HEARD_DIGITS)
        self._listening = False
        self._wanted: HostCall | None = None

    def want(self, call: HostCall, *, fresh: bool) -> bool:
        """The script asks for the digits that come; ``fresh`` for none of those that came before. Whether it got some
        at once: they came while it looked at those before."""
        if fresh:
            self._digits.clear()
        self._listening = True
        if self._wanted is not None:
            self._wanted.resolve([])
        self._wanted = call
        return self._hand()

    def heard(self, digit: str) -> bool:
        """A digit was pressed. Whether the script was waiting for it."""
        waited = self._wanted is not None
        if self._listening:
            self._digits.append(digit)
            self._hand()
        return waited

    def call_ended(self) -> None:
        """Reject what waits for digits: none will come any more."""
        wanted, self._wanted = self._wanted, None
        reject_ended(wanted)

    def _hand(self) -> bool:
        wanted = self._wanted
        if wanted is None or not self._digits:
            return False
        self._wanted = None
        digits = list(self._digits)
        self._digits.clear()
        wanted.resolve(digits)
        return True
