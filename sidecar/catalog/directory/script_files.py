"""Reading script files: no larger than allowed, nowhere but below their directory, and text."""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Final

from sidecar.language.app_files import JAVASCRIPT, TYPESCRIPT
from sidecar.problem import Problem, Severity

SCRIPT_SUFFIXES: Final = (*JAVASCRIPT, TYPESCRIPT)
"""Of files that are scripts, or parts of some."""
TEST_SUFFIXES: Final = (".test.js", ".test.mjs", ".test.ts")
"""Of files that stand beside scripts and are none: tests, which ``scriptforge test`` runs."""


def is_script_name(name: str) -> bool:
    """Whether a file of this name is a script by itself: hidden files belong to editors, and tests are none unless an
    entry names them."""
    return name.endswith(SCRIPT_SUFFIXES) and not name.startswith(".") and not name.endswith((".d.ts", *TEST_SUFFIXES))


class UnusableFileError(Exception):
    """A file that cannot be read as a script."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def read_text_file(file: Path, within: Path, limit: int) -> str:
    """The text of a UTF-8 file of at most ``limit`` bytes that really lies below ``within``.

    Raises UnusableFileError with the problem.
    """
    return text_of(file, read_file(file, within, limit))


def read_file(file: Path, within: Path, limit: int) -> bytes:
    """What is in a file of at most ``limit`` bytes that really lies below ``within``. Raises UnusableFileError."""
    with _opened(file, within, limit) as opened:
        content = opened.read(limit + 1)
    if len(content) > limit:
        raise _too_long(file, limit)
    return content


def file_digest(file: Path, within: Path, limit: int) -> bytes:
    """The SHA-256 of what `read_file` would give, piece by piece. Other threads need not wait for it, as they would
    for so large a piece of memory to be freed again or compared. Raises UnusableFileError."""
    with _opened(file, within, limit) as opened:
        return hashlib.file_digest(opened, "sha256").digest()


@contextmanager
def _opened(file: Path, within: Path, limit: int) -> Iterator[BufferedReader]:
    try:
        real = file.resolve(strict=True)
        if not real.is_relative_to(within.resolve(strict=True)):
            raise _unusable(file, f"leads out of {within}: a link may only point below it")
        # A named pipe would hold the reader until someone writes to it.
        descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _unusable(file, "is not a regular file")
            if status.st_size > limit:
                raise _too_long(file, limit)
            yield opened
    except OSError as error:
        raise _unusable(file, f"cannot be read: {error.strerror or error}") from error
    except RuntimeError as error:  # a loop of links, before Python 3.13
        raise _unusable(file, "cannot be read: its links lead in a circle") from error


def _unusable(file: Path, message: str) -> UnusableFileError:
    return UnusableFileError(Problem(str(file), 0, 0, Severity.ERROR, message))


def _too_long(file: Path, limit: int) -> UnusableFileError:
    return _unusable(file, f"is longer than {limit:_} bytes")


def text_of(file: Path, content: bytes) -> str:
    """A file's text. Raises UnusableFileError where it is not UTF-8."""
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        message = "is not UTF-8 text from here on"
        raise UnusableFileError(Problem(str(file), line, column, Severity.ERROR, message)) from error
