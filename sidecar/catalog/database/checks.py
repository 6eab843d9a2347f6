"""Texts looked through before they are saved: in a thread, and before any transaction begins."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from sidecar.catalog.compile import Rules
from sidecar.catalog.database.app_files import (
    Beside,
    FileOfApp,
    Importer,
    alone,
    list_files,
    may_import,
    path_of,
    read_beside,
    read_importers,
    read_texts,
    touched,
)
from sidecar.catalog.database.errors import AlreadyThere, ScriptRefused
from sidecar.catalog.database.work import Scope
from sidecar.kind import Kind
from sidecar.language.app_files import files_from
from sidecar.language.check import Confirm, check_script
from sidecar.language.prepared import Prepared, prepare
from sidecar.problem import Problem, Severity


@dataclass(frozen=True, slots=True)
class CheckedText:
    """A text that may be saved."""

    text: str
    kind: Kind
    prepared: Prepared
    warnings: tuple[Problem, ...] = ()
    beside: Beside | None = None
    """What of its app was looked at with it; None for a text that was looked at alone."""


class TextToSave(NamedTuple):
    """A text that is to be the file of an app."""

    file: str
    """Its path among the files of the app."""
    text: str
    kind: Kind
    id: str | None = None
    """Of the script; None for a new one whose id is not known yet."""
    modules: tuple[str, ...] | None = None

    @property
    def path(self) -> str:
        """What others import it by."""
        return path_of("", self.file)


_SOME_APP: Final = "app"
"""Of texts that are an app's, whatever that will be called."""


class _Surroundings(NamedTuple):
    """What is there beside texts that are to be saved."""

    app: str
    changed: frozenset[str]
    """Paths of files that are saved or go."""
    others: Mapping[str, FileOfApp]
    """The files that stay and can be imported."""
    files: Mapping[str, str]
    """The texts of those that may be, and of those that are saved, by path."""
    importers: Sequence[tuple[FileOfApp, str]]
    """Scripts whose programs have a file that is saved, with their texts."""


async def _surroundings(scope: Scope, app: str, texts: Sequence[TextToSave], gone: Collection[str]) -> _Surroundings:
    there = await list_files(scope, app, [one.path for one in texts], gone)
    changed = {path for path, found in there.items() if any(one.id in gone for one in found)}
    changed |= {one.path for one in texts}
    ids = await read_importers(scope, app, touched(there, changed))
    if ids or any(may_import(one.text) for one in texts):
        there = await list_files(scope, app)
    rest = {path: stay for path, found in there.items() if (stay := [one for one in found if one.id not in gone])}
    paths = Counter(one.path for one in texts)
    for path, count in paths.items():
        if app and (count > 1 or path in rest):
            raise AlreadyThere(f"app {app!r} has a file {path!r} already")
    importers = [one for found in rest.values() for one in found if one.id in ids]
    importing = await read_texts(scope, [one.id for one in importers])
    others = {path: one for path, one in alone(rest).items() if path not in paths}
    files = await read_beside(scope, others, [*(one.text for one in texts), *importing.values()])
    files |= {one.path: one.text for one in texts if paths[one.path] == 1 and one.path not in rest}
    return _Surroundings(app, frozenset(changed), others, files, [(one, importing[one.id]) for one in importers])


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
        """A text that imports nothing, ready to be saved. Raises ScriptRefused with every problem, each with line and
        column."""
        return await asyncio.to_thread(self.check_now, text, kind, name, modules)

    def check_now(self, text: str, kind: Kind, name: str, modules: Collection[str] | None = None) -> CheckedText:
        """The same, for as long as it takes."""
        text = self._readable(text, name)
        with self._engine() as confirm:
            return self._checked(text, kind, name, modules, {}, "", confirm)

    async def check_files(
        self,
        reading: AbstractAsyncContextManager[Scope],
        app: str,
        texts: Sequence[TextToSave],
        removed: Collection[str] = (),
        together: Collection[str] = (),
    ) -> list[CheckedText]:
        """Looks through texts that are to be files of one app, each in the place of the script with its id, with the
        other files that they import and the scripts that import them. They are saved in one change, or none is.

        ``reading`` is left before anything is looked through. ``removed``: ids of scripts that go; ``together``: of all
        that the change is of, where there are more. Raises ScriptRefused with the problems of all of them, those of a
        script that would not go on with them too; AlreadyThere where two have the same path.
        """
        gone = {one.id for one in texts if one.id is not None} | set(removed)
        wanted = [one._replace(text=self._readable(one.text, one.file)) for one in texts]
        async with reading as scope:
            surroundings = await _surroundings(scope, app, wanted, gone)
        found, kept = await asyncio.to_thread(self._check_files, wanted, surroundings)
        programs = [*(one.prepared for one in found), *(one.prepared for one in kept)]
        others = surroundings.others
        beside = Beside(
            app=app,
            saved=surroundings.changed,
            together=frozenset(gone | set(together)),
            read={path: others[path].hash for program in programs for path in program.files if path in others},
            importers=tuple(kept),
        )
        return [replace(one, beside=beside) for one in found]

    async def check_together(self, texts: Sequence[TextToSave]) -> list[CheckedText]:
        """Looks through texts that are to be files of one app which has no others. Raises ScriptRefused,
        AlreadyThere."""
        wanted = [one._replace(text=self._readable(one.text, one.file)) for one in texts]
        paths = {one.path: one.text for one in wanted}
        if len(paths) < len(wanted):
            raise AlreadyThere("two files have the same path")
        surroundings = _Surroundings(_SOME_APP, frozenset(paths), {}, paths, ())
        found, _ = await asyncio.to_thread(self._check_files, wanted, surroundings)
        return found

    def _check_files(
        self,
        texts: Sequence[TextToSave],
        surroundings: "_Surroundings",
    ) -> tuple[list[CheckedText], list[Importer]]:
        problems: list[Problem] = []
        with self._engine() as confirm:

            def checked(text: str, kind: Kind, path: str, modules: Collection[str] | None) -> Iterator[CheckedText]:
                try:
                    yield self._checked(text, kind, path, modules, surroundings.files, surroundings.app, confirm)
                except ScriptRefused as refused:
                    problems.extend(one for one in refused.problems if one not in problems)

            found = [made for one in texts for made in checked(one.text, one.kind, one.path, one.modules)]
            if not problems:
                # What is wrong with a file itself is not told of each that imports it.
                kept = [
                    Importer(one, made.text, made.prepared)
                    for one, text in surroundings.importers
                    for made in checked(text, Kind(one.kind), one.path, one.modules)
                ]
        if problems:
            raise ScriptRefused(problems)
        return found, kept

    def _readable(self, text: str, name: str) -> str:
        try:
            length = len(text.encode())
        except UnicodeEncodeError:
            raise ScriptRefused([_whole(name, "is no Unicode text: half of a surrogate pair is in it")]) from None
        if length > self._script_bytes:
            raise ScriptRefused([_whole(name, f"is longer than {self._script_bytes:_} bytes")])
        return text.removeprefix("\ufeff").replace("\r\n", "\n")

    def _checked(
        self,
        text: str,
        kind: Kind,
        path: str,
        modules: Collection[str] | None,
        files: Mapping[str, str],
        app_id: str,
        confirm: Confirm | None,
    ) -> CheckedText:
        files_of_app = files_from(path, files, app_id)
        known = self.rules.known_to(modules)
        problems = check_script(text, kind, path, confirm=confirm, modules=known, app=files_of_app)
        if any(problem.severity is Severity.ERROR for problem in problems):
            raise ScriptRefused(problems)
        return CheckedText(text, kind, prepare(text, kind, files_of_app, known), problems)


def _whole(name: str, message: str) -> Problem:
    return Problem(name, 0, 0, Severity.ERROR, message)
