"""The page for authors about tests: its scripts and tests are written down and run, and print what it shows."""

import re
import shlex
from pathlib import Path

import pytest

from sidecar.cli import main

PAGE = (Path(__file__).parents[4] / "docs" / "testing.md").read_text()


def without_seconds(text: str) -> str:
    return re.sub(r"(  \d+ ms|\d+\.\d\d s)$", "", text, flags=re.MULTILINE)


def test_the_page_shows_what_is_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in re.findall(r"^```js (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text)
    first, *others = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    (shown,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert main(shlex.split(first)[1:]) == 1
    assert without_seconds(capsys.readouterr().out) == without_seconds(shown)
    for command in others:
        assert main(shlex.split(command)[1:]) == 0, capsys.readouterr().out
    assert "results.xml" in {file.name for file in tmp_path.iterdir()}
