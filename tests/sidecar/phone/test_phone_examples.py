"""The scripts of docs/voice.md, unchanged, on the terminal phone."""

import re
from pathlib import Path

import pytest

from sidecar.cli import main

PAGE = (Path(__file__).parents[3] / "docs/voice.md").read_text()
SCRIPTS = dict(re.findall(r"^```js (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
PLAYED = {
    "hello.js": ("", ["Hello. You have called 100", "hangs up"]),
    "bookkeeping.js": ("wait 3,hangup", ["echoes", "logs ended by caller"]),
    "menu.js": ("2,1234", ["ivr/menu.wav", "Correct"]),
    "connect.js": ("busy,noanswer,wait 10,#", ["sip:alice", "sip:bob", "Nobody is there", "records message"]),
    "refuse.js": ("", ["404 Not Found"]),
    "newer.js": ("", ["ivr/welcome.wav"]),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / name
    script.write_text(SCRIPTS[name])
    keys, expected = PLAYED.get(name, ("", []))
    expectations = [word for text in expected for word in ("--expect", text)]
    assert main(["call", str(script), "--keys", keys, *expectations]) == 0, capsys.readouterr()
    assert "warning" not in capsys.readouterr().out


def test_a_party_that_answers_answers_the_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "connect.js"
    script.write_text(SCRIPTS["connect.js"])
    assert main(["call", str(script), "--keys", "answer,wait 5,end", "--expect", "logs completed"]) == 0
    out = capsys.readouterr().out
    assert "hangs up cause 16" in out
    assert "480" not in out
