"""``scriptforge run``: one script on one call, here and now, decided exactly as the daemon would."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any, Final

from sidecar.catalog.compile import make_script
from sidecar.catalog.directory.script_files import UnusableFileError, read_text_file
from sidecar.catalog.model import Assignment, Script, Snapshot
from sidecar.cli.call_data import InputError, read_request, read_variables, shown_file
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
from sidecar.cli.terminal import Paint, Painter
from sidecar.configuration.source import load_configuration
from sidecar.configuration.tree import Configuration
from sidecar.decisions.deciding import Decided
from sidecar.decisions.decisions import Decisions
from sidecar.hosts.grants import shipped_grants
from sidecar.kind import Kind
from sidecar.language.check import check_script
from sidecar.report import report
from sidecar.runs.outcomes import OutcomeName
from sidecar.runs.pool_settings import decision_pool, one_worker
from sidecar.runs.runner import PoolName, Runner
from sidecar.sip_answer import parse_action
from sipio.errors import MalformedMessage
from sipio.routing import Direction, RoutingRequest

CALL_ID: Final = "scriptforge-run"
UNUSABLE: Final = 2


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``run`` command."""
    parser = subparsers.add_parser(
        "run",
        help="run one script on one call from a file; no daemon is needed",
        description="Runs a script in a confined worker process and prints what it decides and changes, what it wrote"
        f" to the console, and the time by stage. {EXIT_STATUS_TEXT}",
    )
    parser.add_argument("script", type=Path, metavar="SCRIPT.JS")
    parser.add_argument(
        "--data",
        required=True,
        metavar="FILE",
        help='the call as JSON: {"routing": {...}}, or all that a switch sends; - for standard input',
    )
    parser.add_argument("--vars", metavar="FILE", help="the assignment's vars as TOML")
    parser.add_argument("--kind", choices=[kind.value for kind in Kind], default=Kind.SCRIPT.value)
    parser.add_argument("--timeout-ms", type=milliseconds, metavar="N", help="default: the configuration's, 2000")
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def milliseconds(text: str) -> int:
    """A time limit in an option."""
    number = int(text)
    if not 1 <= number <= 3_600_000:
        raise ValueError
    return number


def run(arguments: argparse.Namespace) -> int:
    """Runs it, prints, and gives the exit status."""
    configuration = load_configuration(arguments.config).configuration
    try:
        text = read_text_file(arguments.script, Path("/"), configuration.catalog.script_bytes)
        request = read_request(arguments.data, CALL_ID)
        variables = read_variables(arguments.vars)
    except UnusableFileError as error:
        print(report([error.problem], {}), end="", file=sys.stderr)
        return UNUSABLE
    except InputError as error:
        print(report(error.problems, dict.fromkeys([error.problems[0].file], error.source)), end="", file=sys.stderr)
        return UNUSABLE
    kind = Kind(arguments.kind)
    shown_name = str(arguments.script)
    problems = check_script(text, kind, shown_name, modules=shipped_grants().names())
    if problems:
        # The daemon would not load it: it has no say in any call.
        print(report(problems, {shown_name: text}), end="", file=sys.stderr)
        return EXIT_STATUS[OutcomeName.SCRIPT_ERROR]
    script = make_script(id=arguments.script.stem, name=arguments.script.name, kind=kind, text=text)
    assignment = assign(script, variables, arguments.timeout_ms, configuration)
    try:
        decided = asyncio.run(decide(request, script, assignment, configuration))
    except MalformedMessage as error:
        print(f"{shown_file(arguments.data)}: error: {error}", file=sys.stderr)
        return UNUSABLE
    if arguments.json:
        print(decision_json(decided.decision, decided.failure, decided.console), end="")
    else:
        _print(decided, {script.name: (shown_name, text)})
    return exit_status(decided.decision)


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
    request: RoutingRequest, script: Script, assignment: Assignment, configuration: Configuration
) -> Decided:
    """Decides a call by one assignment, in a pool of one worker that lives as long.

    Raises MalformedMessage for a routing that no script can be given, SandboxError where no worker comes up.
    """
    termination = request.direction is Direction.TERMINATION
    snapshot = Snapshot(
        scripts={script.id: script},
        routes={(request.customer, request.route): assignment} if termination else {},
        dids={} if termination else {request.did: assignment},
    )
    runner = Runner({PoolName.DECISIONS: one_worker(decision_pool(configuration))})
    try:
        await runner.start(PoolName.DECISIONS)
        result: asyncio.Future[Decided] = asyncio.get_running_loop().create_future()

        def decided(what: Decided) -> None:
            if not result.done():  # interrupted: nobody waits any more
                result.set_result(what)

        pool = runner.pool(PoolName.DECISIONS)
        decisions = Decisions(pool, configuration, snapshot, decided, shipped_grants())
        decisions.route(request, lambda _decision: None)
        return await result
    finally:
        await runner.close()


def _print(decided: Decided, sources: dict[str, tuple[str, str]]) -> None:
    paint = Painter.of(sys.stdout)
    if decided.failure is not None:
        print(failure_text(decided.failure, sources), end="")
    print(decision_text(decided.request.routing, decided.decision, paint), end="")
    if decided.console:
        print(f"{paint('console', Paint.BOLD)}\n{console_text(decided.console, paint)}", end="")
    print(time_text(decided.decision.micros, paint), end="")
