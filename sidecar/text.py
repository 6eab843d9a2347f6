"""A stranger's text made fit to be sent on, written or shown."""

import re
import unicodedata
from typing import Any, Final

import msgspec

from sipio.sound_text import with_sound_text

PRINTABLE_CHARACTERS: Final = 200
"""What is sent as a SIP reason phrase, or said in an error, is cut to this: nobody reads further."""


def printable(text: str) -> str:
    """The first 200 characters of a text on one line, with blanks for those that do not print.

    As a reason phrase it ends no status line early (RFC 3261 25.1).
    """
    return "".join(character if character.isprintable() else " " for character in text[:PRINTABLE_CHARACTERS]).strip()


def escaped(text: str) -> str:
    """The whole text for a terminal, with escapes in place of control and format characters; the tab stays."""
    return "".join(
        character
        if character == "\t" or not unicodedata.category(character).startswith(("C", "Zl", "Zp"))
        else character.encode("unicode_escape").decode()
        for character in text
    )


def escaped_lines(text: str) -> str:
    """As `escaped`, for a text of several lines: its line feeds stay."""
    return "\n".join(escaped(line) for line in text.split("\n"))


def safe_json(value: Any) -> bytes:
    """A value as one line of JSON with its line feed, and nothing in it that a terminal or a line reader would act on.

    Whatever text is in it, it is written: half of a surrogate pair as its escape.
    """
    try:
        line = _encoder.encode(value)
    except UnicodeEncodeError:
        line = _encoder.encode(with_sound_text(value))
    if not line.isascii() or b"\x7f" in line:
        line = _UNSAFE.sub(_json_escape, line.decode()).encode()
    return line + b"\n"


_encoder: Final = msgspec.json.Encoder(enc_hook=str)
_UNSAFE: Final = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
"""Besides C0, which JSON escapes itself: DEL, the C1 controls (U+009B begins a terminal escape), line and paragraph
separators, zero-width and bidirectional controls that reorder what a reader sees."""


def _json_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"
