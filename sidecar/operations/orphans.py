"""Processes left to the daemon where it is process 1, as in a container without an init: each is waited for once it
has ended, or it would stay in the process table for good."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from sidecar.logs.logger import ActionLogger

_log = ActionLogger(__name__)

INTERVAL_SECONDS: Final = 5.0
"""Our own children are waited for by whoever started them, as soon as they end: what is still there at the next look
is nobody's. A speech command that leaves others behind does so for a text, and so now and then."""


class Orphans:
    """Waits for ended processes that nobody else waits for."""

    def __init__(self, *, wanted: bool | None = None) -> None:
        """``wanted`` is whether there can be any, by default whether we are process 1."""
        self._wanted: Final = os.getpid() == 1 if wanted is None else wanted
        self._seen: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look from time to time from now on, where there can be any."""
        self._loop = loop
        if self._wanted:
            self._timer = loop.call_later(INTERVAL_SECONDS, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def look(self) -> int:
        """Wait for those that had ended by the last look and are still there; how many there were."""
        ended = set(_ended_children())
        gone = 0
        for process in ended & self._seen:
            # Somebody of ours may have waited for it after all.
            with suppress(ChildProcessError):
                gone += os.waitpid(process, os.WNOHANG)[0] == process
        self._seen = ended
        return gone

    def _look(self) -> None:
        gone = self.look()
        if gone:
            _log.debug("orphans_waited_for", count=gone)
        if self._loop is not None:
            self._timer = self._loop.call_later(INTERVAL_SECONDS, self._look)


def _ended_children() -> Iterator[int]:
    ours = str(os.getpid())
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with suppress(OSError):
            # After the command in brackets, which may hold any character, come the state and the parent.
            state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
            if state == "Z" and parent == ours:
                yield int(process.name)
