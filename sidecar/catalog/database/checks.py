"""Texts looked through before they are saved: beside the event loop, and before any transaction begins."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
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
from sidecar.catalog.database.module_grants import get_grants
from sidecar.catalog.database.work import Scope
from sidecar.catalog.module_grants import NO_GRANTS, ModuleGrants
from sidecar.kind import Kind
from sidecar.language.check import Confirm
from sidecar.language.examination import Examination, Examined, confirmed, examine
from sidecar.language.examiner import Examiner
from sidecar.language.prepared import Prepared
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
    grants: ModuleGrants = NO_GRANTS
    """npm modules that the tenant is granted."""


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
    importing_texts = [(one, importing[one.id]) for one in importers]
    grants = (await get_grants(scope)).grants
    return _Surroundings(app, frozenset(changed), others, files, importing_texts, grants)


class Checks:
    """What is asked of every text."""

    def __init__(
        self,
        rules: Rules,
        script_bytes: int,
        engine: Callable[[], AbstractContextManager[Confirm | None]] = nullcontext,
        examiner: Examiner | None = None,
    ) -> None:
        """``engine`` gives what asks the engine itself about a text; by default nobody is asked. ``examiner`` is closed
        by whoever made it; without one there is no process beside this one, and long texts are looked through in a
        thread too."""
        self.rules = rules
        self._script_bytes = script_bytes
        self._engine = engine
        self._examiner = examiner

    async def check(self, text: str, kind: Kind, name: str, modules: Collection[str] | None = None) -> CheckedText:
        """A text that imports nothing, ready to be saved. Raises ScriptRefused with every problem, each with line and
        column."""
        asked = self._asked(TextToSave(name, self._readable(text, name), kind, modules=_tuple(modules)), name)
        (made,) = await self._examined([asked])
        return _right(made)

    def check_now(self, text: str, kind: Kind, name: str, modules: Collection[str] | None = None) -> CheckedText:
        """The same, for as long as it takes."""
        asked = self._asked(TextToSave(name, self._readable(text, name), kind, modules=_tuple(modules)), name)
        (made,) = self._confirmed([(asked, examine(asked))])
        return _right(made)

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
        found, kept = await self._check_files(wanted, surroundings)
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
        found, _ = await self._check_files(wanted, surroundings)
        return found

    async def _check_files(
        self, texts: Sequence[TextToSave], surroundings: _Surroundings
    ) -> tuple[list[CheckedText], list[Importer]]:
        found = await self._examined([self._asked(one, one.path, surroundings) for one in texts])
        # What is wrong with a file itself is not told of each that imports it.
        _require_right(found)
        importers = await self._examined(
            [
                self._asked(TextToSave(one.path, text, Kind(one.kind), modules=one.modules), one.path, surroundings)
                for one, text in surroundings.importers
            ]
        )
        _require_right(importers)
        kept = [
            Importer(one, made.text, made.prepared)
            for (one, _), made in zip(surroundings.importers, map(_right, importers), strict=True)
        ]
        return list(map(_right, found)), kept

    def _asked(self, one: TextToSave, path: str, surroundings: _Surroundings | None = None) -> Examination:
        return Examination(
            text=one.text,
            kind=one.kind,
            path=path,
            modules=tuple(
                self.rules.known_to(one.modules, surroundings.grants, surroundings.app)
                if surroundings is not None
                else self.rules.known_to(one.modules)
            ),
            app=surroundings.app if surroundings is not None else "",
            files=surroundings.files if surroundings is not None else {},
        )

    async def _examined(self, asked: Sequence[Examination]) -> "list[_Made]":
        if self._examiner is None:
            return await asyncio.to_thread(lambda: self._confirmed([(one, examine(one)) for one in asked]))
        found = [(one, await self._examiner.examine(one)) for one in asked]
        return await asyncio.to_thread(self._confirmed, found) if found else []

    def _confirmed(self, found: Sequence[tuple[Examination, Examined]]) -> "list[_Made]":
        """With what the engine itself says of those that seem right."""
        with self._engine() as confirm:
            return [(asked, one if confirm is None else confirmed(asked, one, confirm)) for asked, one in found]

    def _readable(self, text: str, name: str) -> str:
        try:
            length = len(text.encode())
        except UnicodeEncodeError:
            raise ScriptRefused([_whole(name, "is no Unicode text: half of a surrogate pair is in it")]) from None
        if length > self._script_bytes:
            raise ScriptRefused([_whole(name, f"is longer than {self._script_bytes:_} bytes")])
        return text.removeprefix("\ufeff").replace("\r\n", "\n")


_Made = tuple[Examination, Examined]


def _right(made: _Made) -> CheckedText:
    asked, (problems, prepared) = made
    if prepared is None:
        raise ScriptRefused(problems)
    return CheckedText(asked.text, asked.kind, prepared, problems)


def _require_right(made: Sequence[_Made]) -> None:
    refused = (one.problems for _, one in made if one.prepared is None)
    if problems := list(dict.fromkeys(problem for found in refused for problem in found)):
        raise ScriptRefused(problems)


def _tuple(modules: Collection[str] | None) -> tuple[str, ...] | None:
    return None if modules is None else tuple(modules)


def _whole(name: str, message: str) -> Problem:
    return Problem(name, 0, 0, Severity.ERROR, message)
