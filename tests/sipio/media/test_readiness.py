"""One descriptor for the event loop, however many sockets there are."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from sipio.media.readiness import Readiness


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    near.setblocking(False)
    with near, far:
        yield near, far


async def settled() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_socket_is_told_of_until_it_was_read_and_no_more_once_it_is_removed(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    near, far = pair
    readiness = Readiness(asyncio.get_running_loop())
    heard: list[bytes] = []
    readiness.add(near, lambda: heard.append(near.recv(10)))
    far.send(b"one")
    far.send(b"two")
    await settled()
    assert heard == [b"one", b"two"]
    readiness.remove(near)
    far.send(b"three")
    await settled()
    assert heard == [b"one", b"two"]
    readiness.close()


async def test_one_whose_reader_fails_keeps_no_other_from_being_read(
    pair: tuple[socket.socket, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    near, far = pair
    readiness = Readiness(asyncio.get_running_loop())
    heard: list[bytes] = []

    def fails() -> None:
        near.recv(10)
        raise RuntimeError("a bug")

    readiness.add(near, fails)
    readiness.add(far, lambda: heard.append(far.recv(10, socket.MSG_DONTWAIT)))
    far.send(b"one")
    near.send(b"two")
    await settled()
    assert heard == [b"two"]
    assert [record.message for record in caplog.records] == ["media_read_failed"]
    readiness.remove(near)
    readiness.remove(far)
    readiness.close()


async def test_a_socket_that_another_ones_reader_removes_is_not_told_of(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    near, far = pair
    readiness = Readiness(asyncio.get_running_loop())
    told: list[socket.socket] = []

    def read(one: socket.socket, other: socket.socket) -> None:
        told.append(one)
        readiness.remove(one)
        readiness.remove(other)

    readiness.add(near, lambda: read(near, far))
    readiness.add(far, lambda: read(far, near))
    near.send(b"x")
    far.send(b"x")
    await settled()
    assert len(told) == 1
    readiness.close()


async def test_nothing_is_watched_before_the_first_or_after_the_end() -> None:
    readiness = Readiness(asyncio.get_running_loop())
    readiness.close()
    readiness.close()
