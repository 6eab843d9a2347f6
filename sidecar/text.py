"""A stranger's text made fit to be sent on or shown."""

import unicodedata
from typing import Final

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
