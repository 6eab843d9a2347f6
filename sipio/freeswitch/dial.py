"""Where a bridge goes, as FreeSWITCH's dial string."""

import re
from typing import Final

from sipio.errors import LocalError
from sipio.freeswitch.settings import FreeswitchSettings

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

    Raises:
        DialError: nothing that can be dialled.
    """
    if not 0 < len(destination) <= DESTINATION_CHARACTERS or _SAFE.fullmatch(destination) is None:
        raise DialError(f"{destination[:80]!r} cannot be dialled")
    scheme, colon, rest = destination.partition(":")
    if colon and scheme.lower() in {"sip", "sips"}:
        if rest.startswith("@") or not rest:
            raise DialError(f"{destination[:80]!r} cannot be dialled")
        return settings.sip_dial.format(uri=rest if scheme.lower() == "sip" else destination)
    kind, slash, rest = destination.partition("/")
    if not slash:
        return settings.trunk_dial.format(trunk=settings.default_trunk, number=_only(_NUMBER, destination))
    if kind == "user":
        return settings.user_dial.format(user=_only(_NAME, rest))
    trunk, slash, number = rest.partition("/")
    if kind == "trunk" and slash:
        return settings.trunk_dial.format(trunk=_only(_NAME, trunk), number=_only(_NUMBER, number))
    raise DialError(f"{destination[:80]!r} cannot be dialled")


def _only(allowed: re.Pattern[str], text: str) -> str:
    if allowed.fullmatch(text) is None:
        raise DialError(f"{text[:80]!r} cannot be dialled")
    return text
