"""``scriptforge check``: what is wrong with scripts, assignments and configuration, each with its place."""

import argparse
import asyncio
import contextlib
import logging
import sys
from pathlib import Path
from typing import Final

import msgspec

from sidecar.catalog.compile import Rules
from sidecar.catalog.database.gathered import Gathered
from sidecar.catalog.directory.loader import ASSIGNMENTS, DirectoryLoader
from sidecar.catalog.directory.script_files import SCRIPT_SUFFIXES, TEST_SUFFIXES, UnusableFileError, read_text_file
from sidecar.catalog.directory.scripts import SCRIPTS
from sidecar.catalog.directory.sibling_files import files_beside
from sidecar.cli.kind_option import kind_of
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.host_sections import SharedSection
from sidecar.configuration.source import InvalidConfigurationError, load_configuration
from sidecar.configuration.tree import Configuration
from sidecar.errors import SidecarError
from sidecar.hosts.grants import installed_modules, shipped_names
from sidecar.kind import Kind
from sidecar.language.app_files import files_from
from sidecar.language.check import Confirm, check_script, without_those_for_others
from sidecar.problem import Problem, Severity
from sidecar.report import counted, report, report_json, summary
from sidecar.runs.compilation import engine
from sidecar.shared.connection import KEEPS, Shared
from sidecar.shared.errors import SharedError
from sidecar.switches.sip_accounts import check_accounts
from sidecar.switches.this_machine import unusable
from sidecar.text import escaped

CLEAN: Final = 0
PROBLEMS_FOUND: Final = 4
"""As for a script that fails when it is run."""
USAGE: Final = 2


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``check`` command."""
    parser = subparsers.add_parser(
        "check",
        help="check scripts, assignments and the configuration without running anything",
        description="Exit status: 0 nothing wrong (warnings count as nothing), 2 wrong usage, 4 problems.",
    )
    parser.add_argument(
        "paths",
        type=Path,
        nargs="*",
        metavar="PATH",
        help="script files, directories of scripts, or catalog directories, which have an assignments.toml; default:"
        " the configured catalog",
    )
    parser.add_argument(
        "--kind",
        choices=[kind.value for kind in Kind],
        help="what the script files named are (default: an App if it uses what only an App may, else a Script)",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.add_argument("--json", action="store_true", help="print one JSON object with the list of problems")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Checks, prints, and gives the exit status."""
    missing = [path for path in arguments.paths if not path.exists()]
    if missing:
        for path in missing:
            print(f"scriptforge check: there is no {escaped(str(path))}", file=sys.stderr)
        return USAGE
    configurations = [path for path in arguments.paths if path.suffix == ".toml" and path.is_file()]
    if configurations:
        for path in configurations:
            print(
                f"scriptforge check: {escaped(str(path))} is no script: name a configuration with --config,"
                " assignments by the directory that they are in",
                file=sys.stderr,
            )
        return USAGE
    problems: list[Problem] = []
    sources: dict[str, str] = {}
    configuration = default = Configuration()
    try:
        loaded = load_configuration(arguments.config)
        configuration = loaded.configuration
        problems += unusable(loaded)
    except InvalidConfigurationError as error:
        problems += error.problems
    scripts = 0
    if arguments.paths or configuration is not default:  # a wrong configuration may name the wrong directory
        with engine(configuration, _not_compiled) as confirm:
            url = configuration.catalog.url
            if url is not None and not arguments.paths and not any(one.severity is Severity.ERROR for one in problems):
                scripts += _check_database(url, configuration, confirm, problems, sources)
            for path in arguments.paths or ([configuration.catalog.directory] if url is None else []):
                scripts += _check(path, arguments.kind, configuration, confirm, problems, sources)
    accounts = configuration.sip.accounts
    if accounts is not None and (arguments.config is not None or not arguments.paths):
        problems += check_accounts(accounts)
    if configuration.shared.url is not None and (arguments.config is not None or not arguments.paths):
        problems += asyncio.run(_check_shared(configuration.shared))
    if arguments.json:
        print(report_json(problems), end="")
    else:
        print(report(problems, sources), end="")
        print(summary(problems, counted(scripts, "script")), end="")
    has_errors = any(problem.severity is Severity.ERROR for problem in problems)
    return PROBLEMS_FOUND if has_errors else CLEAN


async def _check_shared(section: SharedSection) -> list[Problem]:
    """What is to be said of the Valkey or Redis: warnings, since calls are decided without it."""
    assert section.url is not None  # noqa: S101 - asked for by who calls this
    # What has happened to the connection is told here, and by no line of a log.
    logging.getLogger("sidecar.shared").addHandler(logging.NullHandler())
    place = f"shared.url {section.url}"
    try:
        shared = Shared(section.url, section.prefix)
        try:
            policy = await shared.eviction()
        finally:
            await shared.close()
    except SharedError as error:
        return [Problem(place, 0, 0, Severity.WARNING, f"cannot be asked now: {error}")]
    if not policy:
        return []
    why = f"throws away what scripts keep once its memory is full: set maxmemory-policy to {KEEPS}, it is {policy}"
    return [Problem(place, 0, 0, Severity.WARNING, why)]


def _not_compiled(why: str) -> None:
    print(f"scriptforge check: the engine could not be asked about the scripts: {escaped(why)}", file=sys.stderr)


def _check(
    path: Path,
    given_kind: str | None,
    configuration: Configuration,
    confirm: Confirm,
    problems: list[Problem],
    sources: dict[str, str],
) -> int:
    """Adds what is wrong with a script, a directory of scripts or a catalog; the number of scripts looked at."""
    files = _plain_scripts(path)
    if files:
        found: list[Problem] = []
        imported: set[str] = set()
        for file in files:
            imported |= _check_file(file, given_kind, configuration, confirm, found, sources, path)
        problems += without_those_for_others(found, imported)
        return len(files)
    if path.is_dir() or path == configuration.catalog.directory:
        catalog = msgspec.structs.replace(configuration.catalog, directory=path)
        loaded = DirectoryLoader(
            catalog,
            configuration.decisions,
            modules=shipped_names(configuration),
            installed=installed_modules(configuration),
            engine=lambda: contextlib.nullcontext(confirm),
        ).load()
        problems += loaded.problems
        sources.update(loaded.sources)
        return sum(file.endswith(SCRIPT_SUFFIXES) for file in loaded.sources)
    _check_file(path, given_kind, configuration, confirm, problems, sources, path.parent)
    return 1


def _check_file(
    path: Path,
    given_kind: str | None,
    configuration: Configuration,
    confirm: Confirm,
    problems: list[Problem],
    sources: dict[str, str],
    folder: Path,
) -> set[str]:
    """Adds what is wrong with a script of a folder; the files that it imports."""
    try:
        text = read_text_file(path, Path("/"), configuration.catalog.script_bytes)
    except UnusableFileError as error:
        problems.append(error.problem)
        return set()
    sources[str(path)] = text
    kind = kind_of(given_kind, text, str(path), "check", tells_of_scripts=True)
    app, siblings = files_beside(path, configuration.catalog.script_bytes, folder)
    problems += check_script(text, kind, str(path), confirm=confirm, modules=shipped_names(configuration), app=app)
    problems += siblings.problems
    imported = siblings.shown()
    sources |= imported
    return imported.keys() - {str(path)}


def _check_database(
    url: DatabaseUrl,
    configuration: Configuration,
    confirm: Confirm,
    problems: list[Problem],
    sources: dict[str, str],
) -> int:
    """Adds what is wrong with a catalog in a database; the number of scripts looked at."""
    from sidecar.catalog.database.loading import read_pieces  # noqa: PLC0415 - other commands do without SQL

    modules = shipped_names(configuration)
    rules = Rules(configuration.decisions, modules, installed=installed_modules(configuration))
    gathered = Gathered(rules)
    try:
        pieces = asyncio.run(read_pieces(url))
    except SidecarError as error:
        problems.append(Problem(str(url), 0, 0, Severity.ERROR, str(error).removeprefix(f"{url}: ")))
        return 0
    scripts = [row for piece in pieces for row in piece.scripts]
    for piece in pieces:
        gathered.add(piece)
    apps: dict[tuple[str, str], _Texts] = {}
    names: dict[tuple[str, str, str], str] = {}
    for row in scripts:
        apps.setdefault((row.tenant, row.app), _Texts())[row.path] = row.text
        names[row.tenant, row.app, row.path] = str(row.place)
    wrong: list[Problem] = []
    for row in scripts:
        name = str(row.place)
        sources[name] = row.text
        app = files_from(row.path, apps[row.tenant, row.app], row.app)
        known = rules.known_to(row.modules, gathered.grants_of(row.tenant), row.app)
        found = check_script(row.text, Kind(row.kind), name, confirm=confirm, modules=known, app=app)
        # The files that it imports are scripts themselves, and have their turn.
        wrong += (one for one in found if one.file == name)
    imported = {names[*key, path] for key, texts in apps.items() for path in texts.read}
    problems += without_those_for_others(wrong, imported)
    gathered.compile()
    problems += gathered.problems()
    return len(scripts)


class _Texts(dict[str, str]):
    """The files of an app, which knows those that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.read: set[str] = set()

    def __getitem__(self, path: str) -> str:
        self.read.add(path)
        return super().__getitem__(path)


def _plain_scripts(path: Path) -> list[Path]:
    """The scripts below a directory that is no catalog, hidden ones and tests aside; empty for a catalog or a file."""
    if not path.is_dir() or (path / ASSIGNMENTS).exists() or (path / SCRIPTS).is_dir():
        return []
    return sorted(
        file
        for file in path.rglob("*")
        if file.name.endswith(SCRIPT_SUFFIXES)
        and not file.name.endswith((".d.ts", *TEST_SUFFIXES))
        and file.is_file()
        and not any(part.startswith(".") or part == "node_modules" for part in file.relative_to(path).parts)
    )
