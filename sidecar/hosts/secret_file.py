"""Secrets that the operator keeps in files."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

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


class ApiUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user of the switch's REST API."""

    password: str
    tenants: tuple[str, ...]
    """Whose scripts may ask as this user; ``*`` is everybody."""

    def __repr__(self) -> str:
        return f"ApiUser(tenants={self.tenants})"


def read_users(file: Path | None) -> Mapping[str, ApiUser]:
    """The users in the file that ``rest.users_file`` names; none without one. Raises ConfigurationError."""
    if file is None:
        return {}
    try:
        return msgspec.toml.decode(file.read_bytes(), type=dict[str, ApiUser])
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"rest.users_file: {file}: {error}") from error
