"""Text of a script made such that whoever gets it can write, send and print it: JavaScript's text may hold half of a
surrogate pair, of a name cut in the middle of an emoji or written on purpose, and UTF-8 cannot. Nothing leaves this
package with one."""

import re
from typing import Final

_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""Every escape of a JSON text in turn; the group is half of a surrogate pair."""


def sound(text: str) -> str:
    """The text with each half of a surrogate pair as the escape that its author wrote, ``\\ud800``."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def without_halves(text: bytes) -> bytes:
    """JSON in which each half of a surrogate pair has become a question mark.

    JavaScript writes such halves as escapes that a decoder refuses: a script's result or its whole console would be
    lost for one character.
    """
    return _ESCAPE.sub(lambda escape: b"?" if escape[1] else escape[0], text)
