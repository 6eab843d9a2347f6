"""Images that are sent to another worker in pieces: nobody waits for all of one, and none is lost between."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable

import pytest

from sandbox.arriving import ArrivingImages
from sandbox.image_file import ImageFile
from sandbox.image_store import ImageStore
from sandbox.outcome import Cancelled, Completion
from sandbox.pool import Pool
from sandbox.resuming import SLICE_BYTES, Resuming
from sandbox.run import Run
from sandbox.suspension import PIECE_BYTES
from tests.sandbox.support import HOST_ADAPTER, SUSPENDS, Asked, begun, program, returned, running_pool, submit, until

LARGE = 9_000_000
TEXT = """async function main(n) {
  const held = new Uint8Array(n).fill(7);
  for (let at = 0; at < n; at += 5000) held[at] = at / 5000;
  await ask(n);
  let sum = 0;
  for (let at = 0; at < n; at += 5000) sum += held[at];
  return sum;
}"""
SUM = sum((at // 5000) % 256 for at in range(0, LARGE, 5000))
HOLDS = program(TEXT, SUSPENDS, adapter=HOST_ADAPTER)


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with running_pool() as made:
        yield made


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes that were sent in each turn of the event loop."""
    found: list[int] = []
    send = Resuming._send_piece

    def counted(resuming: Resuming, move: object, now: float) -> int | None:
        size = send(resuming, move, now)  # type: ignore[arg-type]
        found[-1] += size or 0
        return size

    monkeypatch.setattr(Resuming, "_send_piece", counted)
    return found


async def waiting(pool: Pool, host: Asked) -> tuple[Run, "asyncio.Future[Completion]"]:
    run, future = submit(pool, HOLDS, LARGE, host=host, wall_seconds=60)
    await until(lambda: host.calls)
    await begun(run)
    return run, future


def kill_worker(run: Run) -> None:
    assert run.worker is not None
    os.kill(run.worker.process.pid, signal.SIGKILL)


async def test_it_goes_on_and_no_turn_of_the_event_loop_sends_more_than_a_slice(pool: Pool, sent: list[int]) -> None:
    loop = asyncio.get_running_loop()

    def turn() -> None:
        sent.append(0)
        loop.call_soon(turn)

    turn()
    host = Asked()
    run, future = await waiting(pool, host)
    kill_worker(run)
    await until(lambda: pool.state().resumed == 1)
    host.calls[0].resolve(None)
    assert (await future).outcome == returned(SUM)
    assert sum(sent) > LARGE
    assert max(sent) < SLICE_BYTES + PIECE_BYTES


def interrupt_third_piece(monkeypatch: pytest.MonkeyPatch, act: Callable[[Run, int], None]) -> None:
    """Do something, to the run and the worker that it is sent to, after the third piece of the first move."""
    send = Resuming._send_piece
    pieces: list[int] = []

    def counted(resuming: Resuming, move: object, now: float) -> int | None:
        size = send(resuming, move, now)  # type: ignore[arg-type]
        pieces.append(size or 0)
        if len(pieces) == 3:
            act(move.run, move.worker.process.pid)  # type: ignore[attr-defined]
        return size

    monkeypatch.setattr(Resuming, "_send_piece", counted)


async def test_where_the_worker_that_it_is_sent_to_dies_it_goes_on_in_another_one(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_third_piece(monkeypatch, lambda _run, pid: os.kill(pid, signal.SIGKILL))
    host = Asked()
    run, future = await waiting(pool, host)
    kill_worker(run)
    await until(lambda: pool.state().resumed == 1)
    host.calls[0].resolve(None)
    assert (await future).outcome == returned(SUM)


async def test_where_it_is_stopped_meanwhile_the_others_go_on(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_third_piece(monkeypatch, lambda run, _pid: pool.stop(run, Cancelled()))
    first, second = Asked(), Asked()
    run, future = await waiting(pool, first)
    other, answered = await waiting(pool, second)
    kill_worker(run)
    if other.worker is not run.worker:
        kill_worker(other)
    for host in (first, second):
        host.calls[0].resolve(None)
    outcomes = [one.outcome for one in await asyncio.gather(future, answered)]
    assert Cancelled() in outcomes, "the one that was on its way"
    assert returned(SUM) in outcomes


def store(size: int) -> tuple[ImageFile, ImageStore]:
    file = ImageFile(size)
    return file, ImageStore(file.descriptor, size)


def test_pieces_make_an_image() -> None:
    _, images = store(4096)
    arriving = ArrivingImages(images, lambda: 4096)
    arriving.add(1, 600, 0, b"a" * 256)
    arriving.add(2, 300, 0, b"x" * 256)
    arriving.add(1, 600, 256, b"b" * 256)
    place = arriving.finish(1, 600, b"c" * 88)
    assert place is not None
    assert bytes(images.at(place)) == b"a" * 256 + b"b" * 256 + b"c" * 88
    whole = arriving.finish(3, 5, b"whole")
    assert whole is not None
    assert bytes(images.at(whole)) == b"whole"


def test_what_began_anew_was_dropped_or_had_no_room_is_no_image() -> None:
    _, images = store(1024)
    arriving = ArrivingImages(images, lambda: 1024)
    arriving.add(1, 512, 0, b"a" * 256)
    arriving.add(1, 512, 0, b"b" * 256)
    images.settle()
    arriving.add(2, 512, 0, b"c" * 256)
    place = arriving.finish(1, 512, b"d" * 256)
    assert place is not None
    assert bytes(images.at(place)) == b"b" * 256 + b"d" * 256
    arriving.add(2, 512, 256, b"")
    assert arriving.finish(2, 512, b"e" * 256) is None
    arriving.add(3, 2048, 0, b"f" * 256)
    arriving.add(3, 2048, 256, b"f" * 256)
    assert arriving.finish(3, 2048, b"g" * 256) is None


def test_images_on_their_way_share_the_room() -> None:
    _, images = store(4096)
    arriving = ArrivingImages(images, lambda: 1000)
    arriving.add(1, 600, 0, b"a" * 256)
    arriving.add(2, 600, 0, b"b" * 256)
    assert arriving.finish(2, 600, b"b" * 344) is None
    assert arriving.finish(1, 600, b"a" * 344) is not None
