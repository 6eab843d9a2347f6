"""A call and vars as an author writes them in files: JSON and TOML, each mistake with its line and column."""

import argparse
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from sidecar.catalog.directory.entries import variables_of
from sidecar.configuration.toml_source import TomlSyntaxError, parse_toml
from sidecar.configuration.typed_value import unknown_key
from sidecar.problem import Problem, Severity
from sipio.errors import MalformedMessage
from sipio.routing import RoutingRequest, SipRequest, pack_routing
from sipio.routing_shape import check_routing
from sipio.sound_text import with_sound_text

STANDARD_INPUT: Final = "-"
DATA_BYTES: Final = 16_777_216
"""The largest file read: many times what a switch may send, and no accident like /dev/zero."""

INTEGER_DIGITS: Final = 20
"""Characters of the longest integer of 64 bits, with its sign."""

REQUEST_KEYS: Final = frozenset(field.name for field in msgspec.structs.fields(RoutingRequest))
SHARED_KEYS: Final = frozenset({"egress_routing", "headers", "remove_headers"})
"""What a script finds at ``data`` as well as at ``data.routing``: authors paste it in both places."""


class _Routed(msgspec.Struct):
    routing: dict[str, Any]


class InputError(Exception):
    """A file that cannot be used, with its problems and its text for an excerpt."""

    def __init__(self, *problems: Problem, source: str = "") -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
        self.source = source


def shown_file(file: str) -> str:
    """A file as messages call it."""
    return "standard input" if file == STANDARD_INPUT else file


def read_request(file: str, call_id: str) -> RoutingRequest:
    """The call in a JSON file, or in standard input for ``-``: a whole request, or ``{"routing": {...}}`` alone.

    ``call_id`` is for a call that names none. Raises InputError.
    """
    name = shown_file(file)
    given = read_data(file)
    try:
        return request_of(given, call_id)
    except ValueError as error:
        raise InputError(Problem(name, 0, 0, Severity.ERROR, str(error))) from error


def read_data(file: str) -> Any:
    """JSON of any sort, in a file or in standard input. Raises InputError."""
    name, text = _read(file)
    try:
        given: Any = json.loads(
            text,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
            object_pairs_hook=_no_repetition,
        )
    except json.JSONDecodeError as error:
        message = f"is not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        problem = Problem(name, error.lineno, error.colno, Severity.ERROR, message)
        raise InputError(problem, source=text) from error
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(Problem(name, 0, 0, Severity.ERROR, f"is not JSON: {reason}")) from error
    return given


def request_of(given: object, call_id: str) -> RoutingRequest:
    """The call that a user wrote down, as `read_request` reads it from a file. Raises ValueError with what is wrong."""
    try:
        fields = _request_fields(given, call_id)
        routing = msgspec.convert(fields, _Routed).routing
        request = msgspec.convert({**fields, "routing": pack_routing(routing)}, RoutingRequest)
        check_routing(routing, "routing")
        if request.sip is not None:
            sip = msgspec.convert(with_sound_text(request.sip), SipRequest)
            request = msgspec.structs.replace(request, sip=sip)
    except msgspec.ValidationError as error:
        raise ValueError(str(error).replace("`$.", "`").replace(" - at", " at")) from error
    except (TypeError, MalformedMessage) as error:
        raise ValueError(str(error)) from error
    return request


def read_variables(file: str | None) -> dict[str, Any]:
    """An assignment's vars from a TOML file, checked as the catalog checks them. Raises InputError."""
    if file is None:
        return {}
    name, text = _read(file)
    try:
        source = parse_toml(text)
    except TomlSyntaxError as error:
        problem = Problem(name, error.line, error.column, Severity.ERROR, error.message)
        raise InputError(problem, source=text) from error
    variables, problems = variables_of(source, name)
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise InputError(*problems, source=text)
    return variables


def variable(text: str) -> tuple[str, str]:
    """A variable of the environment, as ``NAME=VALUE``. Raises argparse.ArgumentTypeError."""
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


def _read(file: str) -> tuple[str, str]:
    """The name that messages give the file, and its text."""
    name = shown_file(file)
    if file == STANDARD_INPUT:
        content = sys.stdin.buffer.read(DATA_BYTES + 1)
    else:
        try:
            with Path(file).open("rb") as opened:
                content = opened.read(DATA_BYTES + 1)
        except OSError as error:
            message = f"cannot be read: {error.strerror or error}"
            raise InputError(Problem(name, 0, 0, Severity.ERROR, message)) from error
    if len(content) > DATA_BYTES:
        raise InputError(Problem(name, 0, 0, Severity.ERROR, f"is longer than {DATA_BYTES:_} bytes"))
    try:
        return name, content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem(name, line, 1, Severity.ERROR, "is not UTF-8 text from here on")
        raise InputError(problem) from error


def _request_fields(given: object, call_id: str) -> dict[str, Any]:
    """The fields of a request of which a user gave some. Raises ValueError or TypeError with what is wrong."""
    if not isinstance(given, dict):
        raise TypeError('needs an object such as {"routing": {}}')
    known = REQUEST_KEYS | SHARED_KEYS
    for key in given:
        if key not in known:
            raise ValueError(f"{unknown_key(key, known)}; an assignment's vars go into a TOML file: --vars")
    fields = {"call_id": call_id, **{key: value for key, value in given.items() if key in REQUEST_KEYS}}
    if not SHARED_KEYS.isdisjoint(given):
        routing = fields.get("routing", {})
        if not isinstance(routing, dict):
            raise TypeError("routing is no object")
        fields["routing"] = _with_shared(routing, {key: given[key] for key in SHARED_KEYS & given.keys()})
    elif "routing" not in fields:
        raise ValueError('needs the key "routing": {"routing": {}} is the least')
    return fields


def _with_shared(routing: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in shared.items():
        if key in routing and routing[key] != value:
            raise ValueError(f"{key} and routing.{key} are the same list to a script, and differ here")
    return {**routing, **shared}


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} has no meaning in JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:40]} is past the largest number")
    return number


def _integer(digits: str) -> int:
    number = int(digits) if len(digits) <= INTEGER_DIGITS else None
    if number is None or not -(2**63) <= number < 2**64:
        raise ValueError(f"{digits[:40]} is past 64 bits, which no switch can send as a number")
    return number


def _no_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {repeated!r} stands twice in one object")
    return result
