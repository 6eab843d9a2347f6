"""The servers that somebody has logged in to: their addresses and tokens, by name, in a file for its owner alone."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from sidecar.cli.remote.errors import NoServer, ServerError
from sidecar.configuration.source import CLIENT_VARIABLES

ADDRESS, TOKEN, NAME, TENANT = CLIENT_VARIABLES
"""For programs that log in nowhere, such as CI."""
DEFAULT_NAME: Final = "default"
FILE_BYTES: Final = 1_000_000
"""Some thousands of servers."""


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One server and who asks it."""

    url: str
    """Without a slash at its end."""
    token: str


class Servers(msgspec.Struct, forbid_unknown_fields=True):
    """What is kept."""

    servers: dict[str, Server] = {}
    default: str = ""


def servers_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Where they are kept (XDG Base Directory Specification)."""
    home = environment.get("XDG_CONFIG_HOME", "")
    folder = Path(home) if Path(home).is_absolute() else Path.home() / ".config"
    return folder / "scriptforge" / "servers.json"


def read_servers(file: Path) -> Servers:
    """Those that are kept; none where there is no file. Raises ServerError for one that others may read."""
    try:
        with file.open("rb") as opened:
            if os.fstat(opened.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ServerError(f"{file} has tokens in it, and others may read it: chmod 600 {file}")
            content = opened.read(FILE_BYTES + 1)
    except FileNotFoundError:
        return Servers()
    except OSError as error:
        raise ServerError(f"{file}: {error.strerror}") from error
    try:
        return msgspec.json.decode(content[:FILE_BYTES], type=Servers)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ServerError(f"{file}: {error}; without it `scriptforge login` makes it anew") from error


def write_servers(file: Path, servers: Servers) -> None:
    """Keep them: at once all or nothing. Raises ServerError."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(file, msgspec.json.format(msgspec.json.encode(servers), indent=2) + b"\n")
    except OSError as error:
        raise ServerError(f"{error.filename or file}: {error.strerror}") from error


def write_private(file: Path, content: bytes) -> None:
    """Write a file that its owner alone may read, in the place of the one of before. Raises OSError."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # of mode 0600
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(name, file)  # noqa: PTH105 - a name, as mkstemp gives it
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108
        raise


def find_server(name: str | None, environment: Mapping[str, str] = os.environ) -> Server:
    """The server of a name, else that of the environment, else the one that was made the default. Raises NoServer where
    there is none, ServerError where the file cannot be read."""
    if name is None:
        address, token = environment.get(ADDRESS, ""), environment.get(TOKEN, "")
        if address:
            if not token:
                raise NoServer(f"{ADDRESS} is set and {TOKEN} is not")
            return Server(sound_address(address), token)
        if token:
            raise NoServer(f"{TOKEN} is set and {ADDRESS} is not")
        name = environment.get(NAME) or None
    kept = read_servers(servers_file(environment))
    wanted = name or kept.default
    if not wanted:
        raise NoServer(f"no server is known: `scriptforge login URL` keeps one, or set {ADDRESS} and {TOKEN}")
    if wanted not in kept.servers:
        names = ", ".join(sorted(kept.servers)) or "none"
        raise NoServer(f"there is no server called {wanted!r}; known: {names}")
    return kept.servers[wanted]


def sound_address(text: str) -> str:
    """A server's address, such as ``https://scripts.example``; one of its API is taken too. Raises ServerError."""
    address = text.rstrip("/").removesuffix("/api/v1").rstrip("/")
    try:
        parts = urlsplit(address)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
        sound = sound and parts.port != 0 and address.isprintable() and " " not in address
    except ValueError:
        sound = False
    if not sound or parts.username is not None:
        raise ServerError(f"{text[:200]!r} is no address of a server: write https://HOST or http://HOST:PORT")
    return address
