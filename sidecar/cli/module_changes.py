"""What another set of npm modules means for the scripts of the catalog: shown and tested before it is installed."""

import asyncio
import contextlib
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from sandbox.installation import require_engine
from sidecar.catalog.compile import Rules
from sidecar.catalog.database.gathered import Gathered
from sidecar.catalog.directory.document import Document
from sidecar.catalog.directory.last_good import LastGood
from sidecar.catalog.directory.loader import ASSIGNMENTS, ASSIGNMENTS_BYTES, DirectoryLoader
from sidecar.catalog.directory.script_files import TEST_SUFFIXES, UnusableFileError, read_file
from sidecar.catalog.directory.scripts import SCRIPTS
from sidecar.catalog.model import Snapshot
from sidecar.catalog.module_grants import InstalledModules
from sidecar.catalog.module_uses import ModuleUse, changed_uses
from sidecar.cli.remote.shown import table
from sidecar.cli.terminal import Painter
from sidecar.cli.testing import shown_results
from sidecar.cli.testing.found_files import TestFile, find_tests
from sidecar.cli.testing.results import FileResult, all_passed
from sidecar.cli.testing.run_files import run_files
from sidecar.configuration.tree import Configuration
from sidecar.errors import SidecarError
from sidecar.hosts.grants import host_names, read_packages
from sidecar.text import escaped

TEST_SECONDS: Final = 5.0
"""For one test, as of `scriptforge test`."""
FORCE: Final = "--force does it all the same"


class ChangeRefused(SidecarError):
    """Scripts would not go on as they do, or nobody can say whether they would. Nothing is changed."""


@dataclass(frozen=True, slots=True)
class _Catalog:
    """The scripts that this machine's processes run."""

    snapshot: Snapshot
    files: Mapping[str, str] | None
    """The file of each script that has an entry, by id, below ``scripts``; None for a catalog in a database, which has
    no tests."""


def require_tested(
    directory: Path,
    change: Callable[[Path], object],
    configuration: Configuration,
    tests: Sequence[Path],
    *,
    forced: bool = False,
) -> None:
    """Show which scripts of the catalog have another text of a module once ``change`` was made in a folder of modules,
    and run their tests with what there is then, which ``change`` makes in a copy first.

    ``tests`` are files and folders of tests besides those of a catalog in a directory. Raises ChangeRefused where one
    fails, where there are none, where a script would be left without a module, and where the catalog cannot be read.
    ``forced``: show them alone.
    """
    now = read_packages(directory).installed()
    if not now:
        return
    with _copy(directory) as copy:
        change(copy)
        then = read_packages(copy).installed()
        if all(then.get(name) == versions for name, versions in now.items()):
            return
        everybodys = configuration.modules.granted
        installed = InstalledModules(now, everybodys)
        catalog = _read_catalog(configuration, installed)
        uses = changed_uses(catalog.snapshot, installed, InstalledModules(then, everybodys)) if catalog else []
        if catalog is None or not uses:
            return
        _show(uses)
        if forced:
            return
        without = sorted({one.module for one in uses if not one.then})
        if without:
            raise ChangeRefused(f"scripts would be left without {', '.join(without)}: nothing is changed; {FORCE}")
        files = [*_tests_beside(configuration.catalog.directory, catalog, uses), *_named(tests)]
        if not files:
            where = "a catalog in a database has none" if catalog.files is None else "none stand beside them"
            raise ChangeRefused(
                f"there are no tests of these scripts, {where}: --tests PATH names some; nothing is changed; {FORCE}"
            )
        section = msgspec.structs.replace(configuration.modules, directory=copy)
        if not all_passed(_run(files, msgspec.structs.replace(configuration, modules=section))):
            raise ChangeRefused(f"tests fail with what would be installed: nothing is changed; {FORCE}")


@contextlib.contextmanager
def _copy(directory: Path) -> Iterator[Path]:
    try:
        with tempfile.TemporaryDirectory(prefix="scriptforge-modules-") as name:
            copy = Path(name) / "modules"
            shutil.copytree(directory, copy)
            yield copy
    except (OSError, shutil.Error) as error:
        raise ChangeRefused(f"{directory}: cannot be copied for tests: {error}; nothing is changed") from None


def _read_catalog(configuration: Configuration, installed: InstalledModules) -> _Catalog | None:
    """None where there is none on this machine, which is said."""
    section = configuration.catalog
    rules = Rules(configuration.decisions, host_names(), installed=installed)
    if section.url is not None:
        from sidecar.catalog.database.loading import read_pieces  # noqa: PLC0415 - others do without SQL

        gathered = Gathered(rules)
        try:
            pieces = asyncio.run(read_pieces(section.url))
        except SidecarError as error:
            raise ChangeRefused(f"who uses it cannot be said: {error}; nothing is changed; {FORCE}") from None
        for piece in pieces:
            gathered.add(piece)
        return _Catalog(gathered.compile().partial, None)
    directory = section.directory
    try:
        is_there = (directory / ASSIGNMENTS).exists() or (directory / SCRIPTS).is_dir()
    except OSError as error:
        raise ChangeRefused(
            f"who uses it cannot be said: {directory}: {error.strerror}; nothing is changed; {FORCE}"
        ) from None
    if not is_there:
        print(f"{escaped(str(directory))}: there is no catalog, whose scripts would be looked at", file=sys.stderr)
        return None
    # One of whose files some are broken has the others.
    loader = DirectoryLoader(
        section, rules.defaults, modules=rules.modules, installed=installed, last_good=LastGood(None, directory)
    )
    loaded = loader.load()
    if loaded.snapshot is None:
        problem = loaded.problems[0] if loaded.problems else directory
        raise ChangeRefused(f"who uses it cannot be said: {problem}; nothing is changed; {FORCE}")
    return _Catalog(loaded.snapshot, _files(directory))


def _files(directory: Path) -> dict[str, str]:
    file = directory / ASSIGNMENTS
    try:
        document = Document(str(file), read_file(file, directory, ASSIGNMENTS_BYTES))
    except (UnusableFileError, SidecarError):
        return {}  # it has changed since it was loaded
    return {one.table.id or PurePosixPath(one.table.file).stem: one.table.file for one in document.scripts}


def _show(uses: Sequence[ModuleUse]) -> None:
    rows = [
        (one.tenant, one.app, one.name, one.module, one.version, _then(one))
        for one in uses
    ]  # fmt: skip
    print(table(("tenant", "app", "script", "module", "now", "then"), rows), end="", flush=True)


def _then(use: ModuleUse) -> str:
    if not use.then:
        return "none"
    return use.then if use.then != use.version else f"{use.then}, made anew"


def _tests_beside(directory: Path, catalog: _Catalog, uses: Sequence[ModuleUse]) -> list[TestFile]:
    """The tests of these scripts' apps: those in the folder of ``scripts`` that each is in, and below."""
    if catalog.files is None:
        return []
    scripts = directory / SCRIPTS
    found: set[Path] = set()
    for file in {PurePosixPath(catalog.files.get(one.script, one.script)) for one in uses}:
        nested = len(file.parts) > 1
        folder = scripts / file.parts[0] if nested else scripts
        for ending in TEST_SUFFIXES:
            found.update(folder.rglob(f"*{ending}") if nested else folder.glob(f"*{ending}"))
    return find_tests(sorted(found), directory) if found else []


def _named(tests: Sequence[Path]) -> list[TestFile]:
    return find_tests(tests, Path.cwd()) if tests else []


def _run(files: Sequence[TestFile], configuration: Configuration) -> list[FileResult]:
    require_engine()
    # That a test which does not end costs its worker is told with the test.
    logging.getLogger("sandbox").addHandler(logging.NullHandler())
    paint = Painter.of(sys.stdout)

    def show(result: FileResult) -> None:
        print(shown_results.file_text(result, paint), flush=True)

    results = run_files(files, configuration, show, limit_seconds=TEST_SECONDS)
    print(shown_results.summary_text(results, paint), end="", flush=True)
    return results
