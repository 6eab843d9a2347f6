"""What is wrong with a request's values, in words that name what is right: those of the library that looks at them are
about types of Python's."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sidecar.http.job_shapes import FUNCTION, JOB_ID, QUEUE
from sidecar.http.schedule_shapes import PRINTABLE
from sidecar.http.shapes import DATABASE_NAME, IN_PATH, NO_NUL, PERHAPS_NO_NUL, UUID, VARIABLE_NAME

_PLACES: Final = ("body", "path", "query", "header")
"""Where a value stands is said only where it is all of that."""
_PATTERNS: Final[Mapping[str, str]] = {
    NO_NUL: "has a NUL character",
    PERHAPS_NO_NUL: "has a NUL character",
    UUID: "expected a UUID, such as 123e4567-e89b-12d3-a456-426614174000",
    IN_PATH: "has a `/` or a NUL character",
    VARIABLE_NAME: "expected letters, digits and `_`, and no digit first",
    QUEUE: "expected 1 to 64 letters, digits, `_`, `.` and `-`",
    FUNCTION: "expected the name of a function",
    JOB_ID: "expected the 32 digits of a job's id",
    PRINTABLE: "expected characters of ASCII that can be seen, or blanks",
    DATABASE_NAME: "expected 1 to 63 of a to z, digits and `_`, and no digit first",
}
_KINDS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "there is no such key",
    "string_type": "expected text",
    "string_unicode": "expected Unicode text",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_parsing_size": "expected a whole number of fewer digits",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a number, and neither NaN nor infinity",
    "list_type": "expected a list",
    "dict_type": "expected an object",
    "model_type": "expected an object",
    "model_attributes_type": "expected an object",
    "timezone_aware": "expected a time with its zone, such as 2026-11-28T12:00:00Z",
}
_ODD: Final = "is not what it must be"


def refused_value(error: Mapping[str, Any]) -> str:
    """One of them: the field, and what is right."""
    place = [str(part) for part in error["loc"]]
    if len(place) > 1 and place[0] in _PLACES:
        del place[0]
    return f"{'.'.join(place)}: {_words(error['type'], error.get('ctx') or {}, error.get('input'))}"


def _words(kind: str, context: Mapping[str, Any], given: object) -> str:
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], _ODD)
    if kind in ("literal_error", "enum"):
        shown = f"{given[:60]!r} is none of" if isinstance(given, str) else "expected one of"
        return f"{shown} {context['expected'].replace(' or ', ', ')}"
    if kind in ("string_too_short", "too_short"):
        least = context["min_length"]
        return "must not be empty" if least == 1 else f"expected at least {least:_} {_counted(kind)}"
    if kind in ("string_too_long", "too_long"):
        return f"expected at most {context['max_length']:_} {_counted(kind)}"
    if kind in ("greater_than_equal", "less_than_equal", "greater_than", "less_than"):
        words = {"ge": "or more", "le": "or less"}
        return next(f"expected {context[key]:_} {word}" for key, word in words.items() if key in context)
    if kind == "value_error":
        return str(context["error"])
    if kind.startswith(("datetime_", "date_from_")):
        return "expected a time, such as 2026-11-28T12:00:00Z"
    return _KINDS.get(kind, _ODD)


def _counted(kind: str) -> str:
    return "characters" if kind.startswith("string") else "items"


def refused_values(errors: Sequence[Mapping[str, Any]]) -> list[str]:
    """All of them, each once."""
    return list(dict.fromkeys(map(refused_value, errors)))
