"""``scriptforge call``: scripts in a real confined worker, driven by scenarios and by a terminal."""

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from sidecar.cli import main


class Phone:
    """Writes a script, calls it, and keeps what was printed."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self.capsys = capsys
        self.out = self.err = ""

    def write(self, body: str, *, wrap: bool = True) -> Path:
        script = self.directory / "author.js"
        script.write_text(f"async function main(data, ctx) {{\n{body}\n}}" if wrap else body)
        return script

    def call(self, body: str, keys: str, *more: str, wrap: bool = True) -> int:
        status = main(["call", str(self.write(body, wrap=wrap)), "--keys", keys, *more])
        self.out, self.err = self.capsys.readouterr()
        return status

    @property
    def script(self) -> list[str]:
        """What the script did."""
        return re.findall(r"^ +[\d.]+  script  (.*)$", self.out, re.MULTILINE)

    @property
    def others(self) -> list[str]:
        """What everybody else did, with the time."""
        return re.findall(r"^ +([\d.]+  (?:caller|party|phone) .*)$", self.out, re.MULTILINE)


class Terminal:
    """The command in a terminal of the test's own."""

    def __init__(self, script: Path) -> None:
        self._primary, self._secondary = pty.openpty()
        self._before = termios.tcgetattr(self._secondary)
        self._read = b""
        command = [sys.executable, "-c", "import sys; from sidecar.cli import main; sys.exit(main(sys.argv[1:]))"]
        self.process = subprocess.Popen(
            [*command, "call", str(script), "--quiet"],
            stdin=self._secondary,
            stdout=self._secondary,
            stderr=self._secondary,
            cwd=Path(__file__).parents[3],
        )

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._primary)
        os.close(self._secondary)

    def until(self, text: str) -> None:
        """Wait for something to be shown."""
        deadline = time.monotonic() + 20
        while text.encode() not in self._read:
            ready = select.select([self._primary], [], [], max(0.0, deadline - time.monotonic()))[0]
            assert ready, (text, self._read)
            self._read += os.read(self._primary, 4096)

    def type(self, keys: str) -> None:
        os.write(self._primary, keys.encode())

    def is_as_it_was(self) -> bool:
        """Whether what is typed is shown again, and by lines."""
        return bool(termios.tcgetattr(self._secondary)[3] == self._before[3])


@pytest.fixture
def phone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Phone:
    return Phone(tmp_path, capsys)


MENU = """
  await ctx.answer();
  await ctx.tts("Welcome " + data.name + ", you are " + data.cli + " for " + data.dest_number);
  const choice = await ctx.ivr("user/menu.wav", 5, 1, 1);
  const pin = await ctx.ivr("ivr/pin.wav", 5, 4, 8, "#", { tries: 2, invalid_file: "user/wrong.wav", regexp: /1.*/ });
  ctx.log("pin " + pin.value);
  await ctx.tts(`${choice.value} ${pin.status} ${pin.value}`);
"""


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


def test_errors_come_with_their_place(phone: Phone) -> None:
    assert phone.call("await ctx.answer();\n  setTimeout(() => data.nothing.at(1), 5000); await ctx.echo();", "") == 1
    assert "script: script error" in phone.out
    assert "(author.js:3:" in phone.out
    assert phone.call("await ctx.answer(;", "") == 1
    assert "author.js:3:1: error: `}` does not close the `(` of line 2" in phone.err


def test_a_refusal_in_its_own_words(phone: Phone) -> None:
    assert (
        phone.call('ctx.header("X-Why", "closed"); throw new Error("604 Closed");', "", "--expect", "604 Closed") == 0
    )
    assert "never answered" in phone.out
    assert "SIP 604" in phone.out


def test_missing_sounds_fail_where_there_is_a_directory_of_sounds(phone: Phone, tmp_path: Path) -> None:
    (tmp_path / "snd/user").mkdir(parents=True)
    (tmp_path / "snd/user/a.wav").write_bytes(b"RIFF")
    body = 'await ctx.play("user/a.wav"); try { await ctx.play("user/b.wav"); } catch (e) { ctx.log(e.message); }'
    assert phone.call(body, "", "--sounds", str(tmp_path / "snd")) == 0
    assert "logs there is no user/b.wav" in phone.script
    assert phone.call(body, "") == 0
    assert "plays user/b.wav" in phone.script


def test_a_missing_await_is_told_with_its_place(phone: Phone) -> None:
    phone.call('ctx.answer();\n  ctx.tts("hello");', "", "--expect", "hello")
    assert re.search(r"warning: .*ctx\.answer.*\(author\.js:2:\d+\)", phone.out)


def test_a_rejection_that_nobody_awaited_is_told_with_its_place(phone: Phone) -> None:
    phone.call("await ctx.answer();\n['a'].forEach(async (one) => {\n  await ctx.tts(one.no.way);\n});", "1")
    (told,) = [line for line in phone.out.splitlines() if "nobody awaited" in line]
    assert "author.js:4:17: TypeError: cannot read property 'way' of undefined" in told


def test_the_end_of_the_call_and_a_failed_action_are_no_rejections_that_were_missed(phone: Phone) -> None:
    phone.call("await ctx.answer();\nctx.tts();\nctx.play('ivr/a.wav');\nctx.waitFor('1', '2', 9);", "hangup")
    assert "nobody awaited" not in phone.out
    assert "ctx.tts: text is needed" in phone.out


def test_real_time_takes_time(phone: Phone) -> None:
    began = time.monotonic()
    assert phone.call('await ctx.tts("x"); ctx.log("y");', "wait 0.2", "--real-time", "--quiet") == 0
    assert time.monotonic() - began > 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keys", "1,dance"], "'dance' is neither digits"),
        (["--keys", "1", "--vars", "nowhere.toml"], "nowhere.toml"),
        (["--expect", "x"], "--keys is needed"),
        ([], "--keys is needed"),
    ],
)
def test_wrong_usage(phone: Phone, arguments: list[str], message: str) -> None:
    assert main(["call", str(phone.write("")), *arguments]) == 2
    assert message in phone.capsys.readouterr().err


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


@pytest.mark.parametrize("end", ["interrupt", "twice", "terminate"])
def test_the_terminal_is_as_it_was_however_the_call_ends(phone: Phone, end: str) -> None:
    lingers = 'try { await ctx.tts("hello ".repeat(99)); } catch { await new Promise((r) => setTimeout(r, 9000)); }'
    script = phone.write(lingers if end == "twice" else 'await ctx.tts("hello ".repeat(99));')
    with Terminal(script) as terminal:
        terminal.until("says hello")
        if end == "terminate":
            terminal.process.terminate()
        else:
            terminal.type("\x03")
        if end == "twice":
            terminal.until("hangs up")
            terminal.type("\x03")
        assert terminal.process.wait(10) == (130 if end == "twice" else 0)
        assert terminal.is_as_it_was()


def test_a_person_at_the_terminal(phone: Phone) -> None:
    script = phone.write("""
      await ctx.answer();
      const d = await ctx.ivr("user/menu.wav", 60, 2, 2);
      const b = await ctx.bridge("user/alice", true);
      await ctx.tts(`${d.value} ${b.status}`);
      await ctx.echo();
    """)
    with Terminal(script) as terminal:
        terminal.until("plays user/menu.wav")
        terminal.type("4x2")
        terminal.until("bridges user/alice")
        terminal.type("a")
        terminal.until("party   answers")
        terminal.type("h")
        terminal.until("says 42 completed")
        terminal.until("echoes")
        terminal.type("\x03")
        terminal.until("script: hung up")
        assert terminal.process.wait(10) == 0
        assert terminal.is_as_it_was()


def test_keys_typed_ahead_at_the_terminal(phone: Phone) -> None:
    script = phone.write("""
  await ctx.tts("This is said at some length, so that there is time to type.");
  const choice = await ctx.ivr("user/menu.wav", 5, 1, 1);
  const pin = await ctx.ivr("user/pin.wav", 5, 4, 4);
  await ctx.tts(choice.value + " " + pin.value);
""")
    with Terminal(script) as terminal:
        terminal.until("says This is said")
        terminal.type("212")
        terminal.until("had been typed 12")
        terminal.type("34")
        terminal.until("says 2 1234")
        assert terminal.process.wait(10) == 0
    assert b"menu.wav" not in terminal._read
    assert b"pin.wav" not in terminal._read


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
