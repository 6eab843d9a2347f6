"""``scriptforge run --function``: one function of a script by its name, as runs over HTTP call it."""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Any, Final

from sandbox.outcome import Completion
from sandbox.program import Invocation
from sidecar.catalog.compile import make_script
from sidecar.catalog.directory.sibling_files import files_beside
from sidecar.catalog.model import Script
from sidecar.cli.call_data import InputError, read_data
from sidecar.cli.decision_text import EXIT_STATUS
from sidecar.cli.kind_option import kind_of
from sidecar.cli.remote.run_text import run_text
from sidecar.cli.terminal import Painter
from sidecar.configuration.tree import Configuration
from sidecar.drivers.contract import check_result, place_of
from sidecar.drivers.shapes import WrongResult
from sidecar.hosts.grants import shipped_grants, shipped_names
from sidecar.hosts.request import pack_input, second_argument
from sidecar.hosts.services import Services
from sidecar.kind import Kind
from sidecar.language.check import check_script
from sidecar.language.prepared import prepare
from sidecar.problem import Problem, Severity
from sidecar.report import report
from sidecar.runs.answers import answer_of
from sidecar.runs.limits import driver_limits, request_limits
from sidecar.runs.outcomes import OutcomeName
from sidecar.runs.pool_settings import one_worker, request_pool
from sidecar.runs.programs import request_programs
from sidecar.runs.runner import PoolName, Runner
from sidecar.text import escaped, safe_json

RUN_ID: Final = "scriptforge-run"
OF_CALLS: Final = ("vars", "catalog", "customer", "route", "did", "now", "timeout_ms", "record", "repeat")
"""Options that say something of a call, which a function by its name has not."""


def run_function(arguments: argparse.Namespace, text: str, configuration: Configuration) -> int:
    """Runs it, prints, and gives the exit status. Raises InputError."""
    script = _script(arguments, text, configuration)
    if script is None:
        return EXIT_STATUS[OutcomeName.SCRIPT_ERROR]
    function: str = arguments.function
    if function not in script.entries:
        names = ", ".join(sorted(script.entries)) or "none"
        print(
            escaped(f"scriptforge run: {script.name} has no function {function!r}; there are {names}"), file=sys.stderr
        )
        return EXIT_STATUS[OutcomeName.SCRIPT_ERROR]
    given = read_data(arguments.data) if arguments.data is not None else {}  # as a run over HTTP that nothing came with
    try:
        packed = pack_input(given, context=second_argument(script.kind, RUN_ID))
    except (ValueError, RecursionError) as error:
        raise InputError(Problem(arguments.data, 0, 0, Severity.ERROR, str(error))) from None
    told = asyncio.run(_run(script, function, packed, given, configuration))
    if arguments.json:
        print(safe_json(told).decode(), end="")
    else:
        print(run_text(told, Painter.of(sys.stdout)), end="")
    return 0 if told["error"] is None else EXIT_STATUS.get(told["outcome"], EXIT_STATUS[OutcomeName.SCRIPT_ERROR])


def _script(arguments: argparse.Namespace, text: str, configuration: Configuration) -> Script | None:
    """The script; None where something is wrong with it, which has been told."""
    path: Path = arguments.script
    kind = kind_of(arguments.kind, text, str(path), "run")
    app, siblings = files_beside(path, configuration.catalog.script_bytes)
    problems = (*check_script(text, kind, str(path), modules=shipped_names(configuration), app=app), *siblings.problems)
    print(report(problems, {str(path): text, **siblings.shown()}), end="", file=sys.stderr)
    if any(problem.severity is Severity.ERROR for problem in problems):
        return None
    prepared = prepare(text, kind, app, shipped_names(configuration))
    environment = dict(arguments.env or ())
    return make_script(id=path.stem, name=path.name, kind=kind, text=text, prepared=prepared, environment=environment)


async def _run(
    script: Script, function: str, packed: bytes, given: Any, configuration: Configuration
) -> dict[str, Any]:
    """What came of it, as `POST /scripts/{script}/run/{function}` says it. Raises SandboxError."""
    runner = Runner({PoolName.REQUESTS: one_worker(request_pool(configuration))})
    services = Services(configuration, at_desk=True)
    grants = shipped_grants(services)
    limits = (
        driver_limits(configuration)
        if script.kind is Kind.DRIVER
        else request_limits(configuration.platform.run_seconds, configuration)
    )
    done: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()

    def completed(completion: Completion) -> None:
        if not done.done():  # interrupted: nobody waits any more
            done.set_result(completion)

    try:
        await runner.start(PoolName.REQUESTS)
        program = request_programs(configuration, grants).of(script)
        invocation = Invocation(
            program=program, entry=function, input=packed, limits=limits, customer=script.tenant, correlation_id=RUN_ID
        )
        begun = time.monotonic()
        host = grants.host(script, RUN_ID) if program.modules else None
        runner.pool(PoolName.REQUESTS).submit(invocation, completed, host)
        completion = await done
    finally:
        await runner.close()
        await services.close()
    answer = answer_of(completion, program, time.monotonic() - begun)
    told: dict[str, Any] = {
        "function": function,
        "outcome": answer.outcome.value,
        "result": answer.value,
        "error": answer.message if answer.failed else None,
        "name": answer.name or None,
        "location": answer.location or None,
        "stack": list(answer.stack),
        "console": [{"level": one.level, "text": one.text} for one in completion.log],
        "took_ms": answer.took_ms,
        "run_ms": answer.run_ms,
    }
    if not answer.failed:
        try:
            check_result(script, function, given, answer.value)
        except WrongResult as error:
            told |= {"outcome": "wrong_result", "error": str(error), "name": "TypeError"}
            told["location"] = place_of(script, function)
    return told


def wrong_usage(arguments: argparse.Namespace) -> str:
    """What of the options does not go with a function; empty where all of them do."""
    given = [name for name in OF_CALLS if getattr(arguments, name)]
    if given:
        return f"--{given[0].replace('_', '-')} says something of a call, and --function runs without one"
    if arguments.expect:
        return "--expect reads a decision, and --function makes none: use `scriptforge test`"
    return "" if arguments.script is not None else "--function needs a script"
