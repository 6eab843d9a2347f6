"""Measuring on a machine that has other work: what is measured comes first."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sidecar.bench.servers import descendants

NICENESS: Final = -19
EVERY_SECONDS: Final = 0.3
"""A daemon starts its workers in sessions of their own, which are looked for so often."""


@contextlib.contextmanager
def first() -> Iterator[None]:
    """This process and all below it come before whatever else the machine does, while the block lasts.

    Linux divides the processors among sessions before it divides them among processes (sched(7), autogroup), so that
    their own niceness would do nothing. It does not help one that waits for a processor as SCHED_BATCH, as workers do:
    it waits for another's turn to end. Raises PermissionError for anybody but root.
    """
    _raise_session(os.getpid())
    over = threading.Event()

    def watch() -> None:
        while not over.wait(EVERY_SECONDS):
            for process in descendants(os.getpid()):
                _raise_session(process)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def _raise_session(process: int) -> None:
    # One that has ended meanwhile has no session, and a kernel without autogroups no file.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        Path(f"/proc/{process}/autogroup").write_text(str(NICENESS), encoding="ascii")
