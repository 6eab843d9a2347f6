"""A script looked through and made ready to run, asked for and answered in one piece; see `examine`."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from sandbox.program import Form
from sidecar.kind import Kind
from sidecar.language.app_files import files_from
from sidecar.language.check import Confirm, check_script
from sidecar.language.prepared import Prepared, prepare
from sidecar.problem import Problem, Severity


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked."""

    text: str
    kind: Kind
    path: str
    """Of the script among the files of its app."""
    modules: tuple[str, ...]
    """Names of the host's that it may import."""
    app: str = ""
    """Whose other files it may import; empty for a script without one."""
    files: Mapping[str, str] = {}
    """Their texts, by path."""

    @property
    def characters(self) -> int:
        """Of all texts together."""
        return len(self.text) + sum(map(len, self.files.values()))


class Examined(NamedTuple):
    """What was found."""

    problems: tuple[Problem, ...]
    prepared: Prepared | None
    """None where one of the problems is an error."""


def examine(asked: Examination) -> Examined:
    """Check a script and prepare it. For a megabyte that takes seconds, in which the interpreter is held for tens of
    milliseconds at a time: the parser and the regular expressions read a text in one call."""
    app = files_from(asked.path, asked.files, asked.app)
    problems = check_script(asked.text, asked.kind, asked.path, modules=asked.modules, app=app)
    if any(problem.severity is Severity.ERROR for problem in problems):
        return Examined(problems, None)
    return Examined(problems, prepare(asked.text, asked.kind, app, asked.modules))


def confirmed(asked: Examination, found: Examined, confirm: Confirm) -> Examined:
    """With what the engine finds wrong with a script that seems right; data is not asked about."""
    prepared = found.prepared
    if prepared is None or prepared.form is Form.DATA:
        return found
    faults = [(path or asked.path, fault) for path, fault in confirm(prepared, asked.kind)]
    if not faults:
        return found
    wrong = (Problem(path, line, column, Severity.ERROR, message) for path, (line, column, message) in faults)
    problems = sorted(
        {*wrong, *found.problems}, key=lambda one: (one.file != asked.path, one.file, one.line, one.column)
    )
    return Examined(tuple(problems), None)
