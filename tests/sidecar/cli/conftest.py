"""The directory that a command is typed in."""

from pathlib import Path

import pytest

from tests.sidecar.cli.run_desk import CALL


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "call.json").write_text(CALL)
    (tmp_path / "sidecar.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path
