"""Stacks of the engine's read back to places in the author's files: our own JavaScript has none in them."""

import json
import re
from collections.abc import Collection
from typing import Final

from sandbox.outcome import Location, Threw
from sandbox.sound_text import sound

_PLACE: Final = re.compile(r"(.+):(\d{1,9}):(\d{1,9})\)?")
_AT: Final = "at "
_CLASS_CALLED: Final = "class constructors must be invoked with 'new'"
_BUILTIN: Final = re.compile(r"\s*at (\S{1,100}) \(native\)")


def shown_name(name: str, files: Collection[str] = ()) -> str:
    """A program's name as a stack has it, which is of lines; never that of one of its other files."""
    shown = name if name.isprintable() else "".join(one if one.isprintable() else "?" for one in name)
    while shown in files:
        shown += "*"
    return shown


def is_stack(value: object) -> bool:
    """Whether something that a script asked with is a stack, which says from where it asked."""
    return isinstance(value, str) and value.startswith(f"    {_AT}")


def author_frames(stack: str, name: str, files: Collection[str] = ()) -> list[tuple[str, Location]]:
    """Function and place of each of the author's frames, innermost first.

    ``name`` is the program's own file, whose places are told without it, and ``files`` are the others.
    """
    known = {shown_name(name, files): "", **{file: file for file in files}}
    frames = []
    for line in stack.splitlines():
        frame = line.strip()
        match = _PLACE.fullmatch(frame.removeprefix(_AT)) if frame.startswith(_AT) else None
        if match is None:
            continue
        found = _function_and_file(match[1], known)
        if found is not None and int(match[2]) > 0:
            function, file = found
            frames.append((function or "<anonymous>", Location(int(match[2]), int(match[3]), file)))
    return frames


def _function_and_file(text: str, known: dict[str, str]) -> tuple[str, str] | None:
    """``function (file`` or ``file`` taken apart: both may have blanks and brackets in them."""
    if text in known:
        return "", known[text]
    for name, file in known.items():
        if text.endswith(f" ({name}"):
            return text[: -len(name) - 2], file
    return None


def author_location(stack: str, name: str, files: Collection[str] = ()) -> Location | None:
    """The innermost place in the author's files."""
    frames = author_frames(stack, name, files)
    return frames[0][1] if frames else None


def innermost(stack: str, name: str, files: Collection[str] = ()) -> tuple[str, Location | None]:
    """The author's function that a stack was taken in, and the place; empty and None where none is the author's."""
    frames = author_frames(stack, name, files)
    return frames[0] if frames else ("", None)


def threw(program_name: str, description: bytes, files: Collection[str] = ()) -> Threw:
    """Read what runtime/failure.js wrote of an error. A script may have tampered with it, so every part is checked."""
    try:
        read = json.loads(description)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        read = {}
    stack = sound(str(read.get("stack", "")))
    message = sound(str(read.get("message", "")))
    frames = author_frames(stack, program_name, files)
    if message == _CLASS_CALLED and len(frames) > 1:
        # The engine has a frame of the class first, which has not run: it is the caller's mistake.
        del frames[0]
    builtin = _BUILTIN.match(stack)
    return Threw(
        program=program_name,
        name=sound(str(read.get("name", "Error"))),
        message=message,
        location=frames[0][1] if frames else None,
        caller=frames[1][1] if len(frames) > 1 else None,
        stack=tuple(f"{function} ({place.said_of(program_name)})" for function, place in frames),
        builtin=builtin[1] if builtin else "",
    )
