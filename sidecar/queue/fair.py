"""Who gets the room that there is, pure: tenants side by side, and within a tenant its queues.

Room goes one by one to the tenant that has fewest jobs under way, and among those to the one that was served longest
ago: one that has queued a million has as much of it as one that has queued a few.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

import msgspec


class Queue(NamedTuple):
    """A queue of an app."""

    tenant: str
    app: str
    name: str


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs of one script in one queue, of which some wait."""

    id: int
    queue: Queue
    script: str

    @property
    def tenant(self) -> str:
        """Whose they are."""
        return self.queue.tenant


class Active(msgspec.Struct, frozen=True, kw_only=True):
    """What is under way on all machines."""

    tenants: Counter[str] = msgspec.field(default_factory=Counter)
    queues: Counter[Queue] = msgspec.field(default_factory=Counter)
    scripts: Counter[str] = msgspec.field(default_factory=Counter)


class AtOnce(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs may be under way; None for as many as there is room for."""

    tenant: Callable[[str], int | None] = lambda _: None
    queue: Callable[[Queue], int | None] = lambda _: None
    script: int | None = None


class Head(NamedTuple):
    """A job that waits, in the order in which those of a queue are taken."""

    priority: int
    due: int
    id: str
    script: str


def order_of(tenants: Iterable[str], active: Mapping[str, int], served: Mapping[str, int]) -> list[str]:
    """Tenants in the order in which they get room; ``served`` is when each got some last."""
    return sorted(tenants, key=lambda tenant: (active.get(tenant, 0), served.get(tenant, 0), tenant))


def with_room(lanes: Sequence[Lane], active: Active, at_once: AtOnce) -> list[Lane]:
    """The lanes of which a job may be begun. The others' tenants are to take the place of nobody who may have more."""
    tenants: dict[str, bool] = {}

    def has_room(lane: Lane) -> bool:
        if lane.tenant not in tenants:
            of_tenant = at_once.tenant(lane.tenant)
            tenants[lane.tenant] = of_tenant is None or active.tenants[lane.tenant] < of_tenant
        of_queue = at_once.queue(lane.queue)
        return (
            tenants[lane.tenant]
            and (of_queue is None or active.queues[lane.queue] < of_queue)
            and (at_once.script is None or active.scripts[lane.script] < at_once.script)
        )

    return [lane for lane in lanes if has_room(lane)]


def shares(
    room: int, lanes: Sequence[Lane], active: Active, at_once: AtOnce, served: Mapping[str, int]
) -> dict[Queue, int]:
    """How many jobs of each queue may be taken; of queues that get none there is nothing."""
    queues: dict[str, dict[Queue, int]] = {}
    for lane in lanes:
        most = at_once.queue(lane.queue)
        left = room if most is None else most - active.queues[lane.queue]
        if left > 0:
            queues.setdefault(lane.tenant, {})[lane.queue] = left
    left_of = {}
    for tenant in queues:
        most = at_once.tenant(tenant)
        left_of[tenant] = room if most is None else most - active.tenants[tenant]
    waiting = [
        (active.tenants[tenant], served.get(tenant, 0), tenant) for tenant in queues if left_of[tenant] > 0
    ]  # fmt: skip
    heapify(waiting)
    given: Counter[Queue] = Counter()
    while room and waiting:
        count, when, tenant = heappop(waiting)
        own = queues[tenant]
        queue = min(own, key=lambda one: (active.queues[one] + given[one], one))
        given[queue] += 1
        room -= 1
        left_of[tenant] -= 1
        own[queue] -= 1
        if not own[queue]:
            del own[queue]
        if own and left_of[tenant] > 0:
            heappush(waiting, (count + 1, when, tenant))
    return dict(given)


def picked(number: int, heads: Iterable[Head], scripts: Counter[str], most: int | None) -> list[Head]:
    """The first of a queue's heads, so many of them; of a script that has as many under way as it may none. ``scripts``
    counts what is under way, and those that are picked."""
    chosen: list[Head] = []
    for head in sorted(heads):
        if len(chosen) == number:
            break
        if most is not None and scripts[head.script] >= most:
            continue
        scripts[head.script] += 1
        chosen.append(head)
    return chosen
