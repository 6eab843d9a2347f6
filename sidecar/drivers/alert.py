"""What a Driver is given and answers that watches over something: ``alert``, or its ``main``."""

from typing import Any, Final

import msgspec

from sidecar.drivers.shapes import WrongResult, an_object, optional_text, wrong
from sidecar.kind import ALERT, MAIN

LEVELS: Final = ("none", "warning", "error")
_KEYS: Final = ("subject", "text", "html", "level")


class AlertReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent; where all of it is None, the alert's template as it is."""

    subject: str | None = None
    text: str | None = None
    html: str | None = None
    level: str | None = None


def entry_of(entries: tuple[str, ...]) -> str:
    """The function that is called of those that a Driver has."""
    return ALERT if ALERT in entries else MAIN


def read_alert(function: str, value: Any) -> AlertReport | None:
    """The result; None where there is nothing to be told. Raises WrongResult."""
    if value is None or value is False:
        return None
    if value is True:
        return AlertReport()
    if isinstance(value, str):
        return AlertReport(text=value)
    if not isinstance(value, dict):
        raise wrong(function, "", "true, false, null, text or {subject, text, html, level}", value)
    row = an_object(function, "", value)
    for key in row:
        if key not in _KEYS:
            raise WrongResult(function, key[:60], f"is read by nothing: {', '.join(_KEYS)} are")
    level = optional_text(function, "level", row.get("level"))
    if level is not None and level not in LEVELS:
        raise WrongResult(function, "level", f"expected {', '.join(LEVELS)}, got {level[:60]!r}")
    texts = {key: optional_text(function, key, row.get(key)) for key in ("subject", "text", "html")}
    return AlertReport(level=level, **texts)
