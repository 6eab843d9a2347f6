"""One thing wrong in a file, with where it is."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An error stops the file from being used; a warning is only shown."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where. ``line`` and ``column`` count from 1; a column is a character, not a byte.

    ``line`` 0 means the file as a whole: one that cannot be read has no lines.
    """

    file: str
    line: int
    column: int
    severity: Severity
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.severity}: {self.message}"
