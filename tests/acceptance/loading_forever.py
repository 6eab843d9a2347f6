"""A daemon over a catalog that takes for ever to load: python -m tests.acceptance.loading_forever FOLDER LOADS, so many
loads taking no time before that."""

import asyncio
import sys
import threading
from pathlib import Path

from sidecar.catalog.entries import ScriptEntry
from sidecar.catalog.memory import MemorySource
from sidecar.catalog.source import Loaded
from sidecar.configuration.tree import Configuration, MetricsSection, SandboxSection, SocketSection, VoiceSection
from sidecar.daemon import Daemon


class Slow(MemorySource):
    def __init__(self, loads: int) -> None:
        super().__init__([ScriptEntry(place="a.js", id="a", name="a.js", text="function main() {}")])
        self._loads = loads

    def load(self) -> Loaded:
        self._loads -= 1
        if self._loads < 0:
            sys.stdout.write("it loads\n")
            sys.stdout.flush()
            threading.Event().wait()
        return super().load()


async def serve() -> int:
    configuration = Configuration(
        socket=SocketSection(unix=Path(sys.argv[1], "daemon.sock")),
        metrics=MetricsSection(listen=None),
        sandbox=SandboxSection(workers=1),
        voice=VoiceSection(call_workers=0, records=None),
    )
    return await Daemon(configuration, Slow(int(sys.argv[2]))).run()


sys.exit(asyncio.run(serve()))
