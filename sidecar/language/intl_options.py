"""The options of ``Intl`` and the ``toLocale`` functions: what each may be, and what of that is not there."""

from collections.abc import Mapping
from functools import cache
from typing import Final

_WIDTHS: Final = frozenset({"narrow", "short", "long"})
_DIGITS: Final = frozenset({"numeric", "2-digit"})
_STYLES: Final = frozenset({"full", "long", "medium", "short"})
_ANY: Final[frozenset[str]] = frozenset()

_SHARED: Final[Mapping[str, frozenset[str]]] = {
    "localeMatcher": frozenset({"lookup", "best fit"}),
    "numberingSystem": _ANY,
}
_OF_DATES: Final[Mapping[str, frozenset[str]]] = {
    "calendar": _ANY,
    "hour12": _ANY,
    "hourCycle": frozenset({"h11", "h12", "h23", "h24"}),
    "timeZone": _ANY,
    "weekday": _WIDTHS,
    "era": _WIDTHS,
    "year": _DIGITS,
    "month": _DIGITS | _WIDTHS,
    "day": _DIGITS,
    "dayPeriod": _WIDTHS,
    "hour": _DIGITS,
    "minute": _DIGITS,
    "second": _DIGITS,
    "fractionalSecondDigits": _ANY,
    "timeZoneName": frozenset({"short", "long", "shortOffset", "longOffset"}),
    "formatMatcher": frozenset({"basic", "best fit"}),
    "dateStyle": _STYLES,
    "timeStyle": _STYLES,
}
_OF_NUMBERS: Final[Mapping[str, frozenset[str]]] = {
    "style": frozenset({"decimal", "percent", "currency"}),
    "currency": _ANY,
    "currencyDisplay": frozenset({"code", "symbol", "narrowSymbol"}),
    "currencySign": _ANY,
    "unit": _ANY,
    "unitDisplay": _ANY,
    "notation": _ANY,
    "compactDisplay": _ANY,
    "minimumIntegerDigits": _ANY,
    "minimumFractionDigits": _ANY,
    "maximumFractionDigits": _ANY,
    "minimumSignificantDigits": _ANY,
    "maximumSignificantDigits": _ANY,
    "roundingPriority": _ANY,
    "roundingIncrement": _ANY,
    "roundingMode": _ANY,
    "trailingZeroDisplay": frozenset({"auto", "stripIfInteger"}),
    "useGrouping": _ANY,
    "signDisplay": frozenset({"auto", "never", "always", "exceptZero", "negative"}),
}
_OF_ORDER: Final[Mapping[str, frozenset[str]]] = {
    "usage": frozenset({"sort", "search"}),
    "sensitivity": frozenset({"base", "accent", "case", "variant"}),
    "ignorePunctuation": _ANY,
    "numeric": _ANY,
    "caseFirst": frozenset({"upper", "lower", "false"}),
    "collation": _ANY,
}
OPTIONS: Final[Mapping[str, frozenset[str]]] = {**_SHARED, **_OF_DATES, **_OF_NUMBERS, **_OF_ORDER}
"""By its name, what an option may be; nothing where that is not a word of a list."""
UNAVAILABLE: Final[Mapping[str, frozenset[str]]] = {
    "timeZoneName": frozenset({"shortGeneric", "longGeneric"}),
    "style": frozenset({"unit"}),
    "currencyDisplay": frozenset({"name"}),
    "currencySign": frozenset({"accounting"}),
    "notation": frozenset({"scientific", "engineering", "compact"}),
    "roundingPriority": frozenset({"morePrecision", "lessPrecision"}),
}
"""What ECMA-402 has besides, and a script has not."""


@cache
def options_of(name: str) -> frozenset[str]:
    """The options of a function or class, by its name; empty for one of which nothing is known."""
    options: dict[str, frozenset[str]] = {}
    if name in ("toLocaleString", "toLocaleDateString", "toLocaleTimeString", "DateTimeFormat"):
        options.update(_OF_DATES)
    if name in ("toLocaleString", "NumberFormat"):
        options.update(_OF_NUMBERS)
    if name in ("localeCompare", "Collator"):
        options.update(_OF_ORDER)
    return frozenset((*options, *_SHARED)) if options else frozenset()
