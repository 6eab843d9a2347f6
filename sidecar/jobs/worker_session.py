"""A Worker while it lives: its mailbox, its run, and the message that it is at."""

import asyncio
import time
from typing import TYPE_CHECKING

from sidecar.jobs.leases import Leased
from sidecar.queue.mailboxes import Held
from sidecar.queue.message import Message

if TYPE_CHECKING:
    from sandbox.run import Run


class WorkerSession(Leased):
    """One Worker that is this process's. It ``began`` with the message that it is at, or with waiting for one."""

    def __init__(self, held: Held) -> None:
        super().__init__(held.script, {"script": held.script})
        self.held = held
        self.run: Run | None = None
        self.message: Message | None = None
        """What it is at; None between two."""
        self.began_cpu = 0.0
        """Processor seconds that its run had left then."""
        self.wake = asyncio.Event()
        """There is something in its mailbox, or it is to end."""
        self.is_ending = False
        """It is given no more messages."""
        self.is_over = False
        """Its run has ended."""
        self.overdue = ""
        """Why it was ended in the middle of a message; empty for one that was not, or for no fault of its own."""

    def end(self) -> None:
        """Give it no more messages."""
        self.is_ending = True
        self.wake.set()

    def cancel(self, overdue: str = "") -> None:
        """End it now."""
        self.overdue = overdue
        self.end()
        if self.run is not None:
            self.run.cancel()

    def cpu_left(self) -> float | None:
        """Processor seconds that its run has left, as of its last turn; None before its first has ended."""
        suspension = self.run.suspension if self.run is not None else None
        state = suspension.state() if suspension is not None else None
        return None if state is None else state.cpu_left

    def at(self, message: Message | None) -> None:
        """It is at a message from now on, or at none."""
        self.message = message
        self.began = time.monotonic()
        left = self.cpu_left()
        self.began_cpu = left if left is not None else self.began_cpu

    def used_cpu(self) -> float:
        """Processor seconds of the message that it is at, as of its last turn."""
        left = self.cpu_left()
        return 0.0 if left is None else max(0.0, self.began_cpu - left)
