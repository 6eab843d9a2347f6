"""A host and a port, as operators write them: ``host:port``, an IPv6 address in brackets."""

import re
from typing import Any, Final, NoReturn, final

from sipio.errors import LocalError

_FORM: Final = re.compile(
    r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<plain>[^\[\]:\s]+)):(?P<port>[0-9]{1,5})"
)


class InvalidHostPort(LocalError):
    """Text that is no ``host:port``."""


@final
class HostPort:
    """Where to connect or to listen. Immutable.

    It is neither a Struct nor a dataclass, so that msgspec asks its hook for one where a configuration has text.
    """

    __slots__ = ("host", "port")

    host: str
    """A name or an address, without brackets."""
    port: int

    def __init__(self, host: str, port: int) -> None:
        object.__setattr__(self, "host", host)
        object.__setattr__(self, "port", port)

    @classmethod
    def parse(cls, text: str) -> "HostPort":
        """Read ``host:port`` or ``[IPv6]:port``; port 0 lets the system choose where something listens.

        Raises:
            InvalidHostPort: it is neither, or the port is over 65535.
        """
        match = _FORM.fullmatch(text)
        if match is None or int(match["port"]) > 65_535:
            raise InvalidHostPort(f"expected host:port, such as 127.0.0.1:8448 or [::1]:8448, got {text!r}")
        return cls(match["bracketed"] or match["plain"], int(match["port"]))

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"HostPort is immutable: {name} = {value!r}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HostPort) and (self.host, self.port) == (other.host, other.port)

    def __hash__(self) -> int:
        return hash((self.host, self.port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"HostPort({self.host!r}, {self.port})"
