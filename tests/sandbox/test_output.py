"""What a worker says goes out together, and waits for a daemon that does not read in nobody's time."""

import socket
import threading
from collections.abc import Iterator

import pytest

from sandbox.output import Output


class Told:
    """What an output has told of, in its order."""

    def __init__(self) -> None:
        self.what: list[str] = []
        self.waits = threading.Event()

    def before_waiting(self) -> None:
        self.what.append("waits")
        self.waits.set()

    def flushed(self) -> None:
        self.what.append("flushed")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    worker, daemon = socket.socketpair()
    yield worker, daemon
    worker.close()
    daemon.close()


def test_what_the_daemon_has_room_for_is_sent_without_a_wait(ends: tuple[socket.socket, socket.socket]) -> None:
    told = Told()
    output = Output(ends[0], told.before_waiting, told.flushed)
    output.add([1, "a"])
    output.flush()
    assert ends[1].recv(100) == b"\x92\x01\xa1a"
    assert told.what == ["flushed"]


def test_a_daemon_that_does_not_read_is_waited_for_and_misses_nothing(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    told = Told()
    output = Output(ends[0], told.before_waiting, told.flushed)
    sending = threading.Thread(target=output.add, args=([1, b"x" * 2_000_000],))
    sending.start()
    assert told.waits.wait(5)
    received = bytearray()
    while len(received) < 2_000_000 + 7:
        received += ends[1].recv(1 << 20)
    sending.join()
    assert received == b"\x92\x01\xc6\x00\x1e\x84\x80" + b"x" * 2_000_000
    assert told.what == ["waits", "flushed"]
