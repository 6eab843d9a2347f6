"""What a script names on its call: files and addresses to play, and parties to call."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from sidecar.file_name import file_name_of, written_as_given
from sidecar.text import printable
from sipio.call_control import Media, MediaFile, MediaUrl
from sipio.errors import MalformedMessage
from sipio.sip.uri import parse_uri

FILES: Final = 100
FILE_CHARACTERS: Final = 255
"""A file's name may have these, its folders among them: every folder of a name is looked up on the disk."""
URL_CHARACTERS: Final = 2_048
DESTINATION_CHARACTERS: Final = 256

_FILE_NAME: Final = re.compile(r"(user|ivr)/([A-Za-z0-9][A-Za-z0-9_.\-]*/)*[A-Za-z0-9][A-Za-z0-9_.\-]*")
_NAMES: Final = {"user": 1, "trunk": 2}


class ActionError(Exception):
    """The script asked for something that cannot be: its action's promise is rejected with a TypeError that says this,
    the argument by name."""


class CustomerFolders(msgspec.Struct, frozen=True, kw_only=True):
    """Where one customer's files are."""

    own: Path
    """What a script calls ``user/...`` is here."""
    house: Path
    """What a script calls ``ivr/...`` is here, the same for all customers."""
    recordings: Path
    """What a script records as ``user/...`` is put here."""


def customer_folder(directory: Path, customer: str) -> Path:
    """The folder of a customer's own below a directory: by its `file_name_of`, or by its name as it is written where
    there is a folder of that name."""
    escaped = directory / file_name_of(customer)
    plain = directory / customer if written_as_given(customer) else escaped
    return plain if plain == escaped or _is_its_own(plain) else escaped


def _is_its_own(folder: Path) -> bool:
    """Whether there is such a folder, and it is not another's under a name that its file system takes for the same."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    alike = folder.with_name(folder.name.lower().rstrip("."))
    try:
        return alike == folder or not os.path.samestat(found, alike.lstat())
    except OSError:
        return True


def media(what: str, names: Any, folders: Callable[[], CustomerFolders]) -> list[Media]:
    """A list of files and addresses. ``what`` is the argument's name for the error. Raises ActionError."""
    if not isinstance(names, list) or len(names) > FILES:
        raise ActionError(f"{what} must be a name or a list of at most {FILES}")
    return [_one_media(what, name, folders) for name in names]


def _one_media(what: str, name: Any, folders: Callable[[], CustomerFolders]) -> Media:
    if not isinstance(name, str) or not name:
        raise ActionError(f"{what} must be a name: user/NAME.wav, ivr/NAME.wav or an http address")
    if name.startswith(("http://", "https://")):
        return MediaUrl(_url(what, name))
    found = folders()
    return MediaFile(name, file(what, name, {"user": found.own, "ivr": found.house}))


def _url(what: str, address: str) -> str:
    if len(address) > URL_CHARACTERS:
        raise ActionError(f"{what} is longer than the {URL_CHARACTERS} characters of an address")
    # A line end would begin a header of its own in the request, or a command of its own to the switch.
    if not address.isprintable() or " " in address:
        raise ActionError(f"{what} has a blank or a control character in an address: {printable(address[:80])!r}")
    try:
        host = urlsplit(address).hostname
    except ValueError:
        host = None
    if not host:
        raise ActionError(f"{what} is no http address: {address[:80]!r}")
    return address


def file(what: str, name: str, folders: dict[str, Path]) -> Path:
    """Where a file is whose name begins with one of the folders. Raises ActionError."""
    match = _FILE_NAME.fullmatch(name) if len(name) <= FILE_CHARACTERS else None
    if match is None or ".." in name:
        raise ActionError(f"{what} {name[:80]!r} is no name: user/NAME.wav, ivr/NAME.wav or an http address is needed")
    folder = folders[match[1]].resolve()
    path = (folder / name.partition("/")[2]).resolve()
    # Also through a link: what a customer's folder points out of is not the customer's.
    if not path.is_relative_to(folder):
        raise ActionError(f"{what} {name[:80]!r} is not among your files")
    return path


def destination(what: str, given: Any, *, external: bool = False) -> str:
    """A party to call; ``external`` sends a bare number to the default trunk. Raises ActionError."""
    text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
    if not isinstance(text, str) or not text:
        raise ActionError(f"{what} must be text")
    if len(text) > DESTINATION_CHARACTERS:
        raise ActionError(f"{what} is longer than {DESTINATION_CHARACTERS} characters")
    if not text.isprintable() or re.search(r'[ <>"]', text):
        raise ActionError(f"{what} has a character that cannot be dialled: {printable(text[:80])!r}")
    if text.startswith(("sip:", "sips:")):
        try:
            parse_uri(text)
        except MalformedMessage as error:
            raise ActionError(f"{what} {text[:80]!r} cannot be read: {error}") from None
        return text
    kind, *names = text.split("/")
    # Of a name that is a path a switch would make a place of its own choosing.
    if names and (len(names) != _NAMES.get(kind) or any(name in ("", ".", "..") for name in names)):
        raise ActionError(f"{what} {text[:80]!r} is none of sip:USER@HOST, user/NAME, trunk/NAME/NUMBER and a number")
    return f"trunk/default/{text}" if external and not names and ":" not in text else text
