"""Runs that waited in a worker that is gone, leaves or is held, on their way to another one.

An image is of use in the workers of one parent alone, whose memory lies alike. Of those a run goes where a new one of
its customer would; where none is there, a new one is started, as long as that parent forks. Else any that is left is
taken; one with another customer's runs, where each has workers of its own, only of a parent of whose workers none died
as after a breakout.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Collection, Container
from itertools import chain
from typing import Final

from sandbox import messages_down
from sandbox.lanes import Lanes
from sandbox.outcome import Crashed, Outcome
from sandbox.pooled_worker import Lane, PooledWorker
from sandbox.run import Run
from sandbox.suspension import PIECE_BYTES, Suspension, WaitingState

SLICE_RUNS: Final = 64
SLICE_BYTES: Final = 1_000_000
"""What is sent in one turn of the event loop, so that others have it in between: some 2 ms."""
UNSENT_BYTES: Final = 16_000_000
"""While a worker has more than this to read, it is sent no further ones, so that the daemon does not hold them all."""
PAUSE_SECONDS: Final = 0.005
_UNREADABLE: Final = "its worker died, and its memory cannot be read"
_LAST: Final = (Lane.SPARE, Lane.FAST, Lane.SLOW, Lane.STUCK, Lane.LEAVING)
"""In which order those are taken that a new run would not go to."""


class _Move:
    """A run whose image is sent in pieces. It enters its worker with the last of them."""

    __slots__ = ("run", "sent", "state", "suspension", "worker")

    def __init__(self, run: Run, worker: PooledWorker, suspension: Suspension, state: WaitingState) -> None:
        self.run = run
        self.worker = worker
        self.suspension = suspension
        self.state = state
        self.sent = 0
        """Bytes."""


class Resuming:
    """The queue of these runs."""

    def __init__(
        self,
        lanes: Lanes,
        workers: Collection[PooledWorker],
        generation: Callable[[], int],
        suspected: Container[int],
        conclude: Callable[[Run, Outcome], None],
    ) -> None:
        """``generation`` gives that of the parent that forks now; ``suspected`` are those whose layout a script may
        know."""
        self._lanes = lanes
        self._workers = workers
        self._generation = generation
        self._suspected = suspected
        self._conclude = conclude
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Run] = deque()
        self._stranded: deque[Run] = deque()
        """Those that wait for a worker to be started, or to go on."""
        self._move: _Move | None = None
        self._large: deque[Run] = deque()
        """Those whose images are sent in pieces, after the one that is: the others need not wait for them."""
        self._step_handle: asyncio.Handle | None = None
        self.resumed = 0

    @property
    def busy(self) -> bool:
        """Whether a run is under way."""
        return bool(self._queue or self._stranded or self._large or self._move is not None)

    def add(self, run: Run) -> None:
        """Let a run go on elsewhere."""
        self._queue.append(run)
        self._step_soon()

    def retry(self, most: int = sys.maxsize) -> None:
        """A worker has come, or gone, or goes on, or the parent may have: try so many of those that wait for one."""
        stranded = self._stranded
        for _ in range(min(most, len(stranded))):
            self._queue.append(stranded.popleft())
        if self._queue:
            self._step_soon()

    def close(self) -> None:
        """Let go of all: they have been answered."""
        self._queue.clear()
        self._stranded.clear()
        self._large.clear()
        self._move = None
        if self._step_handle is not None:
            self._step_handle.cancel()

    def may_go_on(self, run: Run) -> bool:
        """Whether there is a worker for a run, or would be."""
        suspension = run.suspension
        if suspension is None:
            return False
        return suspension.generation == self._generation() or self._any_left(run, suspension.generation) is not None

    def needs(self, worker: PooledWorker) -> bool:
        """Whether a run is on its way to those of this one's parent, of which none comes any more."""
        generation = worker.process.generation
        if generation == self._generation():
            return False
        moving = () if self._move is None else (self._move.run,)
        return any(
            run.suspension is not None and run.suspension.generation == generation
            for run in chain(self._queue, self._stranded, self._large, moving)
        )

    # ---- in slices ----

    def _step_soon(self) -> None:
        if self._step_handle is None:
            self._step_handle = self._loop.call_soon(self._step)

    def _step(self) -> None:
        self._step_handle = None
        now = self._loop.time()
        sent, is_behind = 0, False
        if self._move is None and self._large:
            # Asked for here, not where a move ends: the next one may have been answered meanwhile, or be stranded.
            self._queue.append(self._large.popleft())
        for _ in range(SLICE_RUNS):
            if not self._queue or sent >= SLICE_BYTES:
                break
            run = self._queue.popleft()
            if run.answered:
                continue
            size = self._place(run, now)
            if size is None:
                self._queue.appendleft(run)
                is_behind = True
                break
            sent += size
        while self._move is not None and sent < SLICE_BYTES:
            size = self._send_piece(self._move, now)
            if size is None:
                is_behind = True
                break
            sent += size
        if is_behind:
            self._step_handle = self._loop.call_later(PAUSE_SECONDS, self._step)
        elif self._queue or self._large or self._move is not None:
            self._step_soon()

    def _place(self, run: Run, now: float) -> int | None:
        """Send a run to its worker, or let it wait for one, or begin to send its image. Bytes sent; None where the
        worker is behind."""
        suspension = run.suspension
        if suspension is None:
            return 0  # it is over
        generation = suspension.generation
        worker = self._home(run, generation, now)
        if worker is None and generation == self._generation():
            self._stranded.append(run)
            self._want(generation, now)
            return 0
        worker = worker or self._any_left(run, generation)
        if worker is None and self._left(run, generation):
            self._stranded.append(run)
            return 0
        if worker is None:
            self._conclude(run, Crashed("its worker died, and no other has its layout of memory"))
            return 0
        if worker.process.unsent_bytes > UNSENT_BYTES:
            return None
        state = suspension.state()
        if state is not None and state.size > PIECE_BYTES:
            if self._move is None:
                self._move = _Move(run, worker, suspension, state)
            else:
                self._large.append(run)
            return 0
        image = suspension.piece(0)
        if state is None or image is None:
            self._conclude(run, Crashed(_UNREADABLE))
            return 0
        self._resume(worker, run, suspension, state, image, now)
        return len(image)

    def _send_piece(self, move: _Move, now: float) -> int | None:
        """Send the next piece of an image. Bytes sent; None where the worker is behind."""
        run, process, size = move.run, move.worker.process, move.state.size
        if run.answered:
            self._move_ended(move)
            return 0
        if not process.serves or move.worker.lost:
            self._move_ended(move)
            self.add(run)
            return 0
        # To one that is held it is not sent in vain: most go on within milliseconds, and the others are lost then.
        if process.unsent_bytes > UNSENT_BYTES:
            return None
        piece = move.suspension.piece(move.sent)
        if piece is None:
            self._move_ended(move)
            self._conclude(run, Crashed(_UNREADABLE))
            return 0
        begin = move.sent
        move.sent += len(piece)
        if move.sent < size:
            process.send(messages_down.piece(move.suspension.origin, size, begin, piece))
        else:
            self._move = None
            self._resume(move.worker, run, move.suspension, move.state, piece, now)
        return len(piece)

    def _move_ended(self, move: _Move) -> None:
        """A run does not go on where its image was sent to."""
        move.worker.process.send(messages_down.piece(move.suspension.origin, move.state.size, move.sent, b""))
        self._move = None

    def _home(self, run: Run, generation: int, now: float) -> PooledWorker | None:
        """The worker of a generation to which a new run would go."""
        lanes = self._lanes
        slow = lanes.slow_worker(run.series[0], generation, now)
        best = slow or lanes.seating.choose_for_resumed(run, generation, lanes.extras, now)
        if best is None and lanes.spare is not None and lanes.spare.process.generation == generation:
            lanes.grow(now)
            best = lanes.promote_spare()
        return best

    def _want(self, generation: int, now: float) -> None:
        """Have a worker started, of this generation, which is the current one."""
        lanes = self._lanes
        grown = lanes.grow(now)
        if lanes.spare is not None and lanes.spare.process.generation != generation:
            # Of use to nobody whose worker dies from now on.
            lanes.renew_spare()
        elif grown and lanes.spare is None:
            lanes.worker_wanted(Lane.SPARE)

    def _resume(
        self, worker: PooledWorker, run: Run, suspension: Suspension, state: WaitingState, image: bytes, now: float
    ) -> None:
        """Have a run go on from its image, with the answers that it has not taken yet."""
        if run.recorder is not None:
            run.recorder.turn_lost()
        self._lanes.enter(worker, run)
        worker.suspend(run)
        worker.process.resume(run.id, run.invocation, run.deadline, suspension, state, image, now)
        self.resumed += 1

    def _any_left(self, run: Run, generation: int) -> PooledWorker | None:
        own = {run.invocation.customer}

        def order(worker: PooledWorker) -> tuple[int, int, int]:
            return len(worker.customers.keys() - own), _LAST.index(worker.lane), worker.suspended

        free = (worker for worker in self._left(run, generation) if not (worker.held or worker.lost))
        return min(free, key=order, default=None)

    def _left(self, run: Run, generation: int) -> list[PooledWorker]:
        """Those of a generation in which a run could go on, now or once they do themselves."""
        own = {run.invocation.customer}
        alone = self._lanes.seating.by_customer and generation in self._suspected
        return [
            worker
            for worker in self._workers
            if worker.process.generation == generation
            and worker.lane in _LAST
            and not worker.hands_over
            and worker.process.serves
            and not (alone and worker.customers.keys() - own)
        ]
