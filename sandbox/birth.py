"""A worker from its order until it serves: a process that another one forks, whose link opens then."""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any, Final

import msgpack

from sandbox import exit_status
from sandbox.errors import WorkerFailed
from sandbox.messages_up import FailedMessage, read_up
from sandbox.order import Order
from sandbox.parent import Parent
from sandbox.shared_page import PID, SharedPage

ORDERS: Final = 2
"""Times that a worker is ordered: again where the parent went before it was at that."""
FAILURE_BYTES: Final = 4096
"""The longest word on why there is no worker."""
STOOD_STILL_SECONDS: Final = 0.1
"""A timer that comes so late says that the machine slept, or this process was stopped or held by something else."""


class Birth:
    """One worker that is ordered."""

    __slots__ = (
        "_adopted", "_end", "_given_up", "_images", "_loop", "_order", "_overdue", "_page", "_parent", "_timer",
        "_unborn", "_unwanted", "failure", "forked", "generation", "orders",
    )  # fmt: skip

    def __init__(
        self,
        parent: Parent,
        order: Order,
        page: SharedPage,
        images: int,
        adopted: Callable[[int, int], None],
        unborn: Callable[[], None],
        unwanted: Callable[[], None],
        overdue: Callable[[], None],
    ) -> None:
        """``adopted`` is told the process's id and a descriptor of it once there is one, ``unborn`` is called where
        there will be none, ``unwanted`` where there is one and nobody waits for it any more, and ``overdue`` where it
        is not ready in time."""
        self._loop = asyncio.get_running_loop()
        self._parent = parent
        self._order = order
        self._page = page
        self._images = images
        self._adopted: Callable[[int, int], None] | None = adopted
        self._unborn = unborn
        self._unwanted = unwanted
        self._overdue = overdue
        self._end: socket.socket | None = None
        """Ours of the link, until it is taken."""
        self._timer: asyncio.TimerHandle | None = None
        self._given_up = False
        self.forked: asyncio.Future[None] = self._loop.create_future()
        """Done when there is a process and the link is open."""
        self.failure = ""
        """Why it did not become ready, where that is not its exit status."""
        self.generation = 0
        """That of the parent that forks it."""
        self.orders = 0

    def order(self) -> None:
        """Have it forked. Raises OSError or WorkerFailed where that cannot even be asked for."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                self.generation = self._parent.order(self._order, theirs, self._page.descriptor, self._images)
        except BaseException:
            ours.close()
            raise
        self.orders += 1
        self._end = ours
        self._loop.add_reader(ours, self._answered)
        self._watch_time(self._parent.patience)

    def take_end(self) -> socket.socket | None:
        """Our end of the link, which is the caller's from now on."""
        end, self._end = self._end, None
        return end

    def give_up(self) -> None:
        """It is to be ended as soon as there is a process."""
        self._given_up = True
        self.look()

    def look(self) -> bool:
        """Look for the process that came of the order. False where there is none yet, or never will be."""
        adopted = self._adopted
        if adopted is None:
            return True
        pid = self._page.read(PID)
        if not pid:
            return False
        try:
            pidfd = os.pidfd_open(pid)
        except (OSError, OverflowError) as error:
            self.failure = f"it cannot be watched: {error}"
            exit_status.kill_child(pid)
            return False
        if not exit_status.is_child(pidfd):
            # Whatever wrote this, it is nothing of ours.
            self.failure = "its parent told of a process that is none of its"
            os.close(pidfd)
            return False
        self._adopted = None
        adopted(pid, pidfd)
        return True

    def forget_time(self) -> None:
        """It is ready, or is not waited for any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end(self) -> None:
        """Nobody is told of it any more: who is would be kept by it, and it by them."""
        self._close_end()
        self._adopted = None
        self._unborn = self._unwanted = self._overdue = _tell_nobody

    def _close_end(self) -> None:
        self.forget_time()
        end = self.take_end()
        if end is not None:
            self._loop.remove_reader(end)
            end.close()

    def _answered(self) -> None:
        """There is a process, and the link has its READY or its end; or none, and the link has ended."""
        assert self._end is not None  # noqa: S101 - it has had something to read
        self._loop.remove_reader(self._end)
        if self.look():
            self._page.close_descriptor()
            if self.forked.done():
                self._unwanted()
            else:
                self.forked.set_result(None)
            return
        try:
            self.failure = self.failure or _failure(self._end)
            self._close_end()
            if not (self.failure or self._given_up or self.forked.done()) and self.orders < ORDERS:
                self.order()
                return
        except (OSError, WorkerFailed) as error:
            self.failure = str(error)
        if not self.failure:
            self.failure = f"{self._parent.ended} of its parent" if self._parent.ended else "its parent was replaced"
        self._unborn()

    def _watch_time(self, seconds: float) -> None:
        due = self._loop.time() + seconds
        self._timer = self._loop.call_at(due, self._is_overdue, seconds, due)

    def _is_overdue(self, seconds: float, due: float) -> None:
        self._timer = None
        if self._loop.time() - due > STOOD_STILL_SECONDS:
            # This process got no processor, nor perhaps did the parent; what has come since is still to be read.
            self._watch_time(seconds)
        elif self.look():
            self.failure = f"it was not ready after {seconds:.0f} s"
            self._overdue()
        else:
            # What follows is the end of the link, and another order.
            self._parent.replace(self.generation)


def _tell_nobody() -> None:
    """It is over."""


def _failure(end: socket.socket) -> str:
    """What the parent said of why there is no worker; empty where it said nothing."""
    received = end.recv(FAILURE_BYTES)
    message: Any = None
    if received:
        try:
            message = read_up(msgpack.unpackb(received))
        except (ValueError, msgpack.exceptions.UnpackException):
            return ""
    return message.reason if isinstance(message, FailedMessage) else ""
