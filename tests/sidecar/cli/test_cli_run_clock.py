"""``scriptforge run`` at a time that is given, and what of the language is there."""

from pathlib import Path

import pytest

from sidecar.cli import main
from tests.sidecar.cli.run_desk import run

HEADER = "function main(data) {{ data.headers = [{{ key: 'X-R', value: String({}) }}] }}"


def test_a_script_runs_at_the_time_that_is_given(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = "new Date().toISOString() + ' ' + new Date().toLocaleTimeString('de', { timeZone: 'Europe/Berlin' })"
    assert run(desk, HEADER.format(value), "--now", "2026-10-25T00:30:00Z") == 0
    # The second that the clock has gone on is not for a test to know.
    assert "X-R: 2026-10-25T00:30:0" in (first := capsys.readouterr().out)
    assert "Z 02:30:0" in first
    # An hour later the clocks have been put back.
    assert run(desk, HEADER.format(value), "--now", "2026-10-25 02:30+01:00") == 0
    assert "X-R: 2026-10-25T01:30:0" in (second := capsys.readouterr().out)
    assert "Z 02:30:0" in second
    assert run(desk, HEADER.format("Date.now()"), "--now", "2026-07-01 09:00 America/New_York") == 0
    assert "X-R: 178291080" in capsys.readouterr().out


def test_a_clock_that_is_set_is_a_date_all_the_same(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = (
        "[new Date() instanceof Date, new Date(0).toISOString(), Date.UTC(1970, 0, 2), Date.parse('1970-01-01T00:00Z'),"
        " typeof Date(), new (class Day extends Date {})().getUTCFullYear(), Date.name, Date.length]"
    )
    assert run(desk, HEADER.format(value), "--now", "2031-01-01T00:00Z", "--kind", "app") == 0
    assert "X-R: true,1970-01-01T00:00:00.000Z,86400000,0,string,2031,Date,7" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong", ["tomorrow", "2026-10-25T02:30", "2026-10-25 02:30 Europe/Berln", "2026-13-01T00:00Z", ""]
)
def test_a_time_that_is_none_or_leaves_its_zone_open(
    desk: Path, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(desk, "function main() {}", "--now", wrong)
    assert ended.value.code == 2
    assert "write 2026-10-25T09:00+01:00" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["script", "app"])
@pytest.mark.parametrize(
    ("value", "printed", "warning"),
    [
        ("new Date(1795766400000).toLocaleString('en-US', { timeZone: 'America/New_York', hour: 'numeric' })",
         "X-R: 3 AM", ""),
        ("new Intl.DateTimeFormat('en', { timeZone: 'UTC' }).format(0)", "X-R: 1/1/1970", ""),
        ("'a10'.localeCompare('a9', undefined, { numeric: true })", "X-R: 1", ""),
        ("new WebSocket('ws://x')", "WebSocket is not defined", "`WebSocket` is not available"),
        ("new Date(0).toLocaleString('it')", "the locale 'it' is not available", "the locale 'it' is not available"),
    ],
)  # fmt: skip
def test_check_and_run_agree_on_what_is_there(
    desk: Path, capsys: pytest.CaptureFixture[str], kind: str, value: str, printed: str, warning: str
) -> None:
    status = run(desk, HEADER.format(value), "--kind", kind)
    shown = capsys.readouterr()
    assert printed in shown.out
    assert warning in shown.err
    assert status == (4 if warning else 0)
    assert main(["check", "a.js", "--kind", kind, "--config", "sidecar.toml"]) == 0
    checked = capsys.readouterr().out
    assert (warning in checked) if warning else ("no problems" in checked)


@pytest.mark.parametrize("kind", ["script", "app"])
def test_a_first_line_of_hash_bang_is_a_comment(desk: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    text = "#!/usr/bin/env -S scriptforge run\nfunction main(data) {\n  throw new Error('here')\n}\n"
    assert run(desk, text, "--kind", kind) == 4
    assert "a.js:3:" in capsys.readouterr().out
    assert main(["check", "a.js", "--kind", kind, "--config", "sidecar.toml"]) == 0
    assert run(desk, "function main() {}\n#!x", "--kind", kind) == 4
