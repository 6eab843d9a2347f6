"""What the engine itself finds wrong with a script that the check takes for right, such as a name declared twice."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from sandbox.compiler import Compiler
from sandbox.errors import SandboxError
from sandbox.outcome import Threw
from sandbox.parent import Parent
from sidecar.configuration.tree import Configuration
from sidecar.kind import RULES, Kind
from sidecar.language.check import Confirm
from sidecar.language.prepared import Prepared
from sidecar.language.syntax import Fault
from sidecar.runs.pool_settings import decision_pool

_NAME: Final = "script.js"


@contextmanager
def engine(
    configuration: Configuration, unavailable: Callable[[str], None], parent: Parent | None = None
) -> Iterator[Confirm]:
    """Has a confined worker of its own compile each script that it is given, for as long as the context lasts.

    ``unavailable`` is told once why there is no such worker; then scripts are taken for right. For a thread that has no
    event loop running: any, where there is a ``parent`` to fork it, else the main one.
    """
    is_there = True
    with Compiler(decision_pool(configuration).worker, parent) as compiler:

        def confirm(prepared: Prepared, kind: Kind) -> list[tuple[str, Fault]]:
            nonlocal is_there
            if not is_there:
                return []
            try:
                error = compiler.compile(
                    prepared.text,
                    _NAME,
                    suspends=RULES[kind].waits,
                    form=prepared.form,
                    links=prepared.links,
                    exports=prepared.exports,
                    files=prepared.files,
                    # None is asked for anything.
                    modules=dict.fromkeys(prepared.modules, "() => ({})") if RULES[kind].waits else {},
                )
            except (SandboxError, OSError) as refused:
                is_there = False
                unavailable(str(refused))
                return []
            return [] if error is None else [_fault(error)]

        yield confirm


def _fault(error: Threw) -> tuple[str, Fault]:
    message, place = f"{error.name}: {error.message}", error.location
    if place is None:
        return "", (0, 0, message)
    return place.file, (place.line, place.column, message)
