"""A file of tests as the sandbox runs it."""

import hashlib
import time
from pathlib import Path
from typing import Final

from sandbox.program import Program
from sidecar.cli.testing.faked_modules import source
from sidecar.cli.testing.results import Shortcoming
from sidecar.kind import Kind
from sidecar.language.es_module import prepare
from sidecar.language.syntax import syntax_errors
from sidecar.language.syntax_tree import CheckTimeoutError, parse_script

PARSE_SECONDS: Final = 10.0
MEMORY_BYTES: Final = 100_000_000


def faults_of(text: str) -> list[Shortcoming]:
    """What keeps a text from being read as JavaScript at all, in the words of ``scriptforge check``."""
    nul = text.find("\x00")
    if nul >= 0:  # the engine takes the text as a C string and would run what is before it
        return [Shortcoming(message="contains a NUL character", line=text.count("\n", 0, nul) + 1, column=1)]
    try:
        errors = syntax_errors(parse_script(text, time.monotonic() + PARSE_SECONDS))
    except CheckTimeoutError:
        return [Shortcoming(message=f"is too complex: reading it took longer than {PARSE_SECONDS:g} s")]
    return [Shortcoming(message=message, line=line, column=column) for line, column, message in errors]


def program_of(file: Path, text: str) -> Program:
    """The program of a file: it has no entry, and its tests are begun by suite.js once it has been evaluated."""
    return Program(
        key=f"{file}@{hashlib.sha256(text.encode()).hexdigest()}",
        name=file.name,
        suspends=True,
        text=prepare(text, Kind.APP).text,
        adapter=adapter(),
        memory_bytes=MEMORY_BYTES,
        shared_memory=False,
    )


def adapter() -> str:
    """What a test finds around itself, for the sandbox to evaluate."""
    return "\n".join(("(granted) => {", '"use strict";', *map(source, ("expect", "memory", "fakes", "suite")), "}"))
