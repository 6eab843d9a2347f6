"""A tenant past its limit has no more calls, and those that are up go on."""

import asyncio
from pathlib import Path

import pytest

from sidecar.catalog.limits import TenantLimits
from sidecar.catalog.model import Script
from tests.sidecar.calls.call_exchange import Exchange, main


async def test_a_call_past_the_limit_is_refused_and_those_that_are_up_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = Exchange(main("await ctx.answer(); await ctx.waitFor(60);"), tmp_path)
    exchange.calls.grants.limit({"operator": TenantLimits(runs_at_once=1)})
    first = exchange.call()
    assert first.refused is None
    refused = exchange.call().refused
    assert refused is not None
    assert (refused.code, exchange.calls.up) == (503, 1)
    assert "more than 1 runs at once" in {line.__dict__.get("error") for line in caplog.records}
    exchange.calls.end_all("over")
    async with asyncio.timeout(60):
        await exchange.calls.drain()
    assert exchange.calls.grants.used(first_script(exchange)).allowance.running == 0


async def test_each_call_that_is_over_makes_room(tmp_path: Path) -> None:
    exchange = Exchange(main("throw [486, 'No'];"), tmp_path)
    exchange.calls.grants.limit({"operator": TenantLimits(runs_at_once=1)})
    for _ in range(3):
        assert exchange.call().refused is None
        async with asyncio.timeout(60):
            await exchange.calls._empty.wait()
    assert len(exchange.records) == 3


def first_script(exchange: Exchange) -> Script:
    """The only one."""
    return exchange.calls._snapshot.scripts["menu"]
