"""A turn that the daemon is told of beforehand is held to its time, however long the daemon does not read."""

import mmap
import os
from typing import Any

import pytest

from sandbox import link, messages_down, worker
from sandbox.engine import Context, Status
from sandbox.image_store import ImageStore
from sandbox.program import Invocation, Limits
from sandbox.shared_page import PAGE_BYTES
from sandbox.worker import Worker
from tests.sandbox.support import ASKS, packed

STORE_BYTES = 1 << 20


class SlowDaemon:
    """The end of a link whose other one has no room for anything at once: 10 s pass each time that it is waited for."""

    def __init__(self, said: list[list[Any]], clock: "Clock") -> None:
        self._said = [link.pack(message) for message in said]
        self._clock = clock
        self.received = b""

    def recv(self, size: int) -> bytes:
        del size
        return self._said.pop(0) if self._said else b""

    def send(self, data: bytes, flags: int) -> int:
        del data, flags
        raise BlockingIOError

    def sendall(self, data: memoryview) -> None:
        self._clock.now += 10.0
        self.received += bytes(data)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    @staticmethod
    def process_time() -> float:
        return 0.0


class Timer:
    """The kernel's, which kills nobody."""

    on = False

    def cover(self, now: float, seconds: float) -> None:
        del now, seconds
        Timer.on = True

    def stop(self) -> None:
        Timer.on = False


def test_the_kernels_timer_is_on_in_each_turn_and_the_wait_is_in_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, turns, ends = Clock(), [], []
    monkeypatch.setattr(worker, "KillTimer", Timer)
    monkeypatch.setattr(worker, "time", clock)
    settle, done = Context.settle, Worker._done

    def settled(self: Context, *arguments: Any) -> Status:
        turns.append(Timer.on)
        return settle(self, *arguments)

    def is_done(self: Worker, run_id: int, *rest: Any) -> float:
        ends.append(done(self, run_id, *rest))
        return ends[-1]

    monkeypatch.setattr(Context, "settle", settled)
    monkeypatch.setattr(Worker, "_done", is_done)
    invocation = Invocation(program=ASKS, input=packed(1), limits=Limits(), recorded=True)
    daemon = SlowDaemon(
        [
            messages_down.load(ASKS),
            messages_down.run(1, invocation, 2_000.0, 5, 0.0),
            messages_down.settle(1, 1, True, packed("x"), None),
        ],
        clock,
    )
    memory = os.memfd_create("images")
    os.ftruncate(memory, STORE_BYTES)
    served = Worker(daemon, mmap.mmap(-1, PAGE_BYTES), ImageStore(memory, STORE_BYTES), 1 << 28)  # type: ignore[arg-type]
    served.serve()
    os.close(memory)
    assert turns == [True]
    assert ends == [0.0]
    assert packed("x") in daemon.received
