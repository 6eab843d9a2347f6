"""What the daemon's memory does over very many connections, calls, reloads and decisions: each line is to be flat.

    python -m bench.soak [--count 100000] [connections | calls | reloads | decisions ...]

One daemon as shipped; its resident memory is printed twenty times on the way. What one more leaves behind is told from
the second half, when everything that is kept in bounds has come to its bound: over `ALLOWED_BYTES` the exit status
is 1.
"""

import argparse
import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import uvloop

from sipio.call_control import CallLimits
from sipio.rpc.client import RpcClient
from sipio.sip.endpoint import SipEndpoint, SipListener
from sipio.sip.events import SessionEnded, SessionEvent
from sipio.sip.media_description import LocalMedia
from sipio.sip.outgoing import OutgoingSession
from sipio.sip.settings import UserAgentSettings
from tests.acceptance.serving import request
from tests.acceptance.voice_daemon import VoiceDaemon

POINTS: Final = 20
ALLOWED_BYTES: Final = 1_000
"""Left behind by one of anything. A connection that was kept was 47,000, a call 80,000; a thousandth of that is the
allocator's."""
CALLS_AT_ONCE: Final = 20
SCRIPTS: Final = {"brief": "await ctx.answer(); await ctx.hangup();"}
ROUTES: Final = '[[script]]\nfile = "routing.js"\n[[route]]\ncustomer = "routing"\nscript = "routing"\n'
ROUTING: Final = "function main(data) { return data; }\n"

Once = Callable[[], Awaitable[None]]


class Soak:
    """The daemon, and what is done to it."""

    def __init__(self, directory: Path) -> None:
        self.daemon = VoiceDaemon(
            directory,
            SCRIPTS,
            voice='records = ""\ncalls = 10_000',
            more="[log]\ndecision_sample = 0.0\n[catalog]\nwatch = false\n",
            routes=ROUTES,
            files={"routing.js": ROUTING},
        ).ready()
        self._process = self.daemon.serving.program.process.pid
        self._client: RpcClient | None = None
        self._ended: dict[OutgoingSession, asyncio.Future[None]] = {}
        self._reloads = 0

    def resident(self) -> int:
        """Bytes of the daemon alone, without its workers."""
        fields = Path(f"/proc/{self._process}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGESIZE")

    async def start(self) -> None:
        """Have what asks and calls."""
        self._client = await RpcClient.connect(f"unix:{self.daemon.serving.socket}")
        self._endpoint = SipEndpoint(
            [SipListener(host="127.0.0.62", port=0)],
            UserAgentSettings(product="soak", limits=CallLimits(calls=10_000)),
            self._event,
        )
        await self._endpoint.start()

    async def close(self) -> None:
        """End them."""
        await self._endpoint.close(1.0)
        await self.client.close()

    @property
    def client(self) -> RpcClient:
        """What asks."""
        assert self._client is not None
        return self._client

    async def connection(self) -> None:
        """One that is closed as soon as it is open."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, str(self.daemon.serving.socket))

    async def decision(self) -> None:
        """One of a script that gives back what it was given."""
        await self.client.call("route", request("routing"))

    async def reload(self) -> None:
        """One of a script that has changed."""
        self._reloads += 1
        self.daemon.serving.write("routing.js", f"{ROUTING}// {self._reloads}\n")
        before = await self._version()
        os.kill(self._process, signal.SIGHUP)
        while await self._version() == before:  # noqa: ASYNC110 - a reload is told to nobody
            await asyncio.sleep(0.002)

    async def _version(self) -> object:
        return (await self.client.call("scripts", {}))["version"]

    async def call(self) -> None:
        """One that its script answers and ends."""
        session = self._endpoint.invite(
            self.daemon.uri("brief"), from_="sip:4420@127.0.0.62", media=LocalMedia(host="127.0.0.62", port=9)
        )
        session.driver = self
        ended = self._ended[session] = asyncio.get_running_loop().create_future()
        await ended

    def _event(self, event: object) -> None:
        if isinstance(event, SessionEnded):
            self.session_event(event)

    def session_event(self, event: SessionEvent) -> None:
        """A call of ours has ended."""
        if isinstance(event, SessionEnded) and isinstance(event.session, OutgoingSession):
            event.session.driver = None
            ended = self._ended.pop(event.session, None)
            if ended is not None:
                ended.set_result(None)

    async def soak(self, name: str, once: Once, count: int, at_once: int = 1) -> bool:
        """Do it so many times; whether the line is flat."""
        print(f"{name}: resident memory in MB")
        points = [self.resident()]
        began = time.monotonic()

        async def some(times: int) -> None:
            for _ in range(times):
                await once()

        for _ in range(POINTS):
            await asyncio.gather(*(some(count // POINTS // at_once) for _ in range(at_once)))
            points.append(self.resident())
            print(f"  {points[-1] / 1e6:.1f}", end="", flush=True)
        done = count // POINTS // at_once * at_once * POINTS
        left = (points[-1] - points[POINTS // 2]) / (done / 2)
        flat = left <= ALLOWED_BYTES
        verdict = "flat" if flat else "NOT FLAT"
        print(f"\n  {done} in {time.monotonic() - began:.0f} s; one more leaves {left:.0f} bytes: {verdict}")
        return flat


async def run(names: list[str], count: int) -> bool:
    """Each in its turn; whether all were flat."""
    flat = []
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        soak = Soak(Path(directory))
        await soak.start()
        kinds: dict[str, tuple[Once, int]] = {
            "connections": (soak.connection, 4),
            "decisions": (soak.decision, 16),
            "reloads": (soak.reload, 1),
            "calls": (soak.call, CALLS_AT_ONCE),
        }
        for name in names or kinds:
            once, at_once = kinds[name]
            flat.append(await soak.soak(name, once, count, at_once))
        await soak.close()
        soak.daemon.stop()
    return all(flat)


def main() -> int:
    """The exit status is 1 where a line is not flat."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=["connections", "calls", "reloads", "decisions", []])
    parser.add_argument("--count", type=int, default=100_000)
    arguments = parser.parse_args()
    return 0 if uvloop.run(run(list(arguments.names), arguments.count)) else 1


if __name__ == "__main__":
    sys.exit(main())
