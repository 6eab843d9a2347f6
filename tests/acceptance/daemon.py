"""The sidecar under test, in its own process: it can be killed and stopped like the real thing."""

import signal
import sys
from pathlib import Path

from tests.acceptance.kamailio import Kamailio
from tests.acceptance.processes import Program

ROOT = Path(__file__).parents[2]


class Daemon:
    """Decides for one or more Kamailios. Connected once constructed."""

    def __init__(self, directory: Path, kamailios: list[Kamailio]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        before = [kamailio.program.position for kamailio in kamailios]
        peers = [kamailio.peer for kamailio in kamailios]
        self.program = Program(
            [sys.executable, "-m", "tests.acceptance.stub_daemon", *peers], directory / "daemon.log", ROOT
        )
        for kamailio, position in zip(kamailios, before, strict=True):
            kamailio.program.wait_for("sidecar connected", position)

    def kill(self) -> None:
        """End it as a crash would."""
        self.program.signal(signal.SIGKILL)
        self.program.finish()

    def freeze(self) -> None:
        """Stop it where it is: its sockets stay open and nobody reads them."""
        self.program.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.program.signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it."""
        self.program.stop()
