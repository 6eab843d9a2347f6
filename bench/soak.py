"""What the daemon's memory does over very many connections, calls, reloads and decisions: each line is to be flat.

    python -m bench.soak [--count 100000] [connections | calls | reloads | decisions ...]

One daemon as shipped; its resident memory is printed twenty times on the way. What one more leaves behind is told from
the second half, when everything that is kept in bounds has come to its bound: over `ALLOWED_BYTES` the exit status
is 1. A reload changes the assignments, and each hundredth all twenty scripts as well, which the engine then compiles
in a process of their own; calls come at a steady rate, since each is kept for the half minute of its transactions
(RFC 3261 17.1.1.2).
"""

import argparse
import asyncio
import os
import signal
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

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
READINGS: Final = 20
CALLS_AT_ONCE: Final = 20
CALLS_PER_SECOND: Final = 250
TRANSACTIONS_SECONDS: Final = 34.0
"""After a call the last of its transactions is gone: 64 * T1 of RFC 3261, and some."""
SCRIPTS: Final = {"brief": "await ctx.answer(); await ctx.hangup();"}
SCRIPTS_CHANGE: Final = 100
"""So many reloads are of assignments alone before one is of scripts as well."""
ROUTING: Final = "function main(data) { return data; }\n"
ROUTING_SCRIPTS: Final = tuple(f"routing{number}" for number in range(20))

Once = Callable[[], Awaitable[None]]


class Soak:
    """The daemon, and what is done to it."""

    def __init__(self, directory: Path) -> None:
        self.daemon = VoiceDaemon(
            directory,
            SCRIPTS,
            voice='records = ""\ncalls = 10_000',
            more="[log]\ndecision_sample = 0.0\n[catalog]\nwatch = false\n",
            routes=self._routes(),
            files=dict.fromkeys((f"{name}.js" for name in ROUTING_SCRIPTS), ROUTING),
        ).ready()
        self._process = self.daemon.serving.program.process.pid
        self._client: RpcClient | None = None
        self._ended: dict[OutgoingSession, asyncio.Future[None]] = {}
        self._reloads = 0

    @staticmethod
    def _routes(change: int = 0) -> str:
        return "".join(
            f'[[script]]\nfile = "{name}.js"\n'
            f'[[route]]\ncustomer = "{name}"\nscript = "{name}"\ntimeout_ms = {100 + change % 400}\n'
            for name in ROUTING_SCRIPTS
        )

    def resident(self) -> int:
        """Bytes of the daemon alone, without its workers."""
        fields = Path(f"/proc/{self._process}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGESIZE")

    async def _resident_at_rest(self) -> int:
        """Bytes for the most of a second: what the allocator gives back comes and goes by some megabytes, and of a
        moment more or less would be told as 50 for each of 50,000."""
        found = []
        for _ in range(READINGS):
            found.append(self.resident())
            await asyncio.sleep(1 / READINGS)
        return statistics.median_low(found)

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
        await self.client.call("route", request(ROUTING_SCRIPTS[0]))

    async def reload(self) -> None:
        """One of assignments that have changed, and now and then of all scripts."""
        self._reloads += 1
        if self._reloads % SCRIPTS_CHANGE == 0:
            for name in ROUTING_SCRIPTS:
                self.daemon.serving.write(name, f"{ROUTING}// {self._reloads}\n")
        self.daemon.serving.assign("".join(map(self.daemon.entry, SCRIPTS)) + self._routes(self._reloads))
        before = await self._version()
        os.kill(self._process, signal.SIGHUP)
        while await self._version() == before:  # noqa: ASYNC110 - a reload is told to nobody
            await asyncio.sleep(0.001)

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

    async def soak(self, name: str, kind: "Kind", count: int) -> bool:
        """Do it so many times; whether the line is flat."""
        print(f"{name}: resident memory in MB")
        each = count // POINTS // kind.at_once
        points = []
        began = time.monotonic()

        async def some() -> None:
            due = time.monotonic()
            for _ in range(each):
                await kind.once()
                due += kind.at_once / kind.per_second if kind.per_second else 0.0
                await asyncio.sleep(max(0.0, due - time.monotonic()))

        for point in range(1, POINTS + 1):
            await asyncio.gather(*(some() for _ in range(kind.at_once)))
            if point in (POINTS // 2, POINTS):
                await asyncio.sleep(kind.settle_seconds)
                points.append(await self._resident_at_rest())
            else:
                points.append(self.resident())
            print(f"  {points[-1] / 1e6:.1f}", end="", flush=True)
        done = each * kind.at_once * POINTS
        left = (points[-1] - points[POINTS // 2 - 1]) / (done / 2)
        flat = left <= ALLOWED_BYTES
        verdict = "flat" if flat else "NOT FLAT"
        print(f"\n  {done} in {time.monotonic() - began:.0f} s; one more leaves {left:.0f} bytes: {verdict}")
        return flat


class Kind(NamedTuple):
    """What is done, by so many at once, so many a second or as many as there can be, and how long it is kept after."""

    once: Once
    at_once: int
    per_second: float = 0.0
    settle_seconds: float = 0.0


async def run(names: list[str], count: int) -> bool:
    """Each in its turn; whether all were flat."""
    flat = []
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        soak = Soak(Path(directory))
        await soak.start()
        kinds = {
            "connections": Kind(soak.connection, 4),
            "decisions": Kind(soak.decision, 16),
            "reloads": Kind(soak.reload, 1),
            "calls": Kind(soak.call, CALLS_AT_ONCE, CALLS_PER_SECOND, TRANSACTIONS_SECONDS),
        }
        for name in names or kinds:
            flat.append(await soak.soak(name, kinds[name], count))
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
