"""The number or name that is called or calls: read once, at the edge of each switch, and written back from there.

In a SIP address it is the user part (RFC 3261 clause 19.1.1), in a tel URI the subscriber (RFC 3966 clause 3), and a
switch of another protocol sends either as plain text. All three may escape characters, spread the digits with visual
separators and hang parameters on them (number portability, RFC 4694; trunk groups, RFC 4904). Scripts and the look-up
of assignments go by the number alone; its parameters are kept beside it.
"""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

import msgspec

_TEL: Final = "tel:"
_SEPARATORS: Final = str.maketrans("", "", "-.() ")
"""RFC 3966 clause 3, visual-separator; and the space that people and switches put there as well."""
_DIGITS: Final = frozenset("0123456789*#")
_TELEPHONE: Final = re.compile(r"\+?[0-9*#\-.() ]*")
_TELEPHONE_WITH_HEX: Final = re.compile(r"\+?[0-9*#A-Fa-f\-.() ]*")
"""RFC 3966 has A to F in local numbers; where nothing says that it is a telephone number, ``face`` is a name."""
_NAME_ADDRESS: Final = re.compile(r'\s*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*"\s*+|[^"<>]*+)<([^<>]*+)>', re.DOTALL)
"""RFC 3261 clause 20.10, with its display name or without."""
_SIP_URI: Final = re.compile(r'sips?:([^@:\s<>"]++)(?::[^@\s<>"]*+)?@([^@\s<>"]++)', re.IGNORECASE)
_IS_TELEPHONE: Final = re.compile(r";user=phone(?:[;?]|$)", re.IGNORECASE)
_ESCAPED_SEMICOLON: Final = "%3b"
_REMEMBERED_LENGTH: Final = 200
"""Longer ones are read anew each time, so that what is remembered stays small."""


class Number(msgspec.Struct, frozen=True):
    """A telephone number, or the name of a user where it is none."""

    text: str
    """Without escapes and parameters; of a telephone number without visual separators. ``+`` is kept."""
    parameters: dict[str, str] = {}
    """Those of the telephone number by name in lower case, without escapes; of one without a value empty text."""
    written: str = ""
    """The parameters as they were written, from the first ``;`` on."""


def read_number(user: str, *, telephone: bool = False) -> Number:
    """Read the user part of a SIP URI, the subscriber of a tel URI with its parameters, or either as plain text.

    ``telephone``: it is known to be a telephone number (a tel URI; ``user=phone``). Else one that begins with ``+`` is,
    and so is one of digits, ``*`` and ``#`` for its parameters, but not for its separators: ``100-2`` may well be the
    name of a user. What is no telephone number keeps its ``;``, as in RFC 3261's ``alice;day=tuesday``.
    """
    # Nearly all are of letters and digits alone, and then there is nothing to do.
    if user.isalnum() or (user[:1] == "+" and user[1:].isalnum()):
        return Number(user)
    if user[:4].lower() == _TEL:
        user, telephone = user[4:], True
    return _remembered(user, telephone) if len(user) <= _REMEMBERED_LENGTH else _read(user, telephone)


def number_of(text: str) -> Number:
    """Read a number as switches of other protocols write it: as `read_number` takes it, or a whole SIP or tel URI,
    alone or as a name-addr with its display name. What is none of them, and a URI of nobody, is a name like others."""
    if ":" not in text:
        return read_number(text)
    address = _NAME_ADDRESS.match(text)
    uri = address[1].strip() if address is not None else text
    if uri[:4].lower() == _TEL:
        return read_number(uri)
    found = _SIP_URI.fullmatch(uri)
    if found is None:
        return read_number(text)
    return read_number(found[1], telephone=_IS_TELEPHONE.search(found[2]) is not None)


def did_of(text: str) -> str:
    """A number that customers are called by, without what does not tell two of them apart: however it is written
    (`number_of`), with or without visual separators, and with or without the ``+`` of the international form, which one
    switch sends and another leaves out. What is no telephone number is as `number_of` has it."""
    if text.isascii() and text.isdigit():
        return text
    number = number_of(text).text
    return number.translate(_SEPARATORS).removeprefix("+") if _is_telephone(number) else number


def is_did(text: str) -> bool:
    """Whether `did_of` gives a telephone number."""
    return _is_telephone(number_of(text).text)


def _is_telephone(number: str) -> bool:
    return not _DIGITS.isdisjoint(number) and _TELEPHONE.fullmatch(number) is not None


def _read(user: str, telephone: bool) -> Number:
    end = user.find(";")
    escaped = user.lower().find(_ESCAPED_SEMICOLON)
    if escaped >= 0 and (end < 0 or escaped < end):
        end = escaped
    subscriber = unquote(user if end < 0 else user[:end])
    pattern = _TELEPHONE_WITH_HEX if telephone else _TELEPHONE
    if _DIGITS.isdisjoint(subscriber) or pattern.fullmatch(subscriber) is None:
        return Number(unquote(user))
    if telephone or subscriber.startswith("+"):
        subscriber = subscriber.translate(_SEPARATORS)
    return Number(subscriber) if end < 0 else Number(subscriber, _parameters(unquote(user[end:])), user[end:])


# The callers of one trunk, and the numbers that they call, come again and again.
_remembered: Final = lru_cache(maxsize=1_024)(_read)


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        if name:
            found.setdefault(name.lower(), value)
    return found
