"""Problems as an author reads them: place, message, the source line and a caret; or as JSON."""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from sidecar.problem import Problem, Severity
from sidecar.text import escaped, safe_json

LINE_WINDOW: Final = 100
"""Characters of a source line that are shown around the column; minified scripts are one line."""


def report(problems: Iterable[Problem], sources: Mapping[str, str]) -> str:
    """``file:line:column: error: message`` and, where the source is at hand, the line with a caret below.

    ``sources`` is text by ``Problem.file``. What a terminal would obey rather than show is escaped.
    """
    parts = []
    for problem in problems:
        parts.append(escaped(str(problem)) + "\n")
        source = sources.get(problem.file)
        if source is not None and problem.line > 0:
            parts.append(_excerpt(source, problem.line, problem.column))
    return "".join(parts)


def report_json(problems: Iterable[Problem]) -> str:
    """One JSON object with the list ``problems``, each with file, line, column, severity and message."""
    return safe_json({"problems": list(problems)}).decode()


def summary(problems: Iterable[Problem], what: str) -> str:
    """Such as ``3 scripts: 1 error, 2 warnings``."""
    severities = [problem.severity for problem in problems]
    errors, warnings = severities.count(Severity.ERROR), severities.count(Severity.WARNING)
    if not severities:
        return f"{what}: no problems\n"
    return f"{what}: {counted(errors, 'error')}, {counted(warnings, 'warning')}\n"


def counted(number: int, noun: str) -> str:
    """``1 script``, ``2 scripts``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _excerpt(source: str, line: int, column: int) -> str:
    lines = source.split("\n")
    if line > len(lines):
        return ""
    text = lines[line - 1].rstrip("\r")
    if not text.strip():
        return ""
    start = max(0, column - 1 - LINE_WINDOW // 2) if len(text) > LINE_WINDOW else 0
    shown = text[start : start + LINE_WINDOW]
    before = escaped(shown[: column - 1 - start])
    pad = "".join(
        "\t" if character == "\t" else "  " if unicodedata.east_asian_width(character) in "WF" else " "
        for character in before
        if not unicodedata.combining(character)
    )
    return f"    {escaped(shown)}\n    {pad}^\n"
