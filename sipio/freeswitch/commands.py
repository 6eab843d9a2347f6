"""What is sent to FreeSWITCH, as bytes. Sans-IO.

Two texts that a script or a caller wrote must never become commands: an argument that FreeSWITCH expands
(``${system(...)}`` runs a program), and a value that ends a line. The first is switched off for the channel (`Channel`
sets ``app_disable_expand_variables``) and avoided for variables (``set`` expands whatever that says, ``uuid_setvar``
does not); the second is refused or escaped here.
"""

import re
from typing import Final

from sipio.errors import LocalError

CONNECT: Final = b"connect\n\n"
LINGER: Final = b"linger\n\n"
EXIT: Final = b"exit\n\n"

_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-~]{0,127}")
_UNSAFE: Final = frozenset("\r\n\0")


class UnsafeText(LocalError):
    """Text that cannot be sent without meaning something else."""


def line(text: str) -> bytes:
    """A command of one line, ``api uuid_break ...``. Raises UnsafeText."""
    if not _UNSAFE.isdisjoint(text):
        raise UnsafeText(f"a line end in a command: {text[:80]!r}")
    return f"{text}\n\n".encode()


def background(text: str, job_uuid: str) -> bytes:
    """An API command of one line that takes its time: a BACKGROUND_JOB of this id says what came of it. Raises
    UnsafeText."""
    return line(f"bgapi {text}")[:-1] + line(f"Job-UUID: {job_uuid}")


def execute(application: str, argument: str, event_uuid: str) -> bytes:
    """Have an application run on the channel; its completion carries ``event_uuid``."""
    head = f"sendmsg\ncall-command: execute\nexecute-app-name: {application}\nEvent-UUID: {event_uuid}\n"
    if "\0" in argument:
        raise UnsafeText("a NUL in an argument")
    if argument and (not _UNSAFE.isdisjoint(argument) or argument != argument.strip()):
        # A body is taken as the argument where there is no execute-app-arg, and may hold any text.
        body = argument.encode()
        return f"{head}Content-Type: text/plain\nContent-Length: {len(body)}\n\n".encode() + body
    if argument:
        head += f"execute-app-arg: {argument}\n"
    return f"{head}\n".encode()


def hangup(cause: str) -> bytes:
    """End the call with a cause by name or number."""
    return f"sendmsg\ncall-command: hangup\nhangup-cause: {cause}\n\n".encode()


def set_variable(uuid: str, name: str, value: str) -> bytes:
    """Set a channel variable to exactly this text; empty unsets it. Raises UnsafeText."""
    if _VARIABLE_NAME.fullmatch(name) is None:
        raise UnsafeText(f"{name[:80]!r} is no name of a channel variable")
    if "\0" in value:
        raise UnsafeText(f"a NUL in the channel variable {name}")
    return line(f"api uuid_setvar {uuid} {name} {escape(value)}" if value else f"api uuid_setvar {uuid} {name}")


def escape(value: str) -> str:
    r"""Text as FreeSWITCH's argument splitting gives it back unchanged.

    It takes quotes and backslashes away, reads ``\n`` and ``\s``, and trims spaces (switch_utils.c,
    cleanup_separated_string).
    """
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    stripped = escaped.strip(" ")
    if stripped == escaped:
        return escaped
    leading = len(escaped) - len(escaped.lstrip(" "))
    trailing = len(escaped) - len(escaped.rstrip(" ")) if stripped else 0
    return "\\s" * leading + stripped + "\\s" * trailing
