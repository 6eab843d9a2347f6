"""What a save costs the platform's other requests: the longest stop of its event loop while scripts are saved.

python -m bench.saves [ROUNDS]

Default: 5. The platform is one of its own in this process, on a SQLite file, beside a clock that ticks every
millisecond in its loop; who asks is in the same loop, with requests that were written before.
"""

import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from bench.catalog_reload import Clock
from sidecar.catalog.database import tokens
from sidecar.catalog.database.tenants import ensure_operator
from sidecar.catalog.database.work import Actor, Store
from sidecar.cli.serve import SWITCH_SECONDS
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.source import load_configuration
from sidecar.operations.notify import Notifier
from sidecar.platform import PlatformProcess
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade

OPERATOR: Final = Actor("bench", "command line", operator=True)
SIZES: Final = (2_000, 10_000, 100_000, 990_000)
LINES: Final = (
    "export function route{n}(data) {{\n"
    "  const {{ cli, dest_number }} = data; // what the switch says of call {n}\n"
    "  if (/^49{n}/.test(dest_number)) return {{ ...data, routing: {{ gateways: ['gw{n}'] }} }};\n"
    "  return data;\n"
    "}}\n"
)


def text(size: int, number: int) -> str:
    """An ordinary App of about so many characters; each number another."""
    parts = [f"export function main(data) {{ return {number}; }}\n"]
    length = len(parts[0])
    while length < size:
        parts.append(LINES.format(n=len(parts)))
        length += len(parts[-1])
    return "".join(parts)


class Ready(Notifier):
    """Tells when the platform serves, and where."""

    def __init__(self) -> None:
        super().__init__()
        self.serving: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def ready(self, status: str = "") -> None:
        """The platform's word that it is there."""
        self.serving.set_result(int(status.partition("127.0.0.1:")[2].split()[0].strip(",;")))


class Client:
    """One connection."""

    def __init__(self, token: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._token, self._reader, self._writer = token, reader, writer

    def request(self, method: str, path: str, body: Mapping[str, object] | None = None) -> bytes:
        """A request as it is sent."""
        given = json.dumps(body).encode() if body is not None else b""
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self._token}\r\nIf-Match: *\r\n"
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(given)}\r\n\r\n".encode() + given

    async def ask(self, request: bytes) -> bytes:
        """The answer's body."""
        # In pieces, as a network would bring it.
        for begin in range(0, len(request), 65_536):
            self._writer.write(request[begin : begin + 65_536])
            await self._writer.drain()
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await self._reader.readexactly(length)
        assert head.split()[1] in (b"200", b"201"), (head, body[:500])
        return body


class Stops(NamedTuple):
    """The longest stop of the loop in each round, in milliseconds; those in which no thread waited for a processor."""

    what: str
    all: list[float]
    unhindered: list[float]
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.what:<28} median {statistics.median(self.unhindered):5.1f} ms"
            f" ({statistics.median(self.all):.1f}), longest {max(self.unhindered):5.1f} ms ({max(self.all):.1f}),"
            f" {self.seconds:.2f} s"
        )


async def _stops(what: str, rounds: int, clock: Clock, work: Callable[[int], Awaitable[object]]) -> Stops:
    found = []
    began = time.perf_counter()
    for number in range(rounds):
        found.append(await clock.during(partial(work, number)))
    seconds = (time.perf_counter() - began) / rounds
    return Stops(what, [one for one, _ in found], [one for _, one in found], seconds)


async def _token(address: str) -> str:
    store = Store(Storage(DatabaseUrl.parse(address), create=True))
    try:
        await upgrade(store.storage)
        await ensure_operator(store, OPERATOR)
        async with store.working(OPERATOR, "operator") as work:
            _, token = await tokens.make_token(work, name="bench", scopes=["read", "write", "run", "admin"])
            return token
    finally:
        await store.close()


async def measure(rounds: int) -> list[Stops]:
    """The stops of the loop: of the first request, of one that asks for little, and of saves by size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        address = f"sqlite:///{folder / 'platform.db'}"
        token = await _token(address)
        settings = {
            "CATALOG__URL": address,
            "PLATFORM__LISTEN": "127.0.0.1:0",
            "PLATFORM__METRICS": "",
            "PLATFORM__LOGS": str(folder / "logs"),
            "LOG__LEVEL": "error",
        }
        os.environ.update({f"SCRIPTFORGE_{key}": value for key, value in settings.items()})
        ready = Ready()
        process = PlatformProcess(load_configuration(None).configuration, notifier=ready)
        running = asyncio.ensure_future(process.run())
        await asyncio.wait((ready.serving, running), return_when=asyncio.FIRST_COMPLETED)
        client = Client(token, *await asyncio.open_connection("127.0.0.1", ready.serving.result()))
        clock = Clock()
        scripts = "/api/v1/scripts"
        listing = client.request("GET", scripts)
        found = [await _stops("the first request", 1, clock, lambda _: client.ask(listing))]
        found.append(await _stops("further ones", rounds, clock, lambda _: client.ask(listing)))
        ids = {}
        for size in SIZES:
            making = client.request("POST", scripts, {"name": f"s{size}.js", "kind": "app", "text": text(size, 0)})

            async def make(_: int, size: int = size, making: bytes = making) -> None:
                ids[size] = json.loads(await client.ask(making))["id"]

            found.append(await _stops(f"{size:,} characters, made", 1, clock, make))
        for size in SIZES:
            requests = [
                client.request("PUT", f"{scripts}/{ids[size]}/text", {"text": text(size, number + 1)})
                for number in range(rounds)
            ]

            async def save(number: int, requests: Sequence[bytes] = requests) -> None:
                await client.ask(requests[number])

            found.append(await _stops(f"{size:,} characters, saved", rounds, clock, save))
        os.kill(os.getpid(), signal.SIGTERM)
        await running
    return found


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_SECONDS)
    for stops in uvloop.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5)):
        print(stops)
