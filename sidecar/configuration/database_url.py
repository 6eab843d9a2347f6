"""The address of a database, as an operator writes it: ``sqlite:////var/lib/scriptforge/platform.db``,
``postgresql://user:password@host/name`` or ``mysql://user:password@host/name``."""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NoReturn, final
from urllib.parse import parse_qsl, quote, unquote, urlsplit


class Database(StrEnum):
    """What keeps the data."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"
    MYSQL = "mysql"
    """Or MariaDB."""


_SCHEMES: Final[Mapping[str, Database]] = {
    "sqlite": Database.SQLITE,
    "postgresql": Database.POSTGRESQL,
    "postgres": Database.POSTGRESQL,
    "mysql": Database.MYSQL,
    "mariadb": Database.MYSQL,
}
_OPTIONS: Final = ("socket", "tls_ca")
_FORMS: Final = "expected sqlite:////PATH, postgresql://USER:PASSWORD@HOST/NAME or mysql://USER:PASSWORD@HOST/NAME"


class InvalidDatabaseUrl(ValueError):
    """A text that is no address of a database. The message has no password in it."""


@final
class DatabaseUrl:
    """Where a database is. Immutable. As text its password is ``***``; nothing else shows it.

    It is neither a Struct nor a dataclass, which msgspec would read a table into.
    """

    __slots__ = ("database", "host", "name", "password", "path", "port", "socket", "tls_ca", "user")

    database: Database
    path: Path | None
    """The file of SQLite; None for the others."""
    host: str
    port: int | None
    user: str
    password: str
    name: str
    socket: Path | None
    """``?socket=``: the unix socket of MySQL, or the folder of PostgreSQL's, in place of host and port."""
    tls_ca: Path | None
    """``?tls_ca=``: the PEM bundle that the server's certificate must be signed by. Without it there is no TLS."""

    def __init__(
        self,
        database: Database,
        *,
        path: Path | None = None,
        host: str = "",
        port: int | None = None,
        user: str = "",
        password: str = "",
        name: str = "",
        socket: Path | None = None,
        tls_ca: Path | None = None,
    ) -> None:
        given = (database, host, name, password, path, port, socket, tls_ca, user)
        for key, value in zip(self.__slots__, given, strict=True):
            object.__setattr__(self, key, value)

    @classmethod
    def parse(cls, text: str) -> "DatabaseUrl":
        """The address that a text is. Raises InvalidDatabaseUrl."""
        scheme, separator, rest = text.partition("://")
        database = _SCHEMES.get(scheme)
        if database is None or not separator:
            raise InvalidDatabaseUrl(f"{_FORMS}, got the scheme {scheme[:20]!r}" if separator else _FORMS)
        if "\x00" in text:
            raise InvalidDatabaseUrl("an address has no NUL")
        if database is Database.SQLITE:
            if not rest.startswith("/") or len(rest) < 2:
                raise InvalidDatabaseUrl("expected the path of a file: sqlite:////var/lib/scriptforge/platform.db")
            return cls(database, path=Path(unquote(rest[1:])))
        try:
            parts = urlsplit(f"{scheme}://{rest}")
            port = parts.port
        except ValueError:
            raise InvalidDatabaseUrl(_FORMS) from None
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        unknown = next((one for one in options if one not in _OPTIONS), None)
        if unknown is not None:
            raise InvalidDatabaseUrl(f"unknown option {unknown!r}; there are {' and '.join(_OPTIONS)}")
        name = unquote(parts.path.removeprefix("/"))
        if not re.fullmatch(r"[^/\\]+", name):
            raise InvalidDatabaseUrl(f"{_FORMS}: the name of the database is missing")
        socket = options.get("socket")
        if socket is None and not parts.hostname:
            raise InvalidDatabaseUrl(f"{_FORMS}: the host is missing")
        return cls(
            database,
            host=unquote(parts.hostname or ""),
            port=port,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            name=name,
            socket=Path(socket) if socket else None,
            tls_ca=Path(options["tls_ca"]) if options.get("tls_ca") else None,
        )

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"DatabaseUrl is immutable: {name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DatabaseUrl) and self.with_password() == other.with_password()

    def __hash__(self) -> int:
        return hash(self.with_password())

    def __str__(self) -> str:
        return self._text("***")

    def __repr__(self) -> str:
        return f"DatabaseUrl({str(self)!r})"

    def with_password(self) -> str:
        """The address as text that is parsed again to the same one: for no log."""
        return self._text(quote(self.password, safe=""))

    def _text(self, password: str) -> str:
        if self.path is not None:
            return f"sqlite:///{quote(str(self.path))}"
        user = quote(self.user, safe="") + (f":{password}" if self.password else "")
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port is not None else ""
        options = "&".join(
            f"{key}={quote(str(value))}" for key in _OPTIONS if (value := getattr(self, key)) is not None
        )
        where = f"{user}@{host}{port}" if user else f"{host}{port}"
        return f"{self.database}://{where}/{quote(self.name, safe='')}{'?' + options if options else ''}"
