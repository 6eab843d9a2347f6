"""Numbers in options: what is none is told in the field's words, whichever command it is."""

import pytest

from sidecar.cli import main


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["test", "--timeout-ms", "x"], "--timeout-ms: is a number of milliseconds from 1 to 600000"),
        (["test", "--timeout-ms", "600001"], "--timeout-ms: is a number of milliseconds from 1 to 600000"),
        (["run", "x.js", "--timeout-ms", "0"], "--timeout-ms: is a number of milliseconds from 1 to 3600000"),
        (["route", "--timeout-ms", "\u0661"], "--timeout-ms: is a number of milliseconds from 1 to 3600000"),
        (["tokens", "create", "x", "--days", "9" * 99], "--days: is a number of days from 1 to 36500"),
        (["bench", "--workers", "1,,2"], "--workers: is numbers from 1, with commas between them"),
        (["bench", "--scripts", "0"], "--scripts: is numbers from 1, with commas between them"),
    ],
)
def test_what_is_no_number_is_wrong_usage(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(f"error: argument {told}\n")
