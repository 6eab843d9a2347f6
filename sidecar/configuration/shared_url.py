"""The address of a Valkey or Redis, as an operator writes it: ``valkey://user:password@host:6379/0``, ``rediss://host``
for TLS, or ``unix:///run/valkey/valkey.sock``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn, final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

_SCHEMES: Final[Mapping[str, bool]] = {"valkey": False, "redis": False, "valkeys": True, "rediss": True, "unix": False}
"""Whether there is TLS."""
_PORT: Final = 6379
_HIGHEST_DATABASE: Final = 65_535
_FORMS: Final = (
    "expected valkey://HOST, redis://USER:PASSWORD@HOST:6379/0, rediss://HOST for TLS, or unix:///PATH?database=0"
)


class InvalidSharedUrl(ValueError):
    """A text that is no address of a Valkey or Redis. The message has no password in it."""


@final
class SharedUrl:
    """Where a Valkey or Redis is. Immutable. As text its password is ``***``; nothing else shows it.

    It is neither a Struct nor a dataclass, which msgspec would read a table into.
    """

    __slots__ = ("database", "host", "password", "path", "port", "tls", "tls_ca", "user")

    database: int
    host: str
    port: int
    path: Path | None
    """The unix socket, in place of host and port."""
    user: str
    password: str
    tls: bool
    tls_ca: Path | None
    """``?tls_ca=``: the PEM bundle that the server's certificate must be signed by; None for the system's."""

    def __init__(
        self,
        *,
        host: str = "",
        port: int = _PORT,
        path: Path | None = None,
        database: int = 0,
        user: str = "",
        password: str = "",
        tls: bool = False,
        tls_ca: Path | None = None,
    ) -> None:
        given = (database, host, password, path, port, tls, tls_ca, user)
        for key, value in zip(self.__slots__, given, strict=True):
            object.__setattr__(self, key, value)

    @classmethod
    def parse(cls, text: str) -> "SharedUrl":
        """The address that a text is. Raises InvalidSharedUrl."""
        scheme, separator, rest = text.partition("://")
        if scheme not in _SCHEMES or not separator:
            raise InvalidSharedUrl(f"{_FORMS}, got the scheme {scheme[:20]!r}" if separator else _FORMS)
        if "\x00" in text:
            raise InvalidSharedUrl("an address has no NUL")
        try:
            parts = urlsplit(f"{scheme}://{rest}")
            port = parts.port
        except ValueError:
            raise InvalidSharedUrl(_FORMS) from None
        if parts.fragment:
            raise InvalidSharedUrl(f"{_FORMS}; # of a password is written %23")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        known = ("database",) if scheme == "unix" else ("tls_ca",) if _SCHEMES[scheme] else ()
        unknown = next((one for one in options if one not in known), None)
        if unknown is not None:
            raise InvalidSharedUrl(f"unknown option {unknown!r}" + (f"; there is {known[0]}" if known else ""))
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        if scheme == "unix":
            path = unquote(parts.path)
            if not path or path == "/" or parts.hostname:
                raise InvalidSharedUrl("expected the path of a socket: unix:///run/valkey/valkey.sock")
            database = _database(options.get("database", ""))
            return cls(path=Path(path), database=database, user=user, password=password)
        if not parts.hostname:
            raise InvalidSharedUrl(f"{_FORMS}: the host is missing")
        return cls(
            host=unquote(parts.hostname),
            port=_PORT if port is None else port,
            database=_database(parts.path.removeprefix("/")),
            user=user,
            password=password,
            tls=_SCHEMES[scheme],
            tls_ca=Path(options["tls_ca"]) if options.get("tls_ca") else None,
        )

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"SharedUrl is immutable: {name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SharedUrl) and self._text(self.password) == other._text(other.password)

    def __hash__(self) -> int:
        return hash(self._text(self.password))

    def __str__(self) -> str:
        return self._text("***")

    def __repr__(self) -> str:
        return f"SharedUrl({str(self)!r})"

    def _text(self, password: str) -> str:
        login = quote(self.user, safe="") + (f":{password}" if self.password else "")
        login = f"{login}@" if login else ""
        if self.path is not None:
            return f"unix://{login}{quote(str(self.path))}" + (f"?database={self.database}" if self.database else "")
        host = f"[{self.host}]" if ":" in self.host else self.host
        options = f"?tls_ca={quote(str(self.tls_ca))}" if self.tls_ca is not None else ""
        return f"{'valkeys' if self.tls else 'valkey'}://{login}{host}:{self.port}/{self.database}{options}"


def _database(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= _HIGHEST_DATABASE):
        raise InvalidSharedUrl(f"{_FORMS}: the database is a number, such as 0")
    return int(text)
