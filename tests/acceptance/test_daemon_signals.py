"""A signal takes effect while a catalog is being loaded, however large it is."""

import signal
import sys
from pathlib import Path

import pytest

from tests.acceptance.processes import Program

ROOT = Path(__file__).parents[2]
PROGRAM = "tests.acceptance.loading_forever"


def loading(folder: Path, loads: int) -> Program:
    return Program([sys.executable, "-m", PROGRAM, str(folder), str(loads)], folder / "daemon.log", ROOT)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_asked_for_during_the_first_load(tmp_path: Path, number: signal.Signals) -> None:
    daemon = loading(tmp_path, 0)
    daemon.wait_for("it loads")
    daemon.process.send_signal(number)
    daemon.wait_for("start_given_up")
    assert daemon.process.wait(10) == 0
    daemon.finish()
    assert not (tmp_path / "daemon.sock").exists()


@pytest.mark.timeout(60)
def test_the_end_asked_for_during_a_reload(tmp_path: Path) -> None:
    daemon = loading(tmp_path, 1)
    daemon.wait_for("serving")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for("it loads")
    daemon.process.send_signal(signal.SIGTERM)
    daemon.wait_for("stopped")
    assert daemon.process.wait(10) == 0
    daemon.finish()
    assert not (tmp_path / "daemon.sock").exists()
