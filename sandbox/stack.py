"""Stacks of the engine's, which has no file names, read back to places in the author's file."""

import json
import re
from typing import Final

from sandbox import runtime
from sandbox.outcome import Location, Threw
from sandbox.sound_text import sound

_FRAME: Final = re.compile(r"^\s*at (?:(.*?) )?\(?<input>:(\d{1,9}):(\d{1,9})\)?$")


_CLASS_CALLED: Final = "class constructors must be invoked with 'new'"
_BUILTIN: Final = re.compile(r"\s*at (\S{1,100}) \(native\)")


def author_frames(stack: str) -> list[tuple[str, Location]]:
    """Function and place of each of the author's frames, innermost first."""
    frames = []
    for line in stack.splitlines():
        match = _FRAME.match(line)
        if match is not None and int(match[2]) > runtime.AUTHOR_LINE_OFFSET:
            place = Location(int(match[2]) - runtime.AUTHOR_LINE_OFFSET, int(match[3]))
            frames.append((match[1] or "<anonymous>", place))
    return frames


def author_location(stack: str) -> Location | None:
    """The innermost place in the author's file."""
    frames = author_frames(stack)
    return frames[0][1] if frames else None


def innermost(stack: str) -> tuple[str, Location | None]:
    """The author's function that a stack was taken in, and the place; empty and None where none is the author's."""
    frames = author_frames(stack)
    return frames[0] if frames else ("", None)


def threw(program_name: str, description: bytes) -> Threw:
    """Read what runtime/failure.js wrote of an error. A script may have tampered with it, so every part is checked."""
    try:
        read = json.loads(description)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        read = {}
    stack = sound(str(read.get("stack", "")))
    message = sound(str(read.get("message", "")))
    frames = author_frames(stack)
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
        stack=tuple(f"{function} ({program_name}:{place.line}:{place.column})" for function, place in frames),
        builtin=builtin[1] if builtin else "",
    )
