"""The person at the phone: keys of the terminal."""

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sidecar.phone.keys import PartyAction
from sidecar.phone.line import Busy, PhoneLine

HELP: Final = "keys 0-9 * # A-D: digits    h: hang up    while bridging: a answers, b busy, n no answer, f fails"

_PARTY: Final = {
    "a": PartyAction.ANSWER,
    "b": PartyAction.BUSY,
    "n": PartyAction.NO_ANSWER,
    "f": PartyAction.FAIL,
}
_ENDING_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)
"""End the call rather than the process, which would leave the terminal as it is."""
_INTERRUPT: Final = "\x03"
_END_OF_INPUT: Final = "\x04"


def handle_key(line: PhoneLine, key: str) -> None:
    """One key: what it means depends on what the line is doing."""
    busy = line.busy
    if key in "0123456789*#ABCD":
        line.press(key)
    elif busy is Busy.RINGING and key in _PARTY:
        line.party(_PARTY[key])
    elif key == "h" and busy is Busy.BRIDGED:
        line.party(PartyAction.END)
    elif key in ("h", "q", _INTERRUPT, _END_OF_INPUT):
        line.hang_up()


@contextmanager
def keys_to(line: PhoneLine) -> Iterator[None]:
    """Give the keys typed to a line; the terminal is as it was afterwards, whatever happens."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def typed() -> None:
        read = os.read(descriptor, 64)
        for key in read.decode("utf-8", "replace") or _END_OF_INPUT:
            if key == _INTERRUPT and line.ended:
                # The script is at its bookkeeping, and the person has waited enough.
                signal.raise_signal(signal.SIGINT)
            handle_key(line, key)
        if not read:
            loop.remove_reader(descriptor)

    try:
        # Not echoed, not kept for the end of the line; Ctrl-C comes as a key, since it is the caller who hangs up.
        tty.setcbreak(descriptor, termios.TCSADRAIN)
        now = termios.tcgetattr(descriptor)
        now[3] &= ~termios.ISIG
        termios.tcsetattr(descriptor, termios.TCSADRAIN, now)
        loop.add_reader(descriptor, typed)
        for number in _ENDING_SIGNALS:
            loop.add_signal_handler(number, line.hang_up)
        yield
    finally:
        for number in _ENDING_SIGNALS:
            loop.remove_signal_handler(number)
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
