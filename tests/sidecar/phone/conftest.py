"""A directory with scripts to call."""

from pathlib import Path

import pytest

from tests.sidecar.phone.phone_desk import Phone


@pytest.fixture
def phone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Phone:
    return Phone(tmp_path, capsys)
