"""Reading script files: no larger than allowed, nowhere but below their directory, and text."""

import os
import stat
from pathlib import Path

from sidecar.problem import Problem, Severity


class UnusableFileError(Exception):
    """A file that cannot be read as a script."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def read_text_file(file: Path, within: Path, limit: int) -> str:
    """The text of a UTF-8 file of at most ``limit`` bytes that really lies below ``within``.

    Raises UnusableFileError with the problem.
    """

    def unusable(message: str, line: int = 0, column: int = 0) -> UnusableFileError:
        return UnusableFileError(Problem(str(file), line, column, Severity.ERROR, message))

    try:
        real = file.resolve(strict=True)
        if not real.is_relative_to(within.resolve(strict=True)):
            raise unusable(f"leads out of {within}: a link may only point below it")
        # A named pipe would hold the reader until someone writes to it.
        descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise unusable("is not a regular file")
            content = opened.read(limit + 1)
    except OSError as error:
        raise unusable(f"cannot be read: {error.strerror or error}") from error
    except RuntimeError as error:  # a loop of links, before Python 3.13
        raise unusable("cannot be read: its links lead in a circle") from error
    if len(content) > limit:
        raise unusable(f"is longer than {limit:_} bytes")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        raise unusable("is not UTF-8 text from here on", line, column) from error
