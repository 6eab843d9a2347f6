"""Log lines to pipes, sockets, files and terminals whose readers are slow, stopped or gone."""

import asyncio
import os
import pty
import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from sidecar.logs.output import LineOutput

LINE = b"x" * 999 + b"\n"


def dropped_line(count: int) -> bytes:
    return b"dropped %d\n" % count


async def read_until(descriptor: int, wanted: bytes) -> bytes:
    """Everything up to and with ``wanted``."""
    loop = asyncio.get_running_loop()
    received = bytearray()
    readable = asyncio.Event()
    os.set_blocking(descriptor, False)
    loop.add_reader(descriptor, readable.set)
    try:
        while wanted not in received:
            await asyncio.wait_for(readable.wait(), 5)
            readable.clear()
            try:
                received += os.read(descriptor, 1 << 20)
            except BlockingIOError:
                continue
    finally:
        loop.remove_reader(descriptor)
    return bytes(received)


@pytest.fixture(params=["pipe", "socket", "terminal"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """A descriptor to read from and one to write to."""
    if request.param == "pipe":
        pair = os.pipe()
    elif request.param == "socket":
        read_end, write_end = socket.socketpair()
        pair = read_end.detach(), write_end.detach()
    else:
        pair = pty.openpty()
    yield pair
    for descriptor in pair:
        os.close(descriptor)


async def test_lines_of_one_iteration_are_one_write(ends: tuple[int, int]) -> None:
    output = LineOutput(ends[1], dropped_line=dropped_line)
    output.attach(asyncio.get_running_loop())
    for number in range(10):
        output.write(b"line %d\n" % number)
    os.set_blocking(ends[0], False)
    with pytest.raises(BlockingIOError):
        os.read(ends[0], 1)
    received = await read_until(ends[0], b"line 9\n" if not os.isatty(ends[1]) else b"line 9\r\n")
    assert received.replace(b"\r", b"").splitlines() == [b"line %d" % number for number in range(10)]
    output.close(0)
    with pytest.raises(BlockingIOError):
        os.read(ends[0], 1)


async def test_a_stopped_reader_costs_lines_and_not_time(ends: tuple[int, int]) -> None:
    loop = asyncio.get_running_loop()
    output = LineOutput(ends[1], dropped_line=dropped_line, buffer_bytes=100_000)
    output.attach(loop)
    for _ in range(2_000):
        output.write(LINE)
        if _ % 50 == 0:
            await asyncio.sleep(0)
    assert output.dropped > 500
    lost = output.dropped
    received = await read_until(ends[0], b"dropped %d" % lost)
    whole = received.replace(b"\r", b"").splitlines()[:-1]
    assert set(whole) == {LINE[:-1]}
    assert len(whole) == 2_000 - lost
    output.write(b"after\n")
    assert b"after" in await read_until(ends[0], b"after")
    assert output.dropped == lost
    output.close(0)


def test_a_stopped_reader_under_uvloop(ends: tuple[int, int]) -> None:
    uvloop.run(test_a_stopped_reader_costs_lines_and_not_time(ends))


async def test_the_shared_descriptor_stays_blocking(ends: tuple[int, int]) -> None:
    output = LineOutput(ends[1], dropped_line=dropped_line)
    assert os.get_blocking(ends[1])
    output.close(0)


async def test_a_reader_that_is_gone_drops_everything() -> None:
    read_end, write_end = os.pipe()
    output = LineOutput(write_end, dropped_line=dropped_line)
    output.attach(asyncio.get_running_loop())
    os.close(read_end)
    output.write(LINE)
    await asyncio.sleep(0)
    output.write(LINE)
    assert output.dropped == 2
    output.close(1)
    os.close(write_end)


async def test_a_descriptor_that_cannot_be_reopened_is_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    read_end, write_end = os.pipe()
    monkeypatch.setattr(os, "open", refuse)
    output = LineOutput(write_end, dropped_line=dropped_line, buffer_bytes=100_000)
    monkeypatch.undo()
    output.attach(asyncio.get_running_loop())
    for _ in range(2_000):
        output.write(LINE)
        await asyncio.sleep(0)
    assert output.dropped > 500
    assert b"dropped" in await read_until(read_end, b"dropped")
    output.close(0)
    os.close(read_end)
    os.close(write_end)


def test_a_file_is_written_without_a_loop(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        output = LineOutput(file.fileno(), dropped_line=dropped_line)
        output.write(b"one\n")
        assert (tmp_path / "log").read_bytes() == b"one\n"
        output.close(1)
        output.write(b"late\n")
        assert output.dropped == 1


def test_a_full_disk_loses_lines_and_raises_nothing(tmp_path: Path) -> None:
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    with (tmp_path / "log").open("wb") as file:
        output = LineOutput(file.fileno(), dropped_line=dropped_line)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, former[1]))
        try:
            for _ in range(3):
                output.write(LINE)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, former)
        assert output.dropped == 2
        output.close(0)


async def test_close_writes_what_the_reader_takes(ends: tuple[int, int]) -> None:
    output = LineOutput(ends[1], dropped_line=dropped_line)
    output.attach(asyncio.get_running_loop())
    for _ in range(1_000):
        output.write(LINE)
    received = bytearray()

    def read() -> None:
        while received.count(b"\n") < 1_000:
            received.extend(os.read(ends[0], 65_536))

    reader = threading.Thread(target=read)
    reader.start()
    output.close(5)
    reader.join(5)
    assert received.replace(b"\r", b"") == LINE * 1_000
    assert output.dropped == 0


async def test_no_more_than_the_buffer_is_kept_for_a_stopped_reader(ends: tuple[int, int]) -> None:
    output = LineOutput(ends[1], dropped_line=dropped_line, buffer_bytes=100_000)
    output.attach(asyncio.get_running_loop())
    for number in range(2_000):
        output.write(LINE)
        if number % 50 == 0:
            await asyncio.sleep(0)
    lost = output.dropped
    output.close(0)
    assert 0 < output.dropped - lost <= 100 + 1, "lines of 1,000 bytes, and the one that tells of the loss"


async def test_close_waits_no_longer_than_it_may(ends: tuple[int, int]) -> None:
    output = LineOutput(ends[1], dropped_line=dropped_line)
    for _ in range(1_000):
        output.write(LINE)
    output.close(0.01)
    assert 500 < output.dropped <= 1_000


async def test_lines_of_other_threads_reach_the_loop() -> None:
    read_end, write_end = os.pipe()
    output = LineOutput(write_end, dropped_line=dropped_line, buffer_bytes=20)
    output.attach(asyncio.get_running_loop())
    output.write(b"from the loop\n")
    thread = threading.Thread(target=output.write, args=(b"from a thread\n",))
    thread.start()
    thread.join()
    assert output.dropped == 0, "only the loop's thread may touch the buffer, which has no room now"
    assert await read_until(read_end, b"thread\n") == b"from the loop\nfrom a thread\n"
    assert output.dropped == 0
    output.close(0)
    os.close(read_end)
    os.close(write_end)
