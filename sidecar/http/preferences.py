"""What a request would rather have, as RFC 7240 has it: that it is not waited for, or for so long at most."""

from collections.abc import Iterable
from typing import Final
from urllib.request import parse_http_list

import msgspec

WAIT_DIGITS: Final = 9


class Preferences(msgspec.Struct, frozen=True):
    """Those that are known here; what else is preferred is passed over (RFC 7240, 2)."""

    respond_async: bool = False
    wait_seconds: int | None = None

    def applied(self) -> str:
        """The value of ``Preference-Applied``."""
        return "respond-async" + (f", wait={self.wait_seconds}" if self.wait_seconds is not None else "")


def preferences(headers: Iterable[str]) -> Preferences:
    """Of a request's ``Prefer`` headers. The first of a name counts, and what is malformed is not there."""
    found: dict[str, str] = {}
    for header in headers:
        for preference in parse_http_list(header):
            name, _, value = preference.partition(";")[0].partition("=")
            found.setdefault(name.strip().lower(), value.strip().strip('"'))
    wait = found.get("wait", "")
    is_number = wait.isascii() and wait.isdecimal() and len(wait) <= WAIT_DIGITS
    return Preferences("respond-async" in found, int(wait) if is_number else None)
