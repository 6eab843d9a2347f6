"""`scriptforge run --function`: Drivers, Workers and Apps by their functions' names."""

import json
from pathlib import Path

import pytest

from sidecar.cli import main

DRIVER = """module.exports = {
  search: async ({ number }) => [{ did: number + '00' }],
  list: () => [{ did: 5 }],
};
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sidecar.toml").write_text("")
    (tmp_path / "data.json").write_text('{"number": "44"}')
    (tmp_path / "driver.js").write_text(DRIVER)
    return tmp_path


def run(file: str, *words: str) -> int:
    return main(["run", file, "--config", "sidecar.toml", *words])


def test_a_drivers_function_is_given_its_argument(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("driver.js", "--kind", "driver", "--function", "search", "--data", "data.json") == 0
    assert capsys.readouterr().out.startswith('returned [{"did":"4400"}]\n')


def test_what_a_driver_must_not_give_is_told_with_its_place(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("driver.js", "--kind", "driver", "--function", "list", "--json") == 4
    told = json.loads(capsys.readouterr().out)
    assert (told["outcome"], told["location"]) == ("wrong_result", "driver.js:3:3")
    assert told["error"] == "list: its result's [0].did: expected a number as text, got a number"


def test_variables_are_given_by_the_command(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "app.js").write_text("export const where = () => [process.env.PROVIDER, process.env.B];\n")
    words = ("--kind", "app", "--function", "where")
    assert run("app.js", *words, "--env", "PROVIDER=https://a.example/?b=c", "--env", "B=") == 0
    assert capsys.readouterr().out.startswith('returned ["https://a.example/?b=c",""]\n')
    with pytest.raises(SystemExit):
        run("app.js", *words, "--env", "PROVIDER")
    assert "expected NAME=VALUE, got 'PROVIDER'" in capsys.readouterr().err


def test_without_data_a_function_is_given_an_empty_object_as_over_http(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk / "app.js").write_text("export const hello = ({ who }) => [who === undefined];\n")
    assert run("app.js", "--kind", "app", "--function", "hello") == 0
    assert capsys.readouterr().out.startswith("returned [true]\n")


def test_a_worker_is_given_a_message(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "worker.js").write_text(
        "export const main = (message, { id, attempt }) => [message.number, id, attempt];\n"
    )
    assert run("worker.js", "--kind", "worker", "--function", "main", "--data", "data.json") == 0
    assert capsys.readouterr().out.startswith('returned ["44","scriptforge-run",1]\n')
    (desk / "worker.js").write_text("export const work = () => 1;\n")
    assert run("worker.js", "--kind", "worker", "--function", "work") == 4
    assert "no entry point: a Worker starts in `function main(message, { id, attempt })`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--kind", "driver", "--data", "data.json"], "no call runs a Driver: name one of its functions"),
        (["--function", "search", "--vars", "x"], "--vars says something of a call"),
        (["--function", "search", "--expect", "x"], "--expect reads a decision"),
    ],
)
def test_what_does_not_go_together_is_told(
    desk: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert run("driver.js", *words) == 2
    assert told in capsys.readouterr().err


def test_a_function_that_is_not_there_is_told_with_those_that_are(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("driver.js", "--kind", "driver", "--function", "alert") == 4
    assert "has no function 'alert'; there are list, search" in capsys.readouterr().err


def test_a_driver_without_a_function_of_one_is_refused(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "driver.js").write_text("export const find = () => [];\n")
    assert main(["check", "--kind", "driver", "driver.js"]) == 4
    assert "no function of a Driver: export one of `search`, `allocate`" in capsys.readouterr().out
