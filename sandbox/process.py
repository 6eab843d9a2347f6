"""One worker process as the daemon sees it: ordered, spoken to, watched, killed."""

import asyncio
import contextlib
import mmap
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from typing import Any, Final, cast

import msgpack
import msgspec

from sandbox import exit_status, messages_down
from sandbox.allowance import Allowance
from sandbox.errors import ConfinementRefused, WorkerFailed
from sandbox.image_file import ImageFile, store_bytes
from sandbox.incoming import Incoming
from sandbox.link import pack
from sandbox.messages_up import FailedMessage, MessageUp, ReadyMessage, read_up
from sandbox.order import Order
from sandbox.parent import Parent
from sandbox.program import Invocation
from sandbox.recording import Turn
from sandbox.shared_page import BEGUN, PAGE_BYTES, PID, REVOKED, RUNNING, SLOTS, TURNS
from sandbox.suspension import Suspension, WaitingState

SLOW_NICENESS: Final = 5
"""Of the workers of slow programs."""
STUCK_NICENESS: Final = 15
"""Of those of programs that are stuck: a tenth of a slow one's share, so that loops do not starve whoever takes their
place."""
LAST_WORDS_SECONDS: Final = 0.2
"""Time for the end of the link to be read once the process is gone, since what it answered before counts; and for the
process to be gone once its link has ended."""
ORDERS: Final = 2
"""Times that a worker is ordered: again where the parent went before it was at that."""
FAILURE_BYTES: Final = 4096
"""The longest word on why there is no worker."""
STOOD_STILL_SECONDS: Final = 0.1
"""A timer that comes so late says that the machine slept, or this process was stopped or held by something else."""
LEAVING_SECONDS: Final = 5.0
"""Time for a process whose link is closed to end by itself."""


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How each worker is set up."""

    memory_bytes: int = 2_000_000_000
    """Memory of the process, beside the heap of the run that it is in, and the most of that."""
    require_confinement: bool = True
    """A worker that cannot confine itself ends instead of serving."""


class WorkerProcess(asyncio.Protocol):
    """A worker and the link to it. Callbacks say what it sends and when it has died; both on the event loop.

    It is this process's own child, whoever forked it: its exit status is to be had here, and its id is nobody else's
    before that.
    """

    def __init__(
        self,
        on_message: Callable[["WorkerProcess", MessageUp], None],
        on_exit: Callable[["WorkerProcess"], None],
    ) -> None:
        self._on_message = on_message
        self._on_exit = on_exit
        self._allowance = Allowance()
        self._input: Incoming | None = Incoming(self._allowance)
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._linked = False
        self.leaving = False
        """The link was closed by ``close``: the process is to end by itself."""
        self._loop = asyncio.get_running_loop()
        self._forked = self._loop.create_future()
        """Done when there is a process and the link is open."""
        self._ready = self._loop.create_future()
        """Its READY."""
        self._gone = self._loop.create_future()
        self._overdue: asyncio.TimerHandle | None = None
        self._last_words: asyncio.TimerHandle | None = None
        self._orders = 0
        self._end: socket.socket | None = None
        """Ours of the link, until the loop's transport has it."""
        self._page_descriptor = -1
        self._page: mmap.mmap | None = None
        self._slots = _NOTHING
        self.images: ImageFile | None = None
        """What it keeps its waiting runs in; None once it is gone, when they have it."""
        self._revoked = 0
        """As in the page, which the worker can write."""
        self._pidfd = -1
        self._killed = False
        self._has_failed = False
        """It has said what it dies of."""
        self._failure = ""
        """Why it did not become ready, where that is not its exit status."""
        self.pid = 0
        """Its process id; 0 until it is known."""
        self.generation = 0
        """That of the parent that forked it: workers of one have the same layout of memory."""
        self.exit_code: int | None = None
        """What ``Popen.returncode`` would be: negative for a signal; None until it has ended."""
        self.broken = False
        """It sent something that is not the link's protocol."""

    async def start(self, parent: Parent, settings: WorkerSettings, niceness: int) -> ReadyMessage:
        """Have it forked, and return once it serves.

        Raises ConfinementRefused, WorkerFailed where it ends before it is ready or is not in time, or OSError where
        the machine has no room for it.
        """
        images = store_bytes(settings.memory_bytes)
        order = Order(settings.memory_bytes, images, niceness, settings.require_confinement)
        try:
            self._make_page()
            self.images = ImageFile(images)
            self._order(parent, order)
        except BaseException:
            self._let_go()
            raise
        try:
            await self._forked
            end, self._end = self._end, None
            await self._loop.create_connection(lambda: self, sock=end)
            ready: ReadyMessage = await self._ready
        except BaseException:
            if not self._ready.cancel() and not self._ready.cancelled():
                self._ready.exception()  # which nobody waits for now
            self.kill()
            raise
        parent.served(self.generation)
        if settings.require_confinement and not ready.confined:
            raise ConfinementRefused(ready.refused)
        return ready

    # ---- birth ----

    def _make_page(self) -> None:
        self._page_descriptor = os.memfd_create("scriptforge-worker", os.MFD_CLOEXEC)
        os.ftruncate(self._page_descriptor, PAGE_BYTES)
        self._page = mmap.mmap(self._page_descriptor, PAGE_BYTES)
        self._slots = memoryview(self._page).cast("Q")

    def _order(self, parent: Parent, order: Order) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                assert self.images is not None  # noqa: S101 - until it is gone
                self.generation = parent.order(order, theirs, self._page_descriptor, self.images.descriptor)
        except BaseException:
            ours.close()
            raise
        self._orders += 1
        self._end, self._linked = ours, True
        self._loop.add_reader(ours, self._answered, parent, order)
        self._watch_time(parent, parent.patience)

    def _answered(self, parent: Parent, order: Order) -> None:
        """There is a process, and the link has its READY or its end; or none, and the link has ended."""
        assert self._end is not None  # noqa: S101 - it has had something to read
        self._loop.remove_reader(self._end)
        if self._adopt():
            self._close_page_descriptor()
            if self._forked.done():
                self._linked = False
                self.kill()  # whoever started it has gone
            else:
                self._forked.set_result(None)
            return
        try:
            self._failure = self._failure or _failure(self._end)
            self._end.close()
            self._end = None
            self._forget_time()
            if not (self._failure or self._killed or self._forked.done()) and self._orders < ORDERS:
                self._order(parent, order)
                return
        except (OSError, WorkerFailed) as error:
            self._failure = str(error)
        if not self._failure:
            self._failure = f"{parent.ended} of its parent" if parent.ended else "its parent was replaced"
        self._ended()

    def _adopt(self) -> bool:
        """Look for the process that came of the order. False where there is none yet, or never will be."""
        if self.pid:
            return True
        pid = int(self._slots[PID])
        if not pid:
            return False
        try:
            pidfd = os.pidfd_open(pid)
        except (OSError, OverflowError) as error:
            self._failure = f"it cannot be watched: {error}"
            exit_status.kill_child(pid)
            return False
        if not exit_status.is_child(pidfd):
            # Whatever wrote this, it is nothing of ours.
            self._failure = "its parent told of a process that is none of its"
            os.close(pidfd)
            return False
        self.pid, self._pidfd = pid, pidfd
        self._loop.add_reader(pidfd, self._exited)
        if self._killed:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        return True

    def _watch_time(self, parent: Parent, seconds: float) -> None:
        due = self._loop.time() + seconds
        self._overdue = self._loop.call_at(due, self._is_overdue, parent, seconds, due)

    def _is_overdue(self, parent: Parent, seconds: float, due: float) -> None:
        self._overdue = None
        if self._loop.time() - due > STOOD_STILL_SECONDS:
            # This process got no processor, nor perhaps did the parent; what has come since is still to be read.
            self._watch_time(parent, seconds)
        elif self._adopt():
            self._failure = f"it was not ready after {seconds:.0f} s"
            self.kill()
        else:
            # What follows is the end of the link, and another order.
            parent.replace(self.generation)

    def _forget_time(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    # ---- life ----

    @property
    def ordered(self) -> bool:
        """Whether there may be a process to wait for."""
        return self._orders > 0

    @property
    def running(self) -> int:
        """Id of the run that the worker is in, 0 between runs. Still there to read after its death."""
        return int(self._slots[RUNNING])

    @property
    def begun(self) -> int:
        """Id of the latest run that the worker has begun; 0 before the first."""
        return int(self._slots[BEGUN])

    @property
    def turns(self) -> int:
        """How many turns of runs the worker has begun."""
        return int(self._slots[TURNS])

    @property
    def serves(self) -> bool:
        """Whether it is there and takes what it is sent."""
        return self._linked and self._transport is not None and not self.leaving and not self._killed

    @property
    def unsent_bytes(self) -> int:
        """Of what it is sent, how much it has not taken yet."""
        unsent = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return unsent + sum(map(len, self._unsent))

    @property
    def has_unread(self) -> bool:
        """Whether it has said what has not been read here."""
        if self._transport is None or self._transport.is_closing():
            return False
        poller = select.poll()
        poller.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poller.poll(0))

    def revoke(self, up_to: int) -> None:
        """Runs with this id or a lower one that have not begun will not begin, but be let go."""
        self._slots[REVOKED] = self._revoked = up_to

    def is_revoked(self, run_id: int) -> bool:
        """Whether the worker had to let a run go that it had not begun."""
        return run_id <= self._revoked

    def cpu_seconds(self) -> float:
        """Processor time of the process so far; 0.0 once it is gone."""
        try:
            return time.clock_gettime((~self.pid << 3) | 2)  # CPUCLOCK_SCHED of a process: clock_getcpuclockid(3)
        except OSError:
            return 0.0

    def send(self, message: list[Any]) -> None:
        """Send at the end of this turn of the event loop, with whatever else is sent in it."""
        if self._input is None:
            return  # it is gone
        packed = pack(message)
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(packed)

    def begin(self, run_id: int, invocation: Invocation, deadline: float, seed: int, clock: float) -> None:
        """Have the worker run an invocation of a program that it has been sent."""
        self.send(messages_down.run(run_id, invocation, deadline, seed, clock))
        self._allowance.begin(invocation.limits)

    def resume(
        self,
        run_id: int,
        invocation: Invocation,
        deadline: float,
        suspension: Suspension,
        state: WaitingState,
        image: bytes,
        now: float,
    ) -> None:
        """Have the worker go on with a run that waited in another, with the answers that it has not taken yet."""
        self.send(messages_down.resume(run_id, invocation, deadline, suspension, state, image, now))
        self._allowance.begin(invocation.limits)
        for answer in suspension.answers:
            self.settle(run_id, *answer)

    def step(self, run_id: int, turn: Turn) -> None:
        """Have a run in the worker, whose turns are given, go on."""
        self.send(messages_down.step(run_id, turn))
        self._allowance.answer()

    def settle(self, run_id: int, call_id: int, succeeded: bool, value: bytes) -> None:
        """Tell a run in the worker the answer to a host call."""
        self.send(messages_down.settle(run_id, call_id, succeeded, value))
        self._allowance.answer()

    def lower_priority(self, niceness: int) -> None:
        """Let the process have what processors others leave, for the rest of its life: only root could raise it."""
        with contextlib.suppress(OSError):  # it is gone, and its end follows
            os.setpriority(os.PRIO_PROCESS, self.pid, niceness)

    def kill(self) -> None:
        """End the process at once, or as soon as there is one. ``on_exit`` follows."""
        self._killed = True
        self._adopt()
        if self._pidfd >= 0:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def disbelieve(self) -> None:
        """End the process for something that it sent and that no worker sends: nothing of it is read any more."""
        self.broken = True
        self.kill()

    def close(self) -> None:
        """Let the process end after what it has been sent: it sees the end of the link."""
        if self.leaving:
            return
        self.leaving = True
        self._flush()
        if self._transport is not None:
            self._transport.close()
        self._loop.call_later(LEAVING_SECONDS, self.kill)

    async def wait_gone(self) -> None:
        """Return once the process has ended and nothing of it is left in this one."""
        await asyncio.shield(self._gone)

    def _flush(self) -> None:
        if self._unsent and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # By cast: uvloop's transports are no asyncio.Transport by isinstance.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.broken or self._input is None:
            return
        messages, sound = self._input.read(data)
        for message in messages:
            if isinstance(message, ReadyMessage):
                self._is_ready(message)
            elif not isinstance(message, FailedMessage):
                self._on_message(self, message)
                if self.broken:
                    return
            elif not self._has_failed:
                # Last words are said once: each is a line in the daemon's log.
                self._has_failed = True
                self._on_message(self, message)
        if not sound:
            # After a breakout the worker's end is a script's.
            self.disbelieve()

    def _is_ready(self, message: ReadyMessage) -> None:
        self._forget_time()
        if not self._ready.done() and not self._killed:
            self._ready.set_result(message)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._linked = False
        if self.exit_code is not None:
            self._ended()
        elif not self.leaving:
            # The kernel closes it a moment before it tells of the end.
            self._last_words = self._loop.call_later(LAST_WORDS_SECONDS, self._has_no_link)

    def _has_no_link(self) -> None:
        self._last_words = None
        if self.exit_code is None:
            # It closed it by itself, which no worker does.
            self.disbelieve()

    def _exited(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self.exit_code = exit_status.wait(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        if self._linked:
            # What it sent before its end is still to be read; the end of the link comes after it.
            self._last_words = self._loop.call_later(LAST_WORDS_SECONDS, self._cut)
        else:
            self._ended()

    def _cut(self) -> None:
        if self.has_unread:
            # This process was too busy to read it: what its runs go on from is in it.
            self._last_words = self._loop.call_later(LAST_WORDS_SECONDS, self._cut)
        elif self._transport is not None:
            self._transport.abort()
        elif not self._gone.done():
            self._ended()  # nobody was there any more to open the link

    def _ended(self) -> None:
        for awaited in (self._forked, self._ready):
            if not awaited.done():
                cause = self._failure or exit_status.cause(self.exit_code or 0)
                awaited.set_exception(WorkerFailed(f"a worker ended before it was ready: {cause}"))
                break
        self._on_exit(self)
        self._let_go()
        if not self._gone.done():
            self._gone.set_result(None)

    def _let_go(self) -> None:
        self._forget_time()
        if self._last_words is not None:
            self._last_words.cancel()
            self._last_words = None
        # 0.7 MB, and who asked for a run may keep that, and with it its worker, for long.
        self._input = self.images = None
        self._close_page_descriptor()
        if self._end is not None:
            self._loop.remove_reader(self._end)
            self._end.close()
            self._end = None
        if self._page is not None:
            self._slots.release()
            self._page.close()
            self._page = None
        self._slots = _NOTHING

    def _close_page_descriptor(self) -> None:
        if self._page_descriptor >= 0:
            os.close(self._page_descriptor)
            self._page_descriptor = -1


def _failure(end: socket.socket) -> str:
    """What the parent said of why there is no worker; empty where it said nothing."""
    received = end.recv(FAILURE_BYTES)
    try:
        message = read_up(msgpack.unpackb(received)) if received else None
    except (ValueError, msgpack.exceptions.UnpackException):
        message = None
    return message.reason if isinstance(message, FailedMessage) else ""


_NOTHING: Final = memoryview(bytes(SLOTS * 8)).cast("Q")
