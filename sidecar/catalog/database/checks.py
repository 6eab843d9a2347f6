"""Texts looked through before they are saved: in a thread, and before any transaction begins."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from sidecar.catalog.compile import Rules
from sidecar.catalog.database.errors import ScriptRefused
from sidecar.catalog.database.prepared import prepare_file
from sidecar.kind import Kind
from sidecar.language.check import Confirm, check_script
from sidecar.language.prepared import Prepared
from sidecar.problem import Problem, Severity


@dataclass(frozen=True, slots=True)
class CheckedText:
    """A text that may be saved."""

    text: str
    kind: Kind
    prepared: Prepared
    warnings: tuple[Problem, ...] = ()


class Checks:
    """What is asked of every text."""

    def __init__(
        self,
        rules: Rules,
        script_bytes: int,
        engine: Callable[[], AbstractContextManager[Confirm | None]] = nullcontext,
    ) -> None:
        """``engine`` gives what asks the engine itself about a text; by default nobody is asked."""
        self.rules = rules
        self._script_bytes = script_bytes
        self._engine = engine

    async def check(self, text: str, kind: Kind, name: str, modules: Collection[str] | None = None) -> CheckedText:
        """The text, ready to be saved. Raises ScriptRefused with every problem, each with line and column."""
        return await asyncio.to_thread(self.check_now, text, kind, name, modules)

    def check_now(self, text: str, kind: Kind, name: str, modules: Collection[str] | None = None) -> CheckedText:
        """The same, for as long as it takes."""
        try:
            length = len(text.encode())
        except UnicodeEncodeError:
            raise ScriptRefused([_whole(name, "is no Unicode text: half of a surrogate pair is in it")]) from None
        if length > self._script_bytes:
            raise ScriptRefused([_whole(name, f"is longer than {self._script_bytes:_} bytes")])
        text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        with self._engine() as confirm:
            problems = check_script(text, kind, name, confirm=confirm, modules=self.rules.known_to(modules))
        if any(problem.severity is Severity.ERROR for problem in problems):
            raise ScriptRefused(problems)
        return CheckedText(text, kind, prepare_file(name, text, kind), problems)


def _whole(name: str, message: str) -> Problem:
    return Problem(name, 0, 0, Severity.ERROR, message)
