"""How much a worker may send.

After a breakout its end of the link is an attacker's, who could take the daemon's time and memory with sound messages
without end. A worker that is none sends what it is asked for: a turn for each run and each answer of a host that it is
given, and those of its timers.
"""

import time
from typing import Final

from sandbox.answers import log_bytes_most
from sandbox.program import Limits

MESSAGES: Final = 20_000
"""That may come at once: what stands in the link after half a second in which nobody read it, at the rate below."""
MESSAGES_A_SECOND: Final = 100_000
"""Of timers, which nobody asks for. The shortest turn takes a worker 22 us, and reading its message the daemon 3."""
MESSAGES_A_TURN: Final = 3
"""Of one that is asked for: its calls, its end, and one over for a run that is let go of."""
BYTES: Final = 64_000_000
"""That may come at once beyond what its runs may still say."""
BYTES_A_SECOND: Final = 16_000_000
"""Of the heads of those messages."""
LEAST_BYTES: Final = 64 * 1024
"""Of the longest message of a worker with no run, and of what an error says of itself."""


class Allowance:
    """What a worker may send yet. It grows with each run and each answer that the worker is given, and with time."""

    __slots__ = ("_answers", "_begun", "_bytes", "_limits", "_messages", "_of_run", "_open", "_since")

    def __init__(self) -> None:
        self._begun = 0
        """Runs that it was given since it was heard of last: each decision is one, so that no more is done then."""
        self._answers = 0
        """Answers that it was given since."""
        self._open = 0
        """Runs that it was given before, less those that it has ended."""
        self._messages: float = MESSAGES
        self._bytes: float = BYTES
        self._since = time.monotonic()
        self._limits: Limits | None = None
        self._of_run = LEAST_BYTES
        """Bytes that a run may say from its start to its end, but for what it asks once it has an answer; of the run
        with the highest limits so far. It may say all of it in one message: its end tells what it asked last."""

    def begin(self, limits: Limits) -> None:
        """The worker is given a run."""
        if limits is not self._limits:
            self._limits = limits
            result = max(limits.result_bytes, LEAST_BYTES)
            self._of_run = max(self._of_run, LEAST_BYTES + log_bytes_most(limits) + result + limits.outbox_bytes)
        self._begun += 1

    def answer(self) -> None:
        """The worker is given the answer to a host call."""
        self._answers += 1

    def spend(self, messages: int, ended: int, size: int, unfinished: int) -> bool:
        """The worker has sent so many messages, so many of them ends of runs, in so many bytes, and then so many bytes
        of one that is not whole. False where that is more than it may."""
        begun, answers = self._begun, self._answers
        self._begun = self._answers = 0
        self._open += begun - ended
        messages_left = self._messages + MESSAGES_A_TURN * (begun + answers) - messages
        bytes_left = self._bytes + self._of_run * (begun + answers) - size
        if messages_left < 0 or bytes_left < 0:
            now = time.monotonic()
            elapsed = now - self._since
            self._since = now
            messages_left += min(MESSAGES, elapsed * MESSAGES_A_SECOND)
            bytes_left += min(BYTES, elapsed * BYTES_A_SECOND)
        most = BYTES + self._open * self._of_run
        self._messages = messages_left if messages_left < MESSAGES else MESSAGES
        self._bytes = bytes_left if bytes_left < most else most
        return self._open >= 0 and messages_left >= 0 and bytes_left >= 0 and unfinished <= self._of_run
