"""Digits that a script waits for."""

from pathlib import Path

from sipio.call_control import (
    DigitPressed,
)
from tests.sidecar.calls.call_exchange import Exchange, main


async def test_wait_for_digits(tmp_path: Path) -> None:
    body = """
      const one = ctx.waitFor('12').then((d) => ctx.log('one ' + d));
      const two = ctx.waitFor(/9\\d$/).then((d) => ctx.log('two ' + d));
      const three = ctx.waitFor((d) => d.length === 4).then((d) => ctx.log('three ' + d));
      const four = ctx.waitFor('never', '*').catch((e) => ctx.log('four ' + e.message));
      const five = ctx.waitFor('never', null, 2).catch((e) => ctx.log('five ' + e.message));
      await Promise.all([one, two, three, four, five]);"""
    exchange = Exchange(main(body), tmp_path)
    call = exchange.call()
    for digit in "0129":
        call.tell(DigitPressed(digit=digit))
    call.tell(DigitPressed(digit="5"))
    call.tell(DigitPressed(digit="*"))
    exchange.runner.runs[0].pass_time(2000)
    assert exchange.record.log == ["one 12", "three 0129", "two 95", "four waitFor was quit", "five waitFor timed out"]


async def test_a_wait_begins_with_the_next_digit_and_ends_with_the_call(tmp_path: Path) -> None:
    body = """
      await ctx.waitFor('1'); await ctx.tts('x');
      try { await ctx.waitFor('2') } catch (e) { ctx.log(e.name) }"""
    exchange = Exchange(main(body), tmp_path)
    call = exchange.call()
    call.tell(DigitPressed(digit="1"))
    call.tell(DigitPressed(digit="2"))
    call.under_way.end()
    call.hang_up()
    assert exchange.record.log == ["HangupError"]


async def test_a_thousand_waits_are_refused(tmp_path: Path) -> None:
    body = """
      let n = 0;
      for (let i = 0; i < 1000; i++) ctx.waitFor('x').catch((e) => { if (e instanceof RangeError) n++ });
      await null; await null; await null;
      await ctx.log(String(n));"""
    exchange = Exchange(main(body), tmp_path)
    exchange.call()
    assert exchange.record.log == ["900"]
