"""The command that calls a script, and what it printed."""

import re
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


MENU = """
  await ctx.answer();
  await ctx.tts("Welcome " + data.name + ", you are " + data.cli + " for " + data.dest_number);
  const choice = await ctx.ivr("user/menu.wav", 5, 1, 1);
  const pin = await ctx.ivr("ivr/pin.wav", 5, 4, 8, "#", { tries: 2, invalid_file: "user/wrong.wav", regexp: /1.*/ });
  ctx.log("pin " + pin.value);
  await ctx.tts(`${choice.value} ${pin.status} ${pin.value}`);
"""
