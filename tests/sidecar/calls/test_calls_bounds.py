"""Class 5: a script that asks its call for something without end."""

from pathlib import Path

import msgspec
import pytest

from tests.doubles.memory_call import MemoryCall
from tests.sidecar.calls.call_exchange import Exchange

MOST = 50


def call(line: str, tmp_path: Path) -> tuple[Exchange, MemoryCall]:
    exchange = Exchange(f"async function main(data, ctx) {{\n  {line}\n}}\n", tmp_path)
    voice = msgspec.structs.replace(exchange.calls.configuration.voice, call_actions=MOST)
    exchange.calls.configuration = msgspec.structs.replace(exchange.calls.configuration, voice=voice)
    return exchange, exchange.call()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("for (;;) await ctx.log('x');", "log lines"),
        ("for (;;) try { await ctx.log('x') } catch {}", "log lines"),
        ("for (;;) await ctx.set('a', 1);", "actions"),
        ("for (;;) await ctx.play('missing.wav').catch(() => {});", "actions"),
        ("for (;;) { ctx.waitFor('1', '2').catch(() => {}); await ctx.log('x') }", "waitFor"),
        ("for (;;) { ctx.waitForHangup(); await ctx.log('x') }", "waitForHangup"),
    ],
)
async def test_a_loop_without_end_ends_the_call_with_its_own_error(line: str, what: str, tmp_path: Path) -> None:
    exchange, made = call(line, tmp_path)
    assert made.ended
    record = exchange.record
    assert (record.outcome, record.code, record.cause, record.hangup_by) == ("script_error", 500, 41, "script")
    assert record.error == (
        f"more than {MOST} actions, log lines and waits on one call (voice.call_actions), these {what}"
    )
    assert record.error_location.startswith("menu.js:2:")


async def test_as_many_as_are_allowed_are(tmp_path: Path) -> None:
    exchange, _ = call(f"for (let i = 0; i < {MOST}; i++) await ctx.log(i);", tmp_path)
    assert (exchange.record.outcome, len(exchange.record.log)) == ("returned", MOST)


async def test_a_loop_after_the_hang_up_is_told_apart_from_a_long_grace(tmp_path: Path) -> None:
    exchange, made = call("try { await ctx.echo() } catch {} for (;;) await ctx.log('x');", tmp_path)
    made.hang_up()
    assert (exchange.record.outcome, exchange.record.hangup_by) == ("script_error", "caller")
    assert len(exchange.record.log) == MOST - 1
