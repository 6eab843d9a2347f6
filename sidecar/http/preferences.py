"""What a request would rather have, as RFC 7240 has it: that it is not waited for, or for so long at most; and how
often a run that is not waited for may fail, and how long it waits then, which are ours."""

from collections.abc import Iterable
from typing import Final
from urllib.request import parse_http_list

import msgspec

DIGITS: Final = 9


class Preferences(msgspec.Struct, frozen=True):
    """Those that are known here; what else is preferred is passed over (RFC 7240, 2)."""

    respond_async: bool = False
    wait_seconds: int | None = None
    attempts: int | None = None
    backoff_seconds: int | None = None

    def applied(self) -> str:
        """The value of ``Preference-Applied``."""
        named = ("wait", self.wait_seconds), ("attempts", self.attempts), ("backoff", self.backoff_seconds)
        return ", ".join(["respond-async", *(f"{name}={value}" for name, value in named if value is not None)])


def preferences(headers: Iterable[str]) -> Preferences:
    """Of a request's ``Prefer`` headers. The first of a name counts, and what is malformed is not there."""
    found: dict[str, str] = {}
    for header in headers:
        for preference in parse_http_list(header):
            name, _, value = preference.partition(";")[0].partition("=")
            found.setdefault(name.strip().lower(), value.strip().strip('"'))
    wait, attempts, backoff = (_number(found.get(name, "")) for name in ("wait", "attempts", "backoff"))
    return Preferences("respond-async" in found, wait, attempts, backoff)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= DIGITS else None
