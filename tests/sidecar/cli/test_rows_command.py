"""``scriptforge rows`` makes what cxUserspace asks."""

from pathlib import Path

import pytest

from sidecar.cli import main


def test_a_database_of_rows_is_made_listed_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = ["--url", f"sqlite:///{tmp_path}/platform.db"]
    assert main(["db", "upgrade", *url]) == 0
    columns = ["--column", "carrier:string:indexed", "--column", "company:integer"]
    assert main(["rows", "make", "porting", *columns, *url]) == 0
    assert main(["rows", "make", "blocked", *url]) == 0
    capsys.readouterr()
    assert main(["rows", "list", *url]) == 0
    assert capsys.readouterr().out == (
        "blocked: key value:text\nporting: key value:text carrier:string:indexed company:integer\n"
    )
    assert main(["rows", "remove", "blocked", *url]) == 0
    assert main(["rows", "remove", "blocked", *url]) != 0
    assert "there is no database 'blocked'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["make", "Porting"], "expected 1 to 63 small letters"),
        (["make", "a", "--column", "b"], "expected NAME:TYPE or NAME:TYPE:indexed"),
        (["make", "a", "--column", "b:text:indexed"], "a column of text cannot be indexed"),
        (["make", "a", "--column", "key:string"], "every database has the column key already"),
        (["make", "a", "--tenant", "none"], "there is no tenant 'none'"),
    ],
)
def test_what_cannot_be_made_is_told(
    asked: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = ["--url", f"sqlite:///{tmp_path}/platform.db"]
    assert main(["db", "upgrade", *url]) == 0
    assert main(["rows", *asked, *url]) != 0
    assert told in capsys.readouterr().err
