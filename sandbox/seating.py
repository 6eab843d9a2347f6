"""Which of the fast workers a run goes to, and how many of them there are."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import ceil
from typing import Final

from sandbox.pooled_worker import Lane, PooledWorker
from sandbox.run import Run

IMBALANCE: Final = 8
"""Runs by which a series' own worker may be ahead of the least loaded one before that one is taken."""
CROWDED: Final = 200
"""Runs of a customer in one worker before another is taken for them: a worker has one processor."""
SPREAD_SHARE: Final = 2
"""A customer's second worker and those after it leave one in so many for customers that come."""
HARMFUL_SECONDS: Final = 600.0
"""How long a customer whose run held or killed a worker is kept apart from all others, even where workers are few."""
NO_GROWTH_SECONDS: Final = 30.0
"""How long no further worker is tried where the machine could not start one."""


class Seating:
    """So many fast workers. Each run goes to the one that its series, a program for a customer, has used before."""

    __slots__ = ("_slots", "grown", "shrunk")

    by_customer = False
    """Whether the workers' books say for which customers they have runs."""

    def __init__(self, workers: int) -> None:
        self._slots: list[PooledWorker | None] = [None] * workers
        self.grown = self.shrunk = 0
        """Places that were added since, and that were taken away."""

    def seated(self) -> list[PooledWorker]:
        """The workers that have a place."""
        return [worker for worker in self._slots if worker is not None]

    @property
    def places(self) -> int:
        """How many workers there are to be."""
        return len(self._slots)

    def needed(self) -> int:
        """How many workers what goes on now is enough for."""
        return sum(worker.load > 0 for worker in self.seated())

    def add_place(self) -> None:
        """Have a place for one worker more."""
        self._slots.append(None)
        self.grown += 1

    def remove_place(self) -> PooledWorker | None:
        """Have a place less where one can be spared, which ``places`` then says; who had it has none now. None where
        nobody had."""
        return self._remove(len(self._slots) - 1)

    def _remove(self, slot: int) -> PooledWorker | None:
        worker, last = self._slots[slot], self._slots.pop()
        if last is not worker:
            self._slots[slot] = last
            if last is not None:
                last.slot = slot
        if worker is not None:
            worker.slot = None
        self.shrunk += 1
        return worker

    @property
    def has_empty(self) -> bool:
        """Whether a place has no worker."""
        return None in self._slots

    def seat(self, worker: PooledWorker) -> None:
        """Give a worker an empty place. Raises ValueError where there is none."""
        worker.lane = Lane.FAST
        worker.slot = self._slots.index(None)
        self._slots[worker.slot] = worker

    def unseat(self, worker: PooledWorker) -> None:
        """Let a worker's place be empty. Raises TypeError for one that has none."""
        if worker.slot is None:
            raise TypeError("the worker has no place")
        self._slots[worker.slot] = None
        worker.slot = None

    def choose(self, run: Run, extras: Sequence[PooledWorker], now: float) -> PooledWorker | None:
        """The worker for a run that begins; None where every one is held or missing."""
        del now
        slots = self._slots
        own = slots[hash(run.series) % len(slots)] if len(slots) > 1 else slots[0]
        best = own if own is not None and not own.held else None
        best_load = best.load if best is not None else 0
        if best is None or best_load > IMBALANCE:
            for other in (*slots, *extras):
                if other is not None and other is not own and not other.held:
                    load = other.load
                    if best is None or load + IMBALANCE < best_load:
                        best, best_load = other, load
        return best

    def choose_for_unproven(self, extras: Sequence[PooledWorker]) -> PooledWorker | None:
        """The worker for a run of a program of which none has come to its end yet: what it may do to that worker, it
        does where the fewest wait."""
        return _emptiest(self._free(extras))

    def choose_for_resumed(
        self, run: Run, generation: int, extras: Sequence[PooledWorker], now: float
    ) -> PooledWorker | None:
        """The worker for a run that goes on, of those of a generation that are not lost in a turn."""
        del run, now
        return _emptiest(self._free_of(generation, extras))

    def _free_of(self, generation: int, extras: Sequence[PooledWorker]) -> list[PooledWorker]:
        # One that has no processor is lost before it is held.
        return [one for one in self._free(extras) if one.process.generation == generation and not one.lost]

    def _free(self, extras: Sequence[PooledWorker]) -> list[PooledWorker]:
        return [worker for worker in (*self._slots, *extras) if worker is not None and not worker.held]

    def grow(self, now: float) -> bool:
        """Make a place for one more worker. False where there are as many as there may be."""
        del now
        return False

    def start_failed(self, now: float) -> None:
        """Take note that a worker could not be started."""

    def mark_harmful(self, customer: str, now: float) -> None:
        """Take note that a customer's run held or killed a worker."""

    def shared(self) -> int:
        """Workers that are to be one customer's and have runs of several."""
        return 0


class SeatingByCustomer(Seating):
    """One worker at first, and up to ``most`` as customers come: until then a worker has runs of one customer only. The
    places that nobody needs any more are for others to remove.

    Past it customers share the workers with the fewest customers, and those that were harmful share with each other
    only, in one worker more.
    """

    __slots__ = ("_harmful_until", "_most", "_no_growth_until")

    by_customer = True

    def __init__(self, most: int) -> None:
        super().__init__(1)
        self._most = most
        self._harmful_until: dict[str, float] = {}
        self._no_growth_until = 0.0

    def choose(self, run: Run, extras: Sequence[PooledWorker], now: float) -> PooledWorker | None:
        """The worker for a run; None where it is to have a new one, or every one is held or missing."""
        return self._choose(run.invocation.customer, self._free(extras), now)

    def choose_for_resumed(
        self, run: Run, generation: int, extras: Sequence[PooledWorker], now: float
    ) -> PooledWorker | None:
        """As ``choose``, of the workers of a generation."""
        return self._choose(run.invocation.customer, self._free_of(generation, extras), now)

    def _choose(self, customer: str, workers: list[PooledWorker], now: float) -> PooledWorker | None:
        own = min((worker for worker in workers if customer in worker.customers), key=_runs, default=None)
        used = sum(bool(worker.customers) for worker in workers)
        if own is not None and (_runs(own) < CROWDED or used * SPREAD_SHARE >= self._most):
            return own
        idle = next((worker for worker in workers if not worker.customers), None)
        if idle is not None or self._may_grow(now, self._most):
            return idle
        if own is not None:
            return own
        if self._is_harmful(customer, now):
            like = [worker for worker in workers if all(self._is_harmful(one, now) for one in worker.customers)]
            if not like and self._may_grow(now, self._most + 1):
                return None
        else:
            like = [worker for worker in workers if not any(self._is_harmful(one, now) for one in worker.customers)]
        return min(like or workers, key=lambda worker: (len(worker.customers), _runs(worker)), default=None)

    def _may_grow(self, now: float, most: int) -> bool:
        return (len(self._slots) < most or self.has_empty) and now >= self._no_growth_until

    def grow(self, now: float) -> bool:
        """Make a place for one more worker. False where one is empty still, or there are as many as there may be."""
        if self.has_empty or now < self._no_growth_until or len(self._slots) > self._most:
            return False
        self.add_place()
        return True

    def needed(self) -> int:
        """One for each customer, and more for those that crowd one."""
        runs: Counter[str] = Counter()
        for worker in self.seated():
            runs.update(worker.customers)
        return min(len(self._slots), sum(ceil(count / CROWDED) for count in runs.values()))

    def remove_place(self) -> PooledWorker | None:
        """Have a place less: that of a worker without runs, or of the one with the fewest of those whose customers all
        have another one."""
        if self.has_empty:
            return self._remove(self._slots.index(None))
        seated = self.seated()
        having = Counter(customer for worker in seated for customer in worker.customers)
        spared = [worker for worker in seated if all(having[customer] > 1 for customer in worker.customers)]
        worker = min(spared, key=_runs, default=None)
        return self._remove(worker.slot) if worker is not None and worker.slot is not None else None

    def start_failed(self, now: float) -> None:
        """Let customers share for a while what workers there are."""
        self._no_growth_until = now + NO_GROWTH_SECONDS

    def mark_harmful(self, customer: str, now: float) -> None:
        """Keep a customer apart from all others for a while."""
        for one in [one for one, until in self._harmful_until.items() if until <= now]:
            del self._harmful_until[one]
        self._harmful_until[customer] = now + HARMFUL_SECONDS

    def _is_harmful(self, customer: str, now: float) -> bool:
        return self._harmful_until.get(customer, 0.0) > now

    def shared(self) -> int:
        """Workers that have runs of several customers."""
        return sum(len(worker.customers) > 1 for worker in self.seated())


def _emptiest(workers: Iterable[PooledWorker]) -> PooledWorker | None:
    return min(workers, key=lambda worker: (worker.suspended, worker.load), default=None)


def _runs(worker: PooledWorker) -> int:
    # Those that wait, as calls do, count here: they are what a worker's death ends.
    return len(worker.outstanding)
