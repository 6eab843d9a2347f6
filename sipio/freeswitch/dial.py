"""Makes the destination of a bridge FreeSWITCH's dial string."""

import re
from typing import Final

from sipio.errors import LocalError
from sipio.freeswitch.settings import FreeswitchSettings
from sipio.number import read_number

DESTINATION_CHARACTERS: Final = 256
_SAFE: Final = re.compile(r"[A-Za-z0-9_.!~*+#:;=@?&%\-/()]+")
_NAME: Final = re.compile(r"[A-Za-z0-9_.\-]+")
_NUMBER: Final = re.compile(r"[A-Za-z0-9_.+*#\-]+")


class DialError(LocalError):
    """A destination that cannot be dialled."""


def dial_string(destination: str, settings: FreeswitchSettings) -> str:
    """The dial string of one destination of a `Bridge`.

    A dial string has a syntax of its own, in which ``,`` ``|`` ``[`` and ``{`` begin further legs and variables and
    ``$`` an expansion: a destination with any of them is refused.

    Raises DialError for what cannot be dialled.
    """
    if not 0 < len(destination) <= DESTINATION_CHARACTERS or _SAFE.fullmatch(destination) is None:
        raise DialError(f"{destination[:80]!r} cannot be dialled")
    scheme, colon, rest = destination.partition(":")
    if scheme.lower() == "tel":
        return _trunk(settings, settings.default_trunk, read_number(destination).text)
    if colon and scheme.lower() in {"sip", "sips"}:
        if rest.startswith("@") or not rest or not settings.sip_dial:
            raise DialError(f"{destination[:80]!r} cannot be dialled")
        return settings.sip_dial.replace("{uri}", rest if scheme.lower() == "sip" else destination)
    kind, slash, rest = destination.partition("/")
    if not slash:
        return _trunk(settings, settings.default_trunk, destination)
    if kind == "user":
        return settings.user_dial.replace("{user}", _only(_NAME, rest))
    trunk, slash, number = rest.partition("/")
    if kind == "trunk" and slash:
        return _trunk(settings, _only(_NAME, trunk), number)
    raise DialError(f"{destination[:80]!r} cannot be dialled")


def _trunk(settings: FreeswitchSettings, trunk: str, number: str) -> str:
    return settings.trunk_dial.replace("{trunk}", trunk).replace("{number}", _only(_NUMBER, number))


def _only(allowed: re.Pattern[str], text: str) -> str:
    if allowed.fullmatch(text) is None:
        raise DialError(f"{text[:80]!r} cannot be dialled")
    return text
