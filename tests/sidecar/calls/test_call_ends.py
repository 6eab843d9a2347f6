"""However a call or its script ends, the other ends as well, and the record says how."""

from pathlib import Path

import pytest

from sandbox.outcome import Crashed
from sipio.call_control import (
    HangupBy,
)
from tests.sidecar.calls.call_exchange import Exchange, main


async def test_a_hang_up_rejects_what_runs_and_what_comes_later(tmp_path: Path) -> None:
    body = """
      const gone = ctx.waitForHangup();
      try { await ctx.tts('long'); } catch (e) { ctx.log(`${e instanceof HangupError} ${e.name}`); }
      try { await ctx.play('user/x.wav'); } catch (e) { ctx.log(e.name); }
      const how = await gone; await ctx.log(how.by);"""
    exchange = Exchange(main(body), tmp_path)
    call = exchange.call()
    call.hang_up(by=HangupBy.CALLER, reason="BYE")
    assert exchange.record.log == ["true HangupError", "HangupError", "caller"]
    assert call.names == ["Play"]
    assert (exchange.record.outcome, exchange.record.hangup_by) == ("returned", "caller")


async def test_a_hangup_error_that_nobody_catches_is_no_failure(tmp_path: Path) -> None:
    exchange = Exchange(main("await ctx.echo();"), tmp_path)
    exchange.call().hang_up()
    assert exchange.record.outcome == "hung_up"


async def test_a_script_that_goes_on_after_its_grace_is_stopped(tmp_path: Path) -> None:
    exchange = Exchange(
        main("try { await ctx.echo() } catch {} await new Promise(() => setTimeout(() => {}, 1e6));"), tmp_path
    )
    exchange.call().hang_up()
    assert exchange.records == []
    await exchange.calls.drain()
    assert exchange.record.outcome == "cancelled"


@pytest.mark.parametrize(
    ("body", "code", "cause", "outcome"),
    [
        ("throw new Error('404 Not Found')", 404, 1, "sip_error"),
        ("throw [603, 'No']", 603, 21, "sip_error"),
        ("null.x", 500, 41, "script_error"),
        ("for (;;);", 500, 41, "timed_out"),
        ("return 1", 480, 16, "returned"),
        ("await ctx.hangup(486)", 486, 17, "returned"),
        ("await ctx.hangup('404 Nobody')", 404, 1, "returned"),
        ("await ctx.hangup('USER_BUSY')", 0, 17, "returned"),
    ],
)
async def test_however_a_script_ends_its_call_is_ended(
    body: str, code: int, cause: int, outcome: str, tmp_path: Path
) -> None:
    exchange = Exchange(main(body), tmp_path)
    call = exchange.call()
    assert call.ended
    record = exchange.record
    assert (record.code, record.cause, record.outcome) == (code, cause, outcome)
    if outcome == "script_error":
        assert record.error_location.startswith("menu.js:2")


async def test_the_end_of_the_daemon_ends_calls_and_takes_no_more(tmp_path: Path) -> None:
    exchange = Exchange(main("try { await ctx.echo() } catch (e) { ctx.log(e.name) }"), tmp_path)
    call = exchange.call()
    exchange.calls.end_all("Shutting Down")
    assert call.ended
    assert (exchange.record.hangup_by, exchange.record.log) == ("system", ["HangupError"])
    await exchange.calls.drain()
    refused = exchange.call(id="c2").refused
    assert refused is not None
    assert refused.code == 503


async def test_a_crash_ends_the_call_and_is_told_apart(tmp_path: Path) -> None:
    exchange = Exchange(main("await ctx.answer(); await ctx.waitForHangup()"), tmp_path)
    call = exchange.call()
    call.under_way.end()
    (run,) = exchange.runner.runs
    run._end(Crashed("SIGKILL"))
    assert call.ended
    assert (exchange.record.outcome, exchange.record.hangup_by, exchange.record.error) == (
        "crashed",
        "system",
        "SIGKILL",
    )
