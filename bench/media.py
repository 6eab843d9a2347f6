"""Media per core: playback streams with their lateness, full duplex per call-second, relayed packets.

    python -m bench.media [--streams 1000] [--seconds 5] [playback | duplex | relay ...]

The engine runs in this process; the far ends are bare sockets, driven by a child process where they talk.
Lateness is how long after its due time a step of the tick had sent all its packets. The processor time is the engine's,
the system's part of sendto included; the far end's work is not in it.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import resource
import socket
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import uvloop

from sidecar.operations import memory
from sipio.call_control import MediaFile
from sipio.media.engine import MediaEngine
from sipio.media.g711 import SILENCE, Law
from sipio.media.relay import Relay
from sipio.media.rtp import HEADER
from sipio.media.session import MediaSession
from sipio.media.settings import MediaSettings
from sipio.media.ticker import Ticker
from sipio.media.wav_writer import WavWriter
from sipio.sip.media_description import LocalMedia, MediaDirection, NegotiatedMedia

HOST: Final = "127.0.0.1"
SETTINGS: Final = MediaSettings(port_first=40_000, port_last=59_999)


def negotiated(port: int, codec: str = "PCMU") -> NegotiatedMedia:
    return NegotiatedMedia(
        codec=codec,
        payload_type={"PCMU": 0, "PCMA": 8}[codec],
        receive_codecs={0: "PCMU", 8: "PCMA"},
        dtmf_payload_type=101,
        dtmf_receive_payload_type=101,
        ptime_ms=20,
        remote_host=HOST,
        remote_port=port,
        remote_rtcp_host=HOST,
        remote_rtcp_port=port + 1,
        direction=MediaDirection.SENDRECV,
        peer_holds=False,
        local=LocalMedia(host=HOST, port=0),
    )


class Watched(Ticker):
    """Notes how late each step was done."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.late: list[float] = []

    def _run(self) -> None:
        due = self._due
        super()._run()
        self.late.append(self._loop.time() - due)


def watched(engine: MediaEngine) -> Watched:
    """Puts a ticker that notes into an engine that has no sessions yet."""
    ticker = Watched(asyncio.get_running_loop())
    object.__setattr__(engine._resources, "ticker", ticker)
    return ticker


def talk(ports: list[int], sources: list[int], seconds: float, ready: Connection) -> None:
    """A child process: a packet every 20 ms to each port, from a socket for each, which reads nothing."""
    sockets = []
    for source in sources:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        made.bind((HOST, source))
        sockets.append(made)
    payload = SILENCE[Law.PCMU]
    ready.send(None)
    began = time.monotonic()
    phases = 10
    for step in range(round(seconds * 50) * phases):
        tick, phase = divmod(step, phases)
        pause = began + step * 0.02 / phases - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        for index in range(phase, len(ports), phases):
            header = HEADER.pack(0x80, 0, tick & 0xFFFF, 160 * tick & 0xFFFFFFFF, index)
            with contextlib.suppress(OSError):
                sockets[index].sendto(header + payload, (HOST, ports[index]))


@contextlib.contextmanager
def talkers(sessions: list[MediaSession], seconds: float) -> Iterator[list[int]]:
    """Starts the child; gives the ports it sends from."""
    sources = list(range(10_000, 10_000 + 2 * len(sessions), 2))
    ours, theirs = multiprocessing.Pipe()
    ports = [session.port for session in sessions]
    child = multiprocessing.get_context("spawn").Process(target=talk, args=(ports, sources, seconds, theirs))
    child.start()
    ours.recv()
    try:
        yield sources
    finally:
        child.join()


async def measure(name: str, ticker: Watched, sessions: list[MediaSession], seconds: float) -> None:
    memory.keep()  # as the daemon does once it serves: a full collection takes 20 ms with a thousand sessions
    await asyncio.sleep(0.5)
    ticker.late.clear()
    counted = [(s.statistics().packets_sent, s.statistics().packets_received) for s in sessions]
    cpu, wall = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    after = [(s.statistics().packets_sent, s.statistics().packets_received) for s in sessions]
    sent = sum(b[0] - a[0] for a, b in zip(counted, after, strict=True))
    received = sum(b[1] - a[1] for a, b in zip(counted, after, strict=True))
    late = np.percentile(np.array(ticker.late) * 1_000, [50, 99, 100])
    print(
        f"{name}: {len(sessions)} sessions, {sent / wall:,.0f} sent/s {received / wall:,.0f} received/s, "
        f"{100 * cpu / wall:.0f} % of a core, {cpu / (len(sessions) * wall) * 1_000:.3f} ms CPU a session-second, "
        f"{cpu / max(sent, 1) * 1e6:.1f} us a packet sent; lateness ms p50 {late[0]:.1f} p99 {late[1]:.1f} "
        f"max {late[2]:.1f}; skipped {ticker.skipped}"
    )


async def playback(streams: int, seconds: float) -> None:
    engine = MediaEngine(SETTINGS)
    ticker = watched(engine)
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind((HOST, 0))
    with TemporaryDirectory() as directory:
        path = Path(directory) / "noise.wav"
        with WavWriter(path, 1) as writer:
            writer.write(np.random.default_rng(1).normal(0, 3_000, 80_000).astype("<i2").tobytes())
        sessions = [engine.open(HOST) for _ in range(streams)]
        for session in sessions:
            session.start(negotiated(sink.getsockname()[1]))
            session.play([MediaFile("noise", path)], lambda _: None, repeat=True)
        await measure("playback", ticker, sessions, seconds)
    await engine.close()
    sink.close()


async def duplex(streams: int, seconds: float) -> None:
    engine = MediaEngine(SETTINGS)
    ticker = watched(engine)
    sessions = [engine.open(HOST) for _ in range(streams)]
    with talkers(sessions, seconds + 1.5) as sources:
        for session, source in zip(sessions, sources, strict=True):
            session.start(negotiated(source))
            session.echo(0, lambda _: None)
        await measure("echo, full duplex", ticker, sessions, seconds)
    await engine.close()


async def relay(streams: int, seconds: float) -> None:
    engine = MediaEngine(SETTINGS)
    ticker = watched(engine)
    sessions = [engine.open(HOST) for _ in range(streams - streams % 2)]
    with talkers(sessions, seconds + 1.5) as sources:
        for index, (session, source) in enumerate(zip(sessions, sources, strict=True)):
            session.start(negotiated(source, "PCMA" if index % 4 == 1 else "PCMU"))
        for first, second in zip(sessions[::2], sessions[1::2], strict=True):
            Relay(first, second)
        await measure("relay (legs; half of the bridges translated)", ticker, sessions, seconds)
    await engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["playback", "duplex", "relay"])
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * arguments.streams + 200)), hard))
    for name in arguments.what:
        uvloop.run({"playback": playback, "duplex": duplex, "relay": relay}[name](arguments.streams, arguments.seconds))


if __name__ == "__main__":
    main()
