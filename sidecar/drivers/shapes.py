"""What a Driver's function gave, read by what it must give."""

from collections.abc import Mapping
from typing import Any, Final

_NAMES: Final[Mapping[type, str]] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
    type(None): "null",
}
SHOWN: Final = 60
"""Characters of a value in an error."""


class WrongResult(Exception):
    """A function of a Driver gave what it must not: which one, where in it, and what was expected there."""

    def __init__(self, function: str, key: str, message: str) -> None:
        where = f"its result's {key}" if key else "its result"
        super().__init__(f"{function}: {where}: {message}")
        self.function = function
        self.key = key


def wrong(function: str, key: str, expected: str, value: Any) -> WrongResult:
    """The error of a value that is none of what is expected."""
    shown = f" {value[:SHOWN]!r}" if isinstance(value, str) else ""
    return WrongResult(function, key, f"expected {expected}, got {_NAMES.get(type(value), 'something else')}{shown}")


def an_object(function: str, key: str, value: Any) -> dict[str, Any]:
    """An object. Raises WrongResult."""
    if not isinstance(value, dict):
        raise wrong(function, key, "an object", value)
    return value


def optional_text(function: str, key: str, value: Any) -> str | None:
    """A text, or null. Raises WrongResult."""
    if value is not None and not isinstance(value, str):
        raise wrong(function, key, "text or null", value)
    return value
