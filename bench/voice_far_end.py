"""The far end of a benchmark's calls: one UDP port that every call's audio goes to, in a process of its own.

It sends each packet back to where it came from, at once, so that every call has audio both ways at the daemon's own
pace; and it notes when each came, by which it tells how late it was.
"""

import contextlib
import multiprocessing
import socket
import time
from array import array
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Final

import msgspec
import numpy as np

HOST: Final = "127.0.0.1"
PACKET_SECONDS: Final = 0.02
BUFFER_BYTES: Final = 16_000_000


class Heard(msgspec.Struct, frozen=True):
    """What came in the time that was asked for."""

    streams: int
    packets: int
    seconds: float
    lost: int
    late_ms: tuple[float, float, float]
    """p50, p99 and most: after the stream's own earliest packet, by its sequence numbers. The far end's own delay is
    in it."""


def _run(connection: Connection) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        port.bind((HOST, 0))
        port.settimeout(0.1)
        connection.send(port.getsockname()[1])
        arrivals: dict[tuple[int, bytes], tuple[array[float], array[int]]] = {}
        began = time.monotonic()
        while True:
            if connection.poll():
                word = connection.recv()
                if word == "end":
                    return
                if word == "begin":
                    arrivals.clear()
                    began = time.monotonic()
                else:
                    connection.send(_heard(arrivals, time.monotonic() - began))
            # A look at the pipe for every hundred packets is a look often enough.
            with contextlib.suppress(TimeoutError):
                for _ in range(100):
                    packet, source = port.recvfrom(2_048)
                    now = time.monotonic()
                    with contextlib.suppress(OSError):
                        port.sendto(packet, source)
                    times, numbers = arrivals.setdefault((source[1], packet[8:12]), (array("d"), array("H")))
                    times.append(now)
                    numbers.append(packet[2] << 8 | packet[3])


def _heard(arrivals: dict[tuple[int, bytes], tuple["array[float]", "array[int]"]], seconds: float) -> Heard:
    late: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
    lost = 0
    for times, numbers in arrivals.values():
        order = np.unwrap(np.frombuffer(numbers, np.uint16).astype(np.float64), period=65_536)
        after = np.frombuffer(times, np.float64) - order * PACKET_SECONDS
        late.append(after - after.min())
        lost += int(order.max() - order.min()) + 1 - len(order)
    found = np.percentile(np.concatenate(late) * 1_000, [50, 99, 100]) if late else np.zeros(3)
    packets = sum(len(times) for times, _ in arrivals.values())
    return Heard(len(arrivals), packets, seconds, lost, (float(found[0]), float(found[1]), float(found[2])))


class FarEnd:
    """The process, from here."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.port: int = connection.recv()

    def begin(self) -> None:
        """Count from now."""
        self._connection.send("begin")

    def heard(self) -> Heard:
        """What has come since."""
        self._connection.send("heard")
        heard: Heard = self._connection.recv()
        return heard


@contextlib.contextmanager
def far_end() -> Iterator[FarEnd]:
    """One far end."""
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=_run, args=(theirs,), daemon=True)
    child.start()
    try:
        yield FarEnd(ours)
    finally:
        ours.send("end")
        child.join(5)
