"""What starting workers and their parent does where the machine has no room, stands still or kills them."""

import asyncio
import contextlib
import errno
import gc
import os
import resource
import signal
import socket
import subprocess
import time
import weakref
from pathlib import Path

import pytest

from sandbox import messages_down, parent
from sandbox.errors import WorkerFailed
from sandbox.parent import RESTART_SECONDS, Parent
from sandbox.pool import Pool
from sandbox.pooled_worker import Lane, PooledWorker
from sandbox.process import WorkerProcess
from sandbox.supervision import STILLBORN
from tests.sandbox.support import (
    FINE,
    SMALL,
    descriptors_of,
    end,
    fast_pid,
    running_pool,
    until,
    value,
    whole,
    worker,
)


async def test_a_daemon_that_stood_still_does_not_blame_the_worker_that_it_waits_for(
    forks: Parent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent, "FORK_SECONDS", 0.2)
    await end(await worker(forks))
    starting = asyncio.ensure_future(worker(forks))
    await asyncio.sleep(0)
    time.sleep(0.5)  # noqa: ASYNC251 - nothing else of this process goes on either
    process = await starting
    await end(process)
    assert process._birth is not None
    assert not process._birth.failure
    assert forks.generation == 1


async def test_crashes_one_after_the_other_do_not_replace_it_without_end(forks: Parent) -> None:
    await end(await worker(forks))
    await until(lambda: time.monotonic() - forks._started_at > RESTART_SECONDS)
    first = forks._started_at
    for generation in (1, 2, 3):
        forks.replace(generation)
        # Or the one that is to go forks the next worker as well.
        await until(lambda replaced=generation: forks.generation > replaced)  # type: ignore[misc]
        await end(await worker(forks))
    assert forks.generation == 4
    assert forks._started_at - first > 3 * RESTART_SECONDS


async def test_where_there_is_no_socket_for_orders_it_is_started_later(
    forks: Parent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await end(await worker(forks))
    failing = socket.socketpair
    failures: list[int] = []

    def socketpair(family: int = socket.AF_UNIX, kind: int = socket.SOCK_STREAM) -> tuple[socket.socket, socket.socket]:
        if kind == socket.SOCK_SEQPACKET and not failures:
            failures.append(kind)
            raise OSError(errno.ENFILE, "Too many open files in system")
        return failing(family, kind)

    monkeypatch.setattr(socket, "socketpair", socketpair)
    os.kill(forks.pid, signal.SIGKILL)
    await until(lambda: failures)
    with pytest.raises(WorkerFailed, match="no process to fork a worker"):
        await worker(forks)
    await until(lambda: forks.pid)
    await end(await worker(forks))


@pytest.mark.parametrize("left", [0, 2, 5])
async def test_without_descriptors_a_pool_goes_on_and_is_whole_once_there_are_some(left: int) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    async with running_pool(SMALL) as pool:
        await value(pool, FINE, 1)
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(descriptors_of(os.getpid())) + 10, limits[1]))
        try:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(os.open("/dev/null", os.O_RDONLY))
            for _ in range(left):
                os.close(taken.pop())
            os.kill(pool._parent.pid, signal.SIGKILL)
            os.kill(fast_pid(pool), signal.SIGKILL)
            await until(lambda: pool._parent.deaths and pool.state().deaths)
            assert await value(pool, FINE, 1) == 1, "by the spare"
        finally:
            for descriptor in taken:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        await until(lambda: whole(pool))
        assert await value(pool, FINE, 1) == 1


async def test_of_a_worker_that_has_gone_nothing_is_kept(forks: Parent) -> None:
    async def life() -> weakref.ref[WorkerProcess]:
        process = await worker(forks)
        assert process._transport is not None
        # Its end is seen before that of its link.
        process._transport.pause_reading()
        process.kill()
        await until(lambda: process.exit_code is not None)
        process._transport.resume_reading()
        await process.wait_gone()
        process.send(messages_down.cancel(1))
        assert process._input is None
        assert process.images is None
        return weakref.ref(process)

    gone = await life()
    await asyncio.sleep(0)
    gc.collect()
    assert gone() is None


async def test_one_that_cannot_be_started_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refused)
    with pytest.raises(WorkerFailed, match=r"process that forks workers cannot be started: .*temporarily unavailable"):
        await Pool(SMALL).start()


async def test_exit_statuses_are_kept_though_whoever_started_the_daemon_ignores_them() -> None:
    former = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        async with running_pool(SMALL) as pool:
            os.kill(fast_pid(pool), signal.SIGKILL)
            await until(lambda: pool.state().deaths == {"SIGKILL": 1} and whole(pool))
    finally:
        signal.signal(signal.SIGCHLD, former)


async def test_for_want_of_memory_the_kernel_kills_it_and_its_workers_before_the_daemon(forks: Parent) -> None:
    def score(pid: int) -> int:
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii"))

    process = await worker(forks)
    assert score(forks.pid) == score(process.pid) == min(1000, score(os.getpid()) + 300)
    await end(process)


async def test_workers_that_end_as_soon_as_they_are_ready_are_not_followed_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running_pool(SMALL) as pool:
        admit = pool._lanes.admit
        ended: list[float] = []

        def admit_dead(worker: PooledWorker, lane: Lane) -> None:
            os.kill(worker.process.pid, signal.SIGKILL)
            ended.append(time.monotonic())
            admit(worker, lane)

        monkeypatch.setattr(pool._lanes, "admit", admit_dead)
        os.kill(fast_pid(pool), signal.SIGKILL)
        await until(lambda: len(ended) > STILLBORN + 2)
        assert ended[-1] - ended[-2] > RESTART_SECONDS
        monkeypatch.setattr(pool._lanes, "admit", admit)
        await until(lambda: whole(pool))
        assert await value(pool, FINE, 1) == 1
