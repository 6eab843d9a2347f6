"""Secrets that the operator keeps in files."""

from pathlib import Path

from sidecar.errors import ConfigurationError


def first_line(key: str, file: Path | None) -> str:
    """The first line of the file that a key of the configuration names; empty for none. Raises ConfigurationError."""
    if file is None:
        return ""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{key}: {file}: {error}") from error
    return lines[0].strip() if lines else ""
