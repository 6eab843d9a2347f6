"""One worker process as the daemon sees it: ordered, spoken to, watched, killed."""

import asyncio
import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec

from sandbox import exit_status, messages_down
from sandbox.allowance import Allowance
from sandbox.birth import Birth
from sandbox.errors import ConfinementRefused, WorkerFailed
from sandbox.image_file import ImageFile, store_bytes
from sandbox.incoming import Incoming
from sandbox.link import pack
from sandbox.messages_up import FailedMessage, MessageUp, ReadyMessage
from sandbox.order import Order
from sandbox.parent import Parent
from sandbox.program import Invocation
from sandbox.shared_page import BEGUN, RUNNING, TURNS, SharedPage
from sandbox.suspension import Suspension, WaitingState

SLOW_NICENESS: Final = 5
"""Of the workers of slow programs."""
STUCK_NICENESS: Final = 15
"""Of those of programs that are stuck: a tenth of a slow one's share, so that loops do not starve whoever takes their
place."""
LAST_WORDS_SECONDS: Final = 0.2
"""Time for the end of the link to be read once the process is gone, since what it answered before counts; and for the
process to be gone once its link has ended."""
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
        self._ready = self._loop.create_future()
        """Its READY."""
        self._gone = self._loop.create_future()
        self._last_words: asyncio.TimerHandle | None = None
        self._birth: Birth | None = None
        self._page = SharedPage()
        self.images: ImageFile | None = None
        """What it keeps its waiting runs in; None once it is gone, when they have it."""
        self._pidfd = -1
        self._killed = False
        self._has_failed = False
        """It has said what it dies of."""
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
            self._page.make()
            self.images = ImageFile(images)
            descriptor = self.images.descriptor
            birth = Birth(
                parent, order, self._page, descriptor, self._adopted, self._ended, self._is_unwanted, self.kill
            )
            self._birth = birth
            birth.order()
        except BaseException:
            self._let_go()
            raise
        self._linked = True
        try:
            await birth.forked
            await self._loop.create_connection(lambda: self, sock=birth.take_end())
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

    def _adopted(self, pid: int, pidfd: int) -> None:
        """There is a process."""
        assert self._birth is not None  # noqa: S101 - it tells of it
        self.pid, self._pidfd, self.generation = pid, pidfd, self._birth.generation
        self._loop.add_reader(pidfd, self._exited)
        if self._killed:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)

    def _is_unwanted(self) -> None:
        """Who started it has gone."""
        self._linked = False
        self.kill()

    # ---- life ----

    @property
    def ordered(self) -> bool:
        """Whether there may be a process to wait for."""
        return self._birth is not None and self._birth.orders > 0

    @property
    def running(self) -> int:
        """Id of the run that the worker is in, 0 between runs. Still there to read after its death."""
        return self._page.read(RUNNING)

    @property
    def begun(self) -> int:
        """Id of the latest run that the worker has begun; 0 before the first."""
        return self._page.read(BEGUN)

    @property
    def turns(self) -> int:
        """How many turns of runs the worker has begun."""
        return self._page.read(TURNS)

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
        self._page.revoke(up_to)

    def is_revoked(self, run_id: int) -> bool:
        """Whether the worker had to let a run go that it had not begun."""
        return self._page.is_revoked(run_id)

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
        """Have the worker go on with a run that waited in another, with the answers that it has not taken yet.
        ``image`` is what it has not of the image yet."""
        self.send(messages_down.resume(run_id, invocation, deadline, suspension, state, image, now))
        self._allowance.begin(invocation.limits)
        for answer in suspension.answers:
            self.settle(run_id, *answer)

    def settle(self, run_id: int, call_id: int, succeeded: bool, value: bytes, clock: float | None) -> None:
        """Tell a run in the worker the answer to a host call, and perhaps its time from then on."""
        self.send(messages_down.settle(run_id, call_id, succeeded, value, clock))
        self._allowance.answer()

    def lower_priority(self, niceness: int) -> None:
        """Let the process have what processors others leave, for the rest of its life: only root could raise it."""
        with contextlib.suppress(OSError):  # it is gone, and its end follows
            os.setpriority(os.PRIO_PROCESS, self.pid, niceness)

    def kill(self) -> None:
        """End the process at once, or as soon as there is one. ``on_exit`` follows."""
        self._killed = True
        if self._birth is not None:
            self._birth.give_up()
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
        assert self._birth is not None  # noqa: S101 - of its process
        self._birth.forget_time()
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
        assert self._birth is not None  # noqa: S101 - it was ordered
        for awaited in (self._birth.forked, self._ready):
            if not awaited.done():
                cause = self._birth.failure or exit_status.cause(self.exit_code or 0)
                awaited.set_exception(WorkerFailed(f"a worker ended before it was ready: {cause}"))
                break
        self._on_exit(self)
        self._let_go()
        if not self._gone.done():
            self._gone.set_result(None)

    def _let_go(self) -> None:
        if self._birth is not None:
            self._birth.end()
        if self._last_words is not None:
            self._last_words.cancel()
            self._last_words = None
        # 0.7 MB, and who asked for a run may keep that, and with it its worker, for long.
        self._input = self.images = None
        self._page.close()
