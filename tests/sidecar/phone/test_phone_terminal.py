"""``scriptforge call`` with a person at the terminal."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.sidecar.phone.phone_desk import Phone


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
