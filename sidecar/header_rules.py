"""What of a script's header changes may reach a SIP message. No script can smuggle a line break or a header that
the switch itself lives by."""

import math
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from sipio.sip.message import canonical_name, is_token

FORBIDDEN: Final = frozenset(
    (
        # These carry the dialog and the transport: changed behind the switch's back, its calls break or are
        # somebody else's.
        *("via", "route", "record-route", "call-id", "cseq", "contact", "content-length", "max-forwards"),
        # The caller id is changed by ``cli``; a second From or To is a malformed message (RFC 3261 7.3.1).
        *("from", "to"),
        # The body is the switch's.
        "content-type",
    )
)
"""Each is as `folded` gives it, so that no other spelling gets past."""

_PASSWORDS: Final = frozenset({"authorization", "proxy-authorization"})
_PASSWORD_LENGTHS: Final = frozenset(map(len, _PASSWORDS))

HEADERS: Final = 100
"""One list may have so many changes. A SIP message has some 20 headers."""

VALUE_CHARACTERS: Final = 4_096
"""One header's value may have these: a message over UDP has 64 KB at the very most."""

NAME_CHARACTERS: Final = 128

NAMES: Final = 4_096
"""So many names are remembered as right, at most 1 MB of them: the same few come with every call, and a look costs
0.03 us where the check costs 0.7."""

EXACT_INTEGER: Final = 2**53 - 1
"""Number.MAX_SAFE_INTEGER: past it JavaScript rounds, and an account id becomes another customer's."""

NUMBERS: Final = 4_096
"""So many numbers are remembered as the text that they are as a header's value: rates and accounts, the same with every
call."""

_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""C1 controls and Unicode's own line ends as well: no line break in SIP, but one to whoever splits its log in lines."""
_NUMBER: Final = re.compile(r"[A-Za-z0-9\-_.!~*'()&=+$,/%#]+")
"""What RFC 3261 25.1 allows in a user, less ``;`` and ``?``, which switches read as parameters, and with ``#``, which
is dialled."""

NUMBER_CHARACTERS: Final = 128


class RuleViolation(Exception):
    """A script's result that must not reach a SIP message. The message names the header or the field, which
    ``subject`` is, empty where it is neither's."""

    def __init__(self, message: str, subject: str = "") -> None:
        super().__init__(message)
        self.subject = subject


def without_passwords(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A message's headers as scripts may have them: without what proves the caller's password, which from a digest can
    be guessed at leisure."""
    # By their length, since to lower some 15 names takes as long as all else that is done with them here.
    if any([len(name) in _PASSWORD_LENGTHS for name, _ in headers]):  # noqa: C419 - a list takes half as long
        return [(name, value) for name, value in headers if name.lower() not in _PASSWORDS]
    return headers


def folded(name: str) -> str:
    """The one spelling in which names of headers are compared: in lower case, and in full where it is a compact form
    (RFC 3261 7.3.3)."""
    return canonical_name(name) if is_token(name) else name.lower()


def header_name(value: Any) -> str:
    """A header name that a script may add or remove. Raises RuleViolation."""
    if type(value) is not str:
        raise RuleViolation(f"{_shown(value)} is not a SIP header name")
    return _header_name(value)


# A set and not lru_cache, a call of which costs twice as much: every name of a decision is looked for.
_right_names: Final[set[str]] = set()


def _header_name(value: str) -> str:
    if value in _right_names:
        return value
    if len(value) > NAME_CHARACTERS or not is_token(value):
        raise RuleViolation(f"{_shown(value)} is not a SIP header name", value)
    if folded(value) in FORBIDDEN:
        raise RuleViolation(f"the header {value} is the switch's own and cannot be changed by a script", value)
    if len(_right_names) >= NAMES:
        _right_names.clear()
    _right_names.add(value)
    return value


def header_value(name: str, value: Any) -> str:
    """A header's value as text; numbers and booleans are written as JavaScript would. Raises RuleViolation."""
    if type(value) is not str:
        value = _as_text(value)
        if value is None:
            raise RuleViolation(f"the header {name} has no value that can be sent: text or a number is needed", name)
    if len(value) > VALUE_CHARACTERS:
        raise RuleViolation(f"the header {name} has a value longer than {VALUE_CHARACTERS} characters", name)
    # A tab is allowed (RFC 3261 25.1, LWS) and not printable.
    if not value.isprintable() and _UNPRINTABLE.search(value) is not None:
        raise RuleViolation(f"the header {name} has a line break or another control character in its value", name)
    return str(value)


def added(entries: Iterable[Any]) -> list[tuple[str, str]]:
    """The name and value of each of a script's ``[{key, value}]``, which stay as they are. Raises RuleViolation."""
    copies = [dict(entry) if type(entry) is dict else entry for entry in entries]
    return [(entry["key"], entry["value"]) for entry in checked(copies)]


def checked(entries: list[Any]) -> list[Any]:
    """A script's ``[{key, value}]`` with every value as text and nothing else in it, changed in place.

    In place and in one loop, since a decision has some 20 entries and most are right as they come: 2 us for these,
    where a function and a pair for each would take three times as long. Raises RuleViolation.
    """
    if len(entries) > HEADERS:
        raise RuleViolation(f"a list has more than {HEADERS} header changes")
    for index, entry in enumerate(entries):
        try:
            value = entry["value"]
            if entry["key"] in _right_names and len(entry) == 2:
                kind = type(value)
                if kind is str:
                    if value.isprintable() and len(value) <= VALUE_CHARACTERS:
                        continue
                elif kind is int or kind is float:
                    entry["value"] = _number_texts[value]
                    continue
        except (TypeError, KeyError):
            pass  # a number for the first time; what is wrong is said below
        entries[index] = _checked_entry(entry)
    return entries


def _checked_entry(entry: Any) -> dict[str, str]:
    if type(entry) is not dict or "key" not in entry:
        raise RuleViolation(f"headers has {_shown(entry)} where {{key, value}} is needed")
    name = header_name(entry["key"])
    value: Any = entry.get("value")
    number = type(value) is int or type(value) is float
    return {"key": name, "value": _number_value(name, value) if number else header_value(name, value)}


# A dict and not lru_cache, a call of which costs twice as much.
_number_texts: Final[dict[float, str]] = {}


def _number_value(name: str, value: float) -> str:
    text = header_value(name, value)
    # Further off, a whole number and a float that are equal are not written alike.
    if -EXACT_INTEGER <= value <= EXACT_INTEGER:
        if len(_number_texts) >= NUMBERS:
            _number_texts.clear()
        _number_texts[value] = text
    return text


def removed(entries: Iterable[Any]) -> list[str]:
    """A script's ``[{key}]``; plain names are understood as well. Raises RuleViolation."""
    result: list[str] = []
    for entry in entries:
        if type(entry) is dict and "key" in entry:
            result.append(header_name(entry["key"]))
        elif type(entry) is str:
            result.append(header_name(entry))
        else:
            raise RuleViolation(f"remove_headers has {_shown(entry)} where {{key}} is needed")
    _check_count(result)
    return result


def number(field: str, value: Any) -> str | None:
    """A number dialled or a caller id as text, None where there is none. Raises RuleViolation."""
    if value is None:
        return None
    text = value if type(value) is str else _as_text(value)
    if text is None or len(text) > NUMBER_CHARACTERS or (text and _NUMBER.fullmatch(text) is None):
        raise RuleViolation(f"{field} is {_shown(value)}, which cannot be the user of a SIP address", field)
    return text


def _as_text(value: Any) -> str | None:
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    return _float_as_text(value) if type(value) is float else None


def _float_as_text(value: float) -> str | None:
    """ECMA-262 Number::toString: plain digits from 1e-6 up to 1e21, where Python has exponents from 1e-5 down."""
    if not math.isfinite(value):
        return None
    if value == 0:
        return "0"
    mantissa, _, exponent = repr(value).partition("e")
    mantissa = mantissa.removesuffix(".0")
    if not exponent:
        return mantissa
    # Both languages write the fewest digits that give the number back.
    return f"{Decimal(repr(value)):f}" if -7 < int(exponent) < 21 else f"{mantissa}e{int(exponent):+d}"


def _check_count(entries: list[Any]) -> None:
    if len(entries) > HEADERS:
        raise RuleViolation(f"a list has more than {HEADERS} header changes")


_WORDS: Final = {None: "null", True: "true", False: "false"}
"""As an author writes them; null is also what JSON makes of NaN."""


def _shown(value: Any) -> str:
    if value is None or type(value) is bool:
        return _WORDS[value]
    try:
        return ascii(value)[:80]
    except RecursionError:
        return "what is nested too deep"
