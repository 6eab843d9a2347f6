"""Limits of a tenant over several processes, by a real Valkey or Redis."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from sidecar.catalog.limits import TenantLimits
from sidecar.hosts import allowance as module
from sidecar.hosts.allowance import Allowance, Level
from sidecar.hosts.shared_levels import LOOK_SECONDS, SharedLevels
from sidecar.hosts.usage import Usage
from tests.database_fixtures import servers
from tests.database_servers import Servers
from tests.shared_connection import new_prefix, new_shared
from tests.sidecar.hosts.moved_clock import MovedClock

__all__ = ["servers"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    clock = MovedClock()
    monkeypatch.setattr(module, "_now", clock)
    return clock


Join = Callable[..., Awaitable[tuple[Usage, SharedLevels]]]


@pytest.fixture
async def join(servers: type[Servers], clock: MovedClock) -> AsyncIterator[Join]:
    """Another process."""
    prefix, opened = new_prefix(), []

    async def join(limits: TenantLimits, role: str = "daemon") -> tuple[Usage, SharedLevels]:
        shared, usage = new_shared(prefix=prefix), Usage(limits=limits, shared=True)
        opened.append(shared)
        assert usage.used_levels is not None
        return usage, SharedLevels(shared, usage.used_levels, role, clock)

    yield join
    for shared in opened:
        await shared.close()


def begun(allowance: Allowance, most: int = 10_000) -> int:
    """How many runs may begin now."""
    for number in range(most):
        if allowance.begin() is not None:
            return number
        allowance.ended()
    return most


async def test_what_one_process_uses_is_gone_for_the_others(join: Join, clock: MovedClock) -> None:
    limits = TenantLimits(runs_a_second=10, cpu_ms_a_minute=6_000)
    (here, looking), (there, hearing) = await join(limits), await join(limits)
    assert begun(here.allowance("t")) == 10
    here.allowance("t").used_cpu(3_000_000)
    assert there.allowance("t").begin() is None
    await looking.look()
    await hearing.look()
    over = there.allowance("t").begin()
    assert over is not None
    assert over.limit == "runs_a_second"
    assert over.seconds == pytest.approx(0.2)
    assert begun(there.allowance("u")) == 10, "it is each tenant's own"
    clock.now += 0.2001
    assert begun(there.allowance("t")) == 1
    there.allowance("t").used_cpu(3_200_000)
    await hearing.look()
    await looking.look()
    over = here.allowance("t").begin()
    assert over is not None
    clock.now += 0.9
    over = here.allowance("t").begin()
    assert over is not None
    assert over.why == "more than 6_000 ms of processor time a minute", "what both used"
    clock.now += 2
    assert here.allowance("t").begin() is None


async def test_runs_over_http_and_calls_have_limits_of_their_own_and_questions_one(
    join: Join, clock: MovedClock
) -> None:
    limits = TenantLimits(runs_a_second=5, host_calls_a_minute=60)
    (calls, looking), (http, hearing) = await join(limits, "daemon"), await join(limits, "platform")
    assert begun(calls.allowance("t")) == 5
    assert calls.allowance("t").question() is None
    for _ in range(58):
        calls.allowance("t").question()
    assert http.allowance("t").question() is None
    await looking.look()
    await hearing.look()
    assert http.allowance("t").question() is not None
    assert begun(http.allowance("t")) == 5


@pytest.mark.parametrize("processes", [2, 5])
async def test_no_more_is_used_in_the_long_run_than_by_one(join: Join, clock: MovedClock, processes: int) -> None:
    joined = [await join(TenantLimits(runs_a_second=20)) for _ in range(processes)]
    counts = []
    for _ in range(round(30 / LOOK_SECONDS)):
        counts.append(sum(begun(usage.allowance("t")) for usage, _ in joined))
        for _, looking in joined:
            await looking.look()
        clock.now += LOOK_SECONDS
    assert counts[0] == processes * 20, "the first burst is everybody's: they know nothing of each other"
    # Behind that what all let begin between two looks, and none of it is more than once too much.
    assert sum(counts) <= 20 * 30 + 20 + (processes - 1) * (20 + 20 * LOOK_SECONDS)
    assert sum(counts) >= 20 * 30


async def test_what_was_used_while_it_is_lost_is_each_ones_own(join: Join, clock: MovedClock) -> None:
    limits = TenantLimits(runs_a_second=10)
    (here, looking), (there, hearing) = await join(limits), await join(limits)
    looking._shared.lose(ConnectionError("cut"))
    assert begun(here.allowance("t")) == 10
    await looking.look()
    assert begun(here.allowance("t")) == 0
    await hearing.look()
    assert begun(there.allowance("t")) == 10
    await hearing.look()
    await looking._shared.present()
    clock.now += 10
    assert begun(here.allowance("t")) == 10
    assert there.allowance("t").begin() is None, "who has not used anything looks at nothing"
    await looking.look()
    await hearing.look()
    assert begun(there.allowance("t")) == 0, "they are told of again, and of nothing that was before"
    clock.now += 1.1001
    assert begun(there.allowance("t")) == 10


async def test_what_has_drained_costs_nothing_any_more(join: Join, clock: MovedClock) -> None:
    usage, looking = await join(TenantLimits(runs_a_second=10))
    for number in range(450):
        usage.allowance(f"t{number}").begin()
    assert usage.used_levels is not None
    await looking.look()
    assert len(usage.used_levels) == 450
    assert len(await looking._shared.ask("KEYS", f"{looking._shared.prefix}:level:*")) == 450
    usage.limit({f"t{number}": TenantLimits(runs_a_second=20) for number in range(450)})
    assert len(usage.used_levels) == 450, "a limit that is another one goes on from what was used"
    clock.now += 1
    await looking.look()
    assert len(usage.used_levels) == 0


def test_nothing_is_noted_for_nobody() -> None:
    level = Level(10, 1.0)
    level.add(5)
    assert level.untold == 0
