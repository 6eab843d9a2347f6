"""Failed logins as log lines: one for each that a ban can be made of, and no flood of them."""

from collections import Counter
from typing import Final

from sidecar.logs.logger import ActionLogger
from sipio.sip.events import LoginFailed

_log = ActionLogger(__name__)

WINDOW_SECONDS: Final = 60.0
PER_SOURCE: Final = 10
"""Lines for one address in one window: a ban takes 3 to 5."""
LINES: Final = 600
"""Lines for all addresses in one window, 10 a second: a botnet's guesses do not push everything else out of the
journal. It bounds what is remembered of addresses as well."""
USER_CHARACTERS: Final = 80


class FailedLogins:
    """What is logged of them. Those over the limits are counted, and told as one line when the window is over."""

    def __init__(self) -> None:
        self._window = 0
        self._lines: Counter[str] = Counter()
        self._left_out = 0

    def failed(self, event: LoginFailed, now: float) -> None:
        """A login has failed; ``now`` is in seconds that never go back."""
        window = int(now // WINDOW_SECONDS)
        if window != self._window:
            self._window = window
            self._lines.clear()
            left_out, self._left_out = self._left_out, 0
            if left_out:
                _log.warning("logins_failed_unlogged", count=left_out)
        source = event.source
        if self._lines[source.host] >= PER_SOURCE or self._lines.total() >= LINES:
            self._left_out += 1
            return
        self._lines[source.host] += 1
        # The source first, and right behind the action: what matches on the line has passed nothing that was made up.
        # A phone that is not allowed to answer as it does is no guess: nobody is to ban it.
        _log.warning(
            "login_without_qop" if event.without_qop else "login_failed",
            source=source.host,
            port=source.port,
            transport=source.transport,
            method=event.method,
            user=event.user[:USER_CHARACTERS],
        )
