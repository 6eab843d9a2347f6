"""Values from text files against their declared types, with complaints that an operator can act on."""

import difflib
import ipaddress
import math
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

import msgspec

from sidecar.configuration.addresses import (
    parse_optional_host,
    parse_optional_web_url,
    parse_port_range,
    parse_sip_listen,
)
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.shared_url import SharedUrl
from sidecar.sip_answer import parse_action
from sipio.host_port import HostPort, InvalidHostPort

_PLAIN_WORDS: Mapping[str, str] = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}


@dataclass(frozen=True, slots=True)
class Form:
    """Annotates a text type with what the text must be: ``parse`` raises ValueError where it is not."""

    parse: Callable[[str], object]


def convert_value(value: object, declared: Any) -> Any:
    """The value as its declared type. Raises ValueError with what was expected.

    Empty text is None where the type allows None, since TOML cannot say nothing.
    """
    if value == "" and type(None) in get_args(_plain(declared)):
        return None
    for url in (DatabaseUrl, SharedUrl):
        if isinstance(value, str) and url in (declared, *get_args(declared)):
            return url.parse(value)  # whose complaints have no password in them
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value}")
    try:
        converted = msgspec.convert(value, declared, dec_hook=_decode_text)
    except msgspec.ValidationError as error:
        raise ValueError(_in_plain_words(str(error), value, declared)) from error
    for text, form in _forms(converted, declared):
        form.parse(text)
    return converted


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The complaint about a key that is not declared, with the nearest one that is."""
    candidates = list(known)
    nearest = difflib.get_close_matches(key, candidates, n=1, cutoff=0.6)
    if not nearest:
        name = key.rpartition(".")[2]
        by_name = {candidate.rpartition(".")[2]: candidate for candidate in candidates}
        nearest = [by_name[match] for match in difflib.get_close_matches(name, by_name, n=1, cutoff=0.75)]
    return f"unknown key {key!r}" + (f"; did you mean {nearest[0]!r}?" if nearest else "")


def parse_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """An address with its prefix length, such as 10.0.0.0/8. Raises ValueError."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"expected a network, such as 10.0.0.0/8: {error}") from error


def parse_octal_mode(text: str) -> int:
    """File permissions, such as 0660. Raises ValueError."""
    if re.fullmatch(r"0?[0-7]{3}", text) is None:
        raise ValueError(f"expected octal permissions, such as 0660, got {text!r}")
    return int(text, 8)


def parse_uuid(text: str) -> uuid.UUID:
    """A UUID in its usual form. Raises ValueError."""
    try:
        return uuid.UUID(text)
    except ValueError:
        example = "11111111-2222-3333-4444-555555555555"
        raise ValueError(f"expected a UUID, such as {example}, got {text!r}") from None


Network = Annotated[str, Form(parse_network)]
OctalMode = Annotated[str, Form(parse_octal_mode)]
UuidText = Annotated[str, Form(parse_uuid)]
ActionText = Annotated[str, Form(parse_action)]
SipListenText = Annotated[str, Form(parse_sip_listen)]
HostText = Annotated[str, Form(parse_optional_host)]
WebUrl = Annotated[str, Form(parse_optional_web_url)]
PortRange = Annotated[str, Form(parse_port_range)]


def _plain(declared: Any) -> Any:
    return get_args(declared)[0] if get_origin(declared) is Annotated else declared


def is_text(declared: Any) -> bool:
    """Whether a value of this type is written as it stands: text, a path, an address, one of some words."""
    plain = _plain(declared)
    if isinstance(plain, UnionType):
        return all(member is type(None) or is_text(member) for member in get_args(plain))
    texts = (str, Path, HostPort, DatabaseUrl, SharedUrl)
    return plain in texts or all(isinstance(word, str) for word in get_args(plain) or (0,))


def _forms(value: object, declared: Any) -> Iterator[tuple[str, Form]]:
    if get_origin(declared) is Annotated:
        for note in get_args(declared)[1:]:
            if isinstance(note, Form) and isinstance(value, str):
                yield value, note
    elif isinstance(value, tuple):
        for element in value:
            yield from _forms(element, get_args(declared)[0])
    elif value is not None:
        for member in get_args(declared):  # of a union with None
            yield from _forms(value, member)


def _decode_text(declared: type, value: object) -> object:
    if declared not in (Path, HostPort, DatabaseUrl, SharedUrl) or not isinstance(value, str):
        raise ValueError(f"Expected `str`, got `{type(value).__name__}`")
    if declared is HostPort:
        try:
            return HostPort.parse(value)
        except InvalidHostPort as error:
            raise ValueError(str(error)) from error
    if "\x00" in value:
        raise ValueError("a path has no NUL")
    return Path(value)


def _words(declared: Any) -> Iterator[str]:
    if isinstance(declared, type) and issubclass(declared, StrEnum):
        yield from declared
    elif isinstance(declared, str):  # of a Literal
        yield declared
    for member in get_args(declared):
        yield from _words(member)


def _in_plain_words(message: str, value: object, declared: Any) -> str:
    message, _, place = message.partition(" - at ")
    message = message[:1].lower() + message[1:]
    if message.startswith("invalid enum value"):
        message = message.replace("invalid enum value", "unknown word") + f"; expected {', '.join(_words(declared))}"
    message = re.sub(r"`(\w+)(?: \| null)?`", lambda match: _PLAIN_WORDS.get(match[1], match[1]), message)
    if ", got " not in message and not place and repr(value) not in message:
        message += f", got {value!r}"
    index = re.fullmatch(r"`\$\[(\d+)\]`", place)
    return f"{message} (element {int(index[1]) + 1})" if index else message
