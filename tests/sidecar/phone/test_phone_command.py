"""``scriptforge call``: scripts in a real confined worker, driven by scenarios and by a terminal."""

import time
from pathlib import Path

import pytest

from tests.sidecar.phone.phone_desk import MENU, Phone


def test_the_invite_has_the_headers_that_were_given(phone: Phone) -> None:
    body = "await ctx.tts(`${ctx.header('x-account')} ${ctx.get('sip_h_Diversion')} ${ctx.header('X-None')}`);"
    headers = ["--header", "X-Account: 1207", "--header", "Diversion:<sip:1@example.com>;reason=busy"]
    assert phone.call(body, "", *headers) == 0
    assert phone.script[0] == "says 1207 <sip:1@example.com>;reason=busy undefined"


@pytest.mark.parametrize("wrong", ["X-Account", "a b: 1", ": 1", "X-A: a\nb"])
def test_a_header_that_no_invite_can_have_is_refused(phone: Phone, wrong: str) -> None:
    assert phone.call("", "", "--header", wrong) == 2
    assert "--header" in phone.err


def test_a_menu_and_what_was_expected_of_it(phone: Phone, tmp_path: Path) -> None:
    variables = tmp_path / "vars.toml"
    variables.write_text('name = "Ann"')
    status = phone.call(
        MENU,
        "2,wait 3,4444#,1234#",
        *("--vars", str(variables), "--from", "4420", "--to", "300"),
        *("--expect", "Welcome Ann", "--expect", "you are 4420 for 300", "--expect", "wrong.wav"),
        *("--expect", "2 success 1234"),
    )
    assert phone.err == ""
    assert status == 0
    assert phone.script == [
        "answers",
        "says Welcome Ann, you are 4420 for 300",
        "plays user/menu.wav",
        "plays ivr/pin.wav",
        "plays user/wrong.wav",
        "plays ivr/pin.wav",
        "logs pin 1234",
        "says 2 success 1234",
        "hangs up cause 16",
    ]
    assert phone.others[:4] == [
        "0.0  caller  presses 2",
        "0.0  phone   collects success 2",
        "3.0  caller  presses 4",
        "3.0  caller  presses 4",
    ]
    assert "ivr ivr/pin.wav" in phone.out
    assert "script: returned" in phone.out


def test_what_was_not_heard_fails_with_a_diff(phone: Phone) -> None:
    body = 'await ctx.tts("one"); await ctx.tts("two"); await ctx.tts("three");'
    assert phone.call(body, "", "--expect", "two", "--expect", "one", "--expect", "three") == 1
    assert phone.err == (
        "--expect: 'one' was not heard after 'two' (only before it, in line 1)\n"
        "  ok       two\n"
        "  missing  one\n"
        "  not yet  three\n"
        "what the script did:\n"
        "     1  says one\n"
        " >   2  says two\n"
        "     3  says three\n"
        "     4  hangs up 480 Temporarily Unavailable cause 16\n"
        "(> is where 'two' was found; the search went on from there)\n"
    )


def test_keys_typed_ahead_and_into_a_prompt(phone: Phone) -> None:
    body = """await ctx.answer();
      await ctx.play('user/welcome.wav');
      await ctx.ivr('user/menu.wav', 5, 1, 1);
      const pin = await ctx.ivr(['user/pin.wav', 'user/long.wav'], 5, 4, 4);
      await ctx.tts(pin.value);"""
    assert phone.call(body, "ahead 21,ahead 2,34", "--expect", "1234") == 0
    assert phone.script == ["answers", "plays user/welcome.wav", "says 1234", "hangs up cause 16"]
    assert phone.call(body, "2,ahead 1,234", "--expect", "1234") == 0
    assert phone.script[2:] == ["plays user/menu.wav", "plays user/pin.wav", "says 1234", "hangs up cause 16"]
    assert phone.call("await ctx.answer(); await ctx.waitFor('1');", "ahead 1") == 0, "there is nothing to type into"


def test_time_out_on_every_try(phone: Phone) -> None:
    body = 'const d = await ctx.ivr("user/a.wav", 60, 1, 4, "#", {tries: 3}); await ctx.tts(d.status);'
    assert phone.call(body, "wait 1000", "--expect", "timeout") == 0
    assert "180.0  phone   collects timeout" in phone.others


def test_hanging_up_in_a_prompt_and_the_script_that_catches_it(phone: Phone) -> None:
    body = """
      try { await ctx.ivr("user/a.wav", 10, 4, 4); }
      catch (error) { ctx.log(error.name); setTimeout(() => {}, 3000); await new Promise((r) => setTimeout(r, 2000)); }
      const end = await ctx.waitForHangup();
      ctx.log(end.by);
    """
    assert phone.call(body, "12,wait 2,hangup,5") == 0
    assert phone.script == ["plays user/a.wav", "logs HangupError", "logs caller"]
    assert phone.others[-1] == "2.0  caller  hangs up"
    assert "ended by caller" in phone.out
    assert "not played, since the call was over: 5" in phone.out


def test_a_script_that_lingers_after_the_hang_up_has_its_grace_and_no_more(phone: Phone) -> None:
    assert phone.call("await ctx.waitForHangup(); await new Promise((r) => setTimeout(r, 1e6));", "hangup") == 1
    assert "script: cancelled" in phone.out


def test_what_the_other_party_does(phone: Phone) -> None:
    body = """
      for (let call = 1; call <= 7; call++) {
        const b = await ctx.bridge(`user/${call}`, true);
        ctx.log(`${call} ${b.status} ${Math.round(b.duration)} ${b.code}`);
      }
    """
    # The fourth waits until it has rung for too long; the last two say less than is needed.
    keys = "answer,wait 20,end,busy,noanswer,wait 60,fail,wait 5,end"
    assert phone.call(body, keys) == 0
    assert [line.removeprefix("logs ") for line in phone.script if line.startswith("logs")] == [
        "1 completed 20 200",
        "2 busy 0 486",
        "3 no_answer 0 480",
        "4 no_answer 0 480",
        "5 failed 0 503",
        "6 completed 0 200",
        "7 completed 0 200",
    ]


def test_fail_over_and_keys_after_a_bridge(phone: Phone) -> None:
    body = """
      const b = await ctx.bridge(["user/alice", "sip:bob@example.com"], true);
      const d = await ctx.ivr("user/again.wav", 5, 1, 1);
      await ctx.tts(b.destination + " " + d.value);
    """
    assert phone.call(body, "busy,answer,7", "--expect", "sip:bob@example.com 7") == 0
    assert "0.0  party   is busy user/alice" in phone.others


def test_the_caller_hangs_up_while_bridged(phone: Phone) -> None:
    assert phone.call('await ctx.answer(); await ctx.bridge("user/a", true);', "answer,wait 9,hangup") == 0
    assert "9.0  caller  hangs up" in phone.others
    assert "script: hung up" in phone.out


def test_keys_for_wait_for_beside_music_and_timers_in_no_time(phone: Phone) -> None:
    body = """
      const star = ctx.waitFor("*9");
      const started = ctx.play("user/music.wav");
      ctx.log(await star);
      await started;
      let beats = 0;
      const beat = setInterval(() => { if (++beats === 100) clearInterval(beat); }, 60000);
      const cleared = setTimeout(() => ctx.log("never"), 10);
      clearTimeout(cleared);
      try { await ctx.waitFor(/^5$/, "#", 7000); } catch (error) { ctx.log(`${error.message} ${beats}`); }
    """
    assert phone.call(body, "1*9,wait 9000") == 0
    assert phone.script[1:] == [
        "logs *9",
        "logs waitFor timed out 100",
        "hangs up 480 Temporarily Unavailable cause 16",
    ]


def test_keys_that_nobody_listens_to_and_parties_that_nobody_calls(phone: Phone) -> None:
    assert phone.call("await ctx.answer(); await ctx.waitForHangup();", "1,busy") == 0
    assert phone.others == [
        "0.0  caller  presses 1",
        "0.0  phone   --keys were not listened to",
        "0.0  phone   --keys have `busy`, and nobody is being called",
        "0.0  phone   --keys have nothing more",
        "0.0  caller  hangs up",
    ]


def test_blocked_keys(phone: Phone) -> None:
    body = 'await ctx.blockDtmf("1"); const d = await ctx.ivr("user/a.wav", 5, 1, 1); await ctx.tts(d.value);'
    assert phone.call(body, "12", "--expect", "says 2") == 0
    assert "0.0  caller  presses 1 (blocked)" in phone.others


def test_a_menu_without_end_is_hung_up_on(phone: Phone) -> None:
    assert phone.call('for (;;) await ctx.tts("again");', "") == 0
    assert [other[5:] for other in phone.others] == [
        "phone   --keys have nothing that the script asks for",
        "caller  hangs up",
    ]
    assert phone.call('for (;;) await ctx.ivr("user/a.wav", 30, 1, 1);', "") == 0
    assert phone.others[-1].endswith("caller  hangs up")


def test_a_script_that_waits_for_nothing_is_told_so(phone: Phone) -> None:
    assert phone.call("await ctx.answer(); await new Promise(() => {});", "") == 1
    assert "can never settle" in phone.out


def test_real_time_takes_time(phone: Phone) -> None:
    began = time.monotonic()
    assert phone.call('await ctx.tts("x"); ctx.log("y");', "wait 0.2", "--real-time", "--quiet") == 0
    assert time.monotonic() - began > 0.5


def test_the_newer_dialect(phone: Phone) -> None:
    body = """import cxC5Server from 'cxC5Server'
export async function menu(call) { return (await call.ivr("user/a.wav", 5, 1, 1)).value }
export default async (data) => {
  const call = new cxC5Server(process.env.CORRELATION_ID)
  await call.answer()
  await call.tts(`${data.cli} ${await menu(call)}`)
  none.at(1)
}
"""
    assert phone.call(body, "5", "--from", "44", "--expect", "says 44 5", wrap=False) == 1
    assert "(author.js:7:3)" in phone.out


def test_the_scripts_clock_is_the_calls(phone: Phone) -> None:
    """It begins where it was set, and a minute of the call is a minute of the script's, in no time."""
    body = """
    const began = Date.now();
    await ctx.answer();
    await new Promise((resolve) => setTimeout(resolve, 60_000));
    await ctx.tts(`after ${Math.round((Date.now() - began) / 1000)} s`);
    const format = { timeZone: "Europe/London", dateStyle: "short", timeStyle: "short" };
    await ctx.tts(new Date().toLocaleString("en-GB", format));
    await ctx.waitFor("1");
    await ctx.tts(`${Math.round((Date.now() - began) / 1000)}`);
    """
    assert phone.call(body, "wait 90,1", "--now", "2026-06-25 09:00 Europe/London") == 0
    assert [line for line in phone.script if line.startswith("says")] == [
        "says after 60 s",
        "says 25/06/2026, 09:01",
        "says 90",
    ]


def test_a_clock_that_nobody_set_goes_with_the_call_too(phone: Phone) -> None:
    body = """
    const began = Date.now();
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    await ctx.tts(`${Math.round((Date.now() - began) / 1000)}`);
    """
    assert phone.call(body, "wait 1") == 0
    assert phone.script[0] == "says 5"
