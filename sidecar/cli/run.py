"""``scriptforge run``: one script on one call, here and now, decided exactly as the daemon would."""

import argparse
import asyncio
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from sidecar.catalog.compile import make_script
from sidecar.catalog.directory.loader import DirectoryLoader
from sidecar.catalog.directory.script_files import UnusableFileError, read_text_file
from sidecar.catalog.directory.scripts import SCRIPTS
from sidecar.catalog.directory.sibling_files import files_beside
from sidecar.catalog.model import Assignment, Script, Snapshot
from sidecar.cli.call_data import InputError, read_request, read_variables, shown_file, variable
from sidecar.cli.decision_text import (
    EXIT_STATUS,
    EXIT_STATUS_TEXT,
    console_text,
    decision_json,
    decision_text,
    exit_status,
    failure_text,
    time_text,
)
from sidecar.cli.expectations import unmet
from sidecar.cli.instant import instant
from sidecar.cli.kind_option import kind_of
from sidecar.cli.repeat import record, repeat
from sidecar.cli.run_function import run_function, wrong_usage
from sidecar.cli.terminal import Paint, Painter
from sidecar.cli.whole_number import whole_number
from sidecar.configuration.source import load_configuration
from sidecar.configuration.tree import Configuration
from sidecar.decisions.deciding import Decided
from sidecar.decisions.decisions import Decisions
from sidecar.hosts.desk_variables import DESK_APP
from sidecar.hosts.grants import shipped_grants, shipped_names
from sidecar.hosts.services import Services
from sidecar.kind import RULES, Kind
from sidecar.language.assumed_kind import drives_calls
from sidecar.language.check import check_script
from sidecar.language.prepared import prepare
from sidecar.problem import Severity
from sidecar.report import report
from sidecar.runs.clock import since_1970
from sidecar.runs.compilation import engine
from sidecar.runs.kept_runs import RunnerAt
from sidecar.runs.outcomes import OutcomeName
from sidecar.runs.pool_settings import decision_pool, one_worker
from sidecar.runs.runner import PoolName, Runner, ScriptRunner
from sidecar.sip_answer import parse_action
from sidecar.text import escaped
from sipio.errors import MalformedMessage
from sipio.number import did_of
from sipio.routing import Direction, RoutingRequest
from sipio.rpc.numbers import read_numbers

CALL_ID: Final = "scriptforge-run"
LONGEST_MILLISECONDS: Final = 3_600_000
UNUSABLE: Final = 2
UNEXPECTED: Final = 10
"""Something that was expected is not in the result."""

_NOT_WITH_REPEAT: Final = (
    "data",
    "vars",
    "env",
    "kind",
    "catalog",
    "customer",
    "route",
    "did",
    "now",
    "timeout_ms",
    "record",
    "expect",
)

Sources = Mapping[str, tuple[str, str]]
"""By the script's name: the file as the user knows it, and its text."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``run`` command."""
    parser = subparsers.add_parser(
        "run",
        help="run one script on one call from a file, or a catalog's scripts; no daemon is needed",
        description="Runs a script in a confined worker process and prints what it decides and changes, what it wrote"
        " to the console, and the time by stage. With --catalog it runs what the catalog has for the call, as the"
        f" daemon would. {EXIT_STATUS_TEXT}",
    )
    parser.add_argument(
        "script", type=Path, nargs="?", metavar="SCRIPT.JS", help="unless --catalog or --repeat is given"
    )
    parser.add_argument(
        "--data",
        metavar="FILE",
        help='the call as JSON: {"routing": {...}}, or all that a switch sends; - for standard input',
    )
    parser.add_argument(
        "--function",
        metavar="NAME",
        help="run this function by its name and without a call, as over HTTP: of an App, a Driver, or main of a Worker;"
        " --data is then its first argument, JSON of any sort, by default none",
    )
    parser.add_argument("--vars", metavar="FILE", help="the assignment's vars as TOML")
    parser.add_argument(
        "--env",
        action="append",
        type=variable,
        metavar="NAME=VALUE",
        help="a variable that the script finds in process.env; any number of them",
    )
    parser.add_argument(
        "--kind",
        choices=[kind.value for kind in Kind],
        help="what the script is (default: an App if it uses what only an App may, else a Script)",
    )
    parser.add_argument("--catalog", type=Path, metavar="DIR", help="run what is assigned there, instead of one script")
    parser.add_argument("--customer", help="with --catalog: whose call it is")
    parser.add_argument("--route", help="with --catalog: which of the customer's routes")
    parser.add_argument("--did", help="with --catalog: the number called; the call's direction is then origination")
    parser.add_argument(
        "--now",
        type=instant,
        metavar="TIME",
        help="the time at which each script begins, as 2026-10-25T09:00+01:00 or '2026-10-25 09:00 Europe/Berlin'",
    )
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="write the decision to a file, with all that --repeat needs"
    )
    parser.add_argument(
        "--repeat",
        type=Path,
        metavar="FILE",
        help="run the decision or call in a file of --record, or of kept.directory, again exactly as it was: with the"
        " time, the random numbers and the answers of then; exit status 0 where it comes out the same, 10 where not."
        " With a script, that takes the place of the call's own, and the exit status is the decision's",
    )
    parser.add_argument(
        "--timeout-ms",
        type=whole_number("milliseconds", LONGEST_MILLISECONDS),
        metavar="N",
        help="default: the configuration's, 2000",
    )
    parser.add_argument(
        "--expect",
        action="append",
        default=[],
        metavar="TEXT",
        help="must stand in what is printed of the decision and the console, each after the one before; exit status 10"
        " where one does not",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run, runs_scripts=True)


class _Unusable(Exception):
    """Something is wrong that has been told; the command ends with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def run(arguments: argparse.Namespace) -> int:
    """Runs it, prints, and gives the exit status."""
    wrong = _wrong_usage(arguments)
    if wrong:
        print(f"scriptforge run: {wrong}", file=sys.stderr)
        return UNUSABLE
    configuration = load_configuration(arguments.config).configuration
    try:
        script: Path | None = arguments.script
        text = "" if script is None else read_text_file(script, Path("/"), configuration.catalog.script_bytes)
        if arguments.function is not None:
            return run_function(arguments, text, configuration)
        if arguments.repeat is not None:
            return repeat(arguments, text, configuration)
        request = _request(arguments)
        if script is None:
            snapshot, sources = _catalog(arguments.catalog, configuration)
        else:
            snapshot, sources = _one_script(arguments, text, request, configuration)
        decided = asyncio.run(decide(request, snapshot, configuration, arguments.now))
    except _Unusable as error:
        return error.status
    except UnusableFileError as error:
        print(report([error.problem], {}), end="", file=sys.stderr)
        return UNUSABLE
    except InputError as error:
        print(report(error.problems, dict.fromkeys([error.problems[0].file], error.source)), end="", file=sys.stderr)
        return UNUSABLE
    except MalformedMessage as error:
        print(escaped(f"{shown_file(arguments.data)}: error: {error}"), file=sys.stderr)
        return UNUSABLE
    if arguments.record is not None:
        record(arguments.record, decided)
    printed = _printed(decided, sources)
    if arguments.json:
        print(decision_json(decided.decision, decided.failure, decided.console), end="")
    else:
        print(_text(decided, sources, Painter.of(sys.stdout)), end="")
    missing = unmet(arguments.expect, printed, seen="found", all_lines="what came of it")
    if missing:
        print(missing, end="", file=sys.stderr)
        return UNEXPECTED
    return 0 if arguments.expect else exit_status(decided.decision)


def _wrong_usage(arguments: argparse.Namespace) -> str:
    """What of the options contradicts another; empty where nothing does."""
    if arguments.function is not None:
        return wrong_usage(arguments)
    if arguments.kind is not None and not RULES[Kind(arguments.kind)].has_assignments:
        return f"no call runs {RULES[Kind(arguments.kind)].called}: name one of its functions with --function"
    if arguments.repeat is not None:
        given = [name for name in _NOT_WITH_REPEAT if getattr(arguments, name)]
        return f"--{given[0].replace('_', '-')} is what it was with --repeat" if given else ""
    if arguments.data is None:
        return "needs a call: --data"
    of_catalog = [name for name in ("customer", "route", "did") if getattr(arguments, name) is not None]
    of_script = [name for name in ("vars", "env", "kind", "timeout_ms") if getattr(arguments, name) is not None]
    if arguments.catalog is None:
        if arguments.script is None:
            return "needs a script, or --catalog"
        if of_catalog:
            return f"--{of_catalog[0]} says which script of a catalog is run: name one with --catalog"
    elif arguments.script is not None:
        return "runs one script, or with --catalog what is assigned there, and not both"
    elif of_script:
        return f"--{of_script[0].replace('_', '-')} is the assignment's own with --catalog"
    return ""


def _request(arguments: argparse.Namespace) -> RoutingRequest:
    """The call, its numbers read as those of a switch are. Raises InputError."""
    request = read_request(arguments.data, CALL_ID)
    given = {name: getattr(arguments, name) for name in ("customer", "route", "did")}
    given = {name: value for name, value in given.items() if value is not None}
    if "did" in given:
        given["direction"] = Direction.ORIGINATION
    return read_numbers(msgspec.structs.replace(request, **given))[0]


def _one_script(
    arguments: argparse.Namespace, text: str, request: RoutingRequest, configuration: Configuration
) -> tuple[Snapshot, Sources]:
    """The script, assigned to this very call. Raises InputError and _Unusable."""
    variables = read_variables(arguments.vars)
    shown_name = str(arguments.script)
    kind = kind_of(arguments.kind, text, shown_name, "run")
    if kind is Kind.APP and drives_calls(text, file=shown_name):
        there_is = "`main` takes a call to drive, and is given none here: try it with `scriptforge call`"
        print(f"scriptforge run: {escaped(shown_name)}: {there_is}", file=sys.stderr)
    app, siblings = files_beside(arguments.script, configuration.catalog.script_bytes)
    problems = (
        *check_script(text, kind, shown_name, modules=shipped_names(configuration), app=app),
        *siblings.problems,
    )
    print(report(problems, {shown_name: text, **siblings.shown()}), end="", file=sys.stderr)
    if any(problem.severity is Severity.ERROR for problem in problems):
        # The daemon would not load it: it has no say in any call.
        raise _Unusable(EXIT_STATUS[OutcomeName.SCRIPT_ERROR])
    prepared = prepare(text, kind, app, shipped_names(configuration))
    script = make_script(
        id=arguments.script.stem,
        name=arguments.script.name,
        kind=kind,
        text=text,
        prepared=prepared,
        app=DESK_APP,
        environment=dict(arguments.env or ()),
    )
    assignment = assign(script, variables, arguments.timeout_ms, configuration)
    termination = request.direction is Direction.TERMINATION
    snapshot = Snapshot(
        scripts={script.id: script},
        routes={(request.customer, request.route): assignment} if termination else {},
        dids={} if termination else {did_of(request.did): assignment},
    )
    beside = {path: (app.shown(path), siblings[path]) for path in prepared.files}
    return snapshot, {**beside, script.name: (shown_name, text)}


def _catalog(directory: Path, configuration: Configuration) -> tuple[Snapshot, Sources]:
    """What is in the directory. Raises _Unusable."""
    catalog = msgspec.structs.replace(configuration.catalog, directory=directory)
    loaded = DirectoryLoader(
        catalog,
        configuration.decisions,
        modules=shipped_names(configuration),
        engine=lambda: engine(configuration, _not_compiled),
    ).load()
    print(report(loaded.problems, loaded.sources), end="", file=sys.stderr)
    if loaded.snapshot is None:
        raise _Unusable(UNUSABLE)
    files = {Path(file).name: (file, text) for file, text in loaded.sources.items()}
    scripts = catalog.directory / SCRIPTS
    beside = {
        str(Path(file).relative_to(scripts)): (file, text)
        for file, text in loaded.sources.items()
        if Path(file).is_relative_to(scripts)
    }
    return loaded.snapshot, beside | {
        script.name: files.get(script.name, (script.name, script.text)) for script in loaded.snapshot.scripts.values()
    }


def _not_compiled(why: str) -> None:
    print(f"scriptforge run: the engine could not be asked about the scripts: {escaped(why)}", file=sys.stderr)


def assign(
    script: Script, variables: dict[str, Any], timeout_ms: int | None, configuration: Configuration
) -> Assignment:
    """The script with the configuration's own timeout and actions."""
    defaults = configuration.decisions
    return Assignment(
        script_id=script.id,
        timeout_ms=timeout_ms or defaults.timeout_ms,
        timeout_action=parse_action(defaults.timeout_action),
        error_action=parse_action(defaults.error_action),
        variables=variables,
    )


async def decide(
    request: RoutingRequest, snapshot: Snapshot, configuration: Configuration, now: datetime | None = None
) -> Decided:
    """Decides a call by a snapshot, in a pool of one worker that lives as long; at another time than now, if one is
    given.

    Raises MalformedMessage for a routing that no script can be given, SandboxError where no worker comes up.
    """
    runner = Runner({PoolName.DECISIONS: one_worker(decision_pool(configuration))})
    services = Services(configuration, at_desk=True)
    try:
        await runner.start(PoolName.DECISIONS)
        result: asyncio.Future[Decided] = asyncio.get_running_loop().create_future()

        def decided(what: Decided) -> None:
            if not result.done():  # interrupted: nobody waits any more
                result.set_result(what)

        pool: ScriptRunner = runner.pool(PoolName.DECISIONS)
        if now is not None:
            pool = RunnerAt(pool, since_1970(now))
        grants = shipped_grants(services)
        decisions = Decisions(pool, configuration, snapshot, decided, grants, tells_unread=True, keeps=True)
        decisions.route(request, lambda _decision: None)
        return await result
    finally:
        await runner.close()
        await services.close()


def _printed(decided: Decided, sources: Sources) -> list[str]:
    """What an expectation is looked for in: all but the time, which is another each time. Several blanks are one."""
    return [" ".join(line.split()) for line in _text(decided, sources, Painter(), timed=False).splitlines()]


def _text(decided: Decided, sources: Sources, paint: Painter, *, timed: bool = True) -> str:
    parts = []
    if decided.failure is not None:
        parts.append(failure_text(decided.failure, sources))
    parts.append(decision_text(decided.request.routing, decided.decision, paint))
    if decided.console:
        parts.append(f"{paint('console', Paint.BOLD)}\n{console_text(decided.console, paint)}")
    if timed:
        parts.append(time_text(decided.decision.micros, paint))
    return "".join(parts)
