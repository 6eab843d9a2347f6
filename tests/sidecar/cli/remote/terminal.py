"""Where somebody types commands."""

import io
import sys
from pathlib import Path

import pytest

from sidecar.cli import main


class Terminal:
    """Where one person types commands; what they are told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], home: Path) -> None:
        self._monkeypatch = monkeypatch
        self._captured = capfdbinary
        self.home = home

    def __call__(self, *words: object, typed: str = "") -> tuple[int, str, str]:
        """Type a command, and what it reads: its exit status and both its outputs."""
        self._monkeypatch.setenv("XDG_CONFIG_HOME", str(self.home))
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        try:
            status = main([str(word) for word in words])
        except SystemExit as ended:
            status = int(str(ended.code))
        sys.stdout.flush()
        sys.stderr.flush()
        out, err = self._captured.readouterr()
        return status, out.decode(), err.decode()

    def done(self, *words: object, typed: str = "") -> str:
        """The same for a command that does what it is told; its output."""
        status, out, err = self(*words, typed=typed)
        assert status == 0, out + err
        return out
