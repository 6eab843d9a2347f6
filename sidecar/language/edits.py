"""Parts of a text replaced where they stand: what is around them keeps its line and its column."""

import re
from typing import Final, NamedTuple

_NOT_A_LINE_END: Final = re.compile("[^\r\n\u2028\u2029]")


class Edit(NamedTuple):
    """Bytes of a text in UTF-8 to be replaced, by as many characters."""

    begin: int
    end: int
    text: bytes


def blank(source: bytes, begin: int, end: int, first: bytes = b"", last: bytes = b"") -> Edit:
    """Blanks in place of what is there, and its line ends; ``first`` and ``last`` are put in place of as many of them
    at the begin and at the end."""
    blanks = _NOT_A_LINE_END.sub(" ", source[begin:end].decode("utf-8", "replace")).encode()
    return Edit(begin, end, first + blanks[len(first) : len(blanks) - len(last)] + last)


def edited(source: bytes, edits: list[Edit]) -> str:
    """The text after the edits, which do not overlap, but that one may be within another, which is the one made."""
    parts: list[bytes] = []
    position = 0
    for edit in sorted(edits, key=lambda one: (one.begin, -one.end)):
        if edit.begin >= position:
            parts += [source[position : edit.begin], edit.text]
            position = edit.end
    parts.append(source[position:])
    return b"".join(parts).decode("utf-8", "replace")
