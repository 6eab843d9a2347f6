"""A file of tests as the sandbox runs it."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from sandbox.program import Program
from sidecar.catalog.compile import make_script
from sidecar.catalog.directory.sibling_files import files_beside
from sidecar.catalog.model import Script
from sidecar.cli.testing.faked_modules import own_grants, source
from sidecar.cli.testing.found_files import FILE_BYTES, TestFile
from sidecar.cli.testing.results import Shortcoming
from sidecar.configuration.tree import Configuration
from sidecar.hosts.desk_variables import DESK_APP
from sidecar.hosts.grants import CALL_MODULE
from sidecar.hosts.request import SOCKET_MODULE
from sidecar.hosts.services import Services
from sidecar.kind import MAIN, Kind
from sidecar.language.file_graph import file_graph
from sidecar.language.prepared import prepared
from sidecar.language.syntax_tree import CheckTimeoutError

READ_SECONDS: Final = 10.0
MEMORY_BYTES: Final = 100_000_000


@dataclass(frozen=True, slots=True)
class TestProgram:
    """A file of tests."""

    program: Program
    script: Script
    """As who its modules are asked by."""


def program_of(file: TestFile, text: str, configuration: Configuration) -> TestProgram | Sequence[Shortcoming]:
    """The program of a file and what it imports, or what is wrong with them.

    It has no entry: its tests are begun by suite.js once it has been evaluated.
    """
    app, siblings = files_beside(file.path, FILE_BYTES)
    grants = own_grants(Services(configuration, at_desk=True))
    own = grants.names() - {CALL_MODULE, SOCKET_MODULE}
    try:
        graph = file_graph(text, Kind.APP, app, own, time.monotonic() + READ_SECONDS)
    except CheckTimeoutError:
        return [Shortcoming(message=f"is too complex: reading it took longer than {READ_SECONDS:g} s")]
    wrong = [
        Shortcoming(
            message=message.removesuffix(": available: "),
            file="" if one is graph.entry else file.shows(file.path.parent / one.path),
            line=line,
            column=column,
        )
        for one in graph.files.values()
        for line, column, message in one.faults
    ]
    wrong += [Shortcoming(message=one.message, file=one.file) for one in siblings.problems]
    if wrong:
        return wrong
    made = prepared(graph, Kind.APP)
    runs = msgspec.json.encode([made.text, {path: one.text for path, one in made.files.items()}])
    script = make_script(id=file.path.stem, name=file.path.name, kind=Kind.APP, text=text, prepared=made, app=DESK_APP)
    packages = grants.packages(script)
    program = Program(
        key=f"{file.path}@{hashlib.sha256(runs).hexdigest()}",
        name=file.path.name,
        suspends=True,
        text=made.text,
        form=made.form,
        links=made.links,
        exports=made.exports,
        files=made.files,
        entries=(MAIN,),
        adapter=adapter(),
        memory_bytes=MEMORY_BYTES,
        modules={name: module.javascript for name, module in grants.granted(script).items()},
        packages=packages.packages,
        begun_packages=packages.begun,
        package_globals=packages.globals,
        shared_memory=False,
    )
    return TestProgram(program, script)


def adapter() -> str:
    """What a test finds around itself, for the sandbox to evaluate."""
    return "\n".join(("(granted) => {", '"use strict";', *map(source, ("expect", "fakes", "suite")), "}"))
