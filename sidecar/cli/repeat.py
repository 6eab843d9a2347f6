"""``scriptforge run --record`` and ``--repeat``: what was kept in a file, run again exactly as it was."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec import structs

from sandbox.intl.known import local_zone_name
from sandbox.outcome import Cancelled, Completion
from sandbox.repetition import Divergence
from sidecar.calls import kept as kept_calls
from sidecar.calls.kept import KeptCall
from sidecar.calls.script_ending import failure_after
from sidecar.catalog.compile import make_script
from sidecar.catalog.directory.sibling_files import files_beside
from sidecar.catalog.model import Script
from sidecar.cli.call_timeline import timeline
from sidecar.cli.decision_text import (
    EXIT_STATUS,
    console_text,
    decision_json,
    decision_text,
    exit_status,
    failure_text,
)
from sidecar.cli.terminal import Paint, Painter
from sidecar.configuration.tree import Configuration
from sidecar.decisions import kept as kept_decisions
from sidecar.decisions.deciding import Decided
from sidecar.decisions.decisions import Decisions
from sidecar.decisions.keeping import kept_decision
from sidecar.decisions.kept import KeptDecision
from sidecar.errors import SidecarError
from sidecar.hosts.grants import Grants, shipped_grants, shipped_names
from sidecar.hosts.services import Services
from sidecar.language.prepared import prepare
from sidecar.runs.kept_files import FILE_BYTES, NotKeptError, packed, unpacked
from sidecar.runs.kept_runs import KeptRun, Origin, RepeatingRunner, began
from sidecar.runs.outcomes import FAILURES, OutcomeName
from sidecar.runs.pool_settings import call_pool, decision_pool, one_worker
from sidecar.runs.programs import call_programs
from sidecar.runs.runner import PoolName, Runner
from sidecar.text import escaped, safe_json
from sipio.routing import Decision

DIVERGED: Final = 10
"""Exit status of a repetition that was not the same."""


def record(file: Path, decided: Decided) -> None:
    """Keep a decision in a file. Raises SidecarError where it cannot be written."""
    try:
        file.write_bytes(packed(kept_decisions.HEAD, kept_decision(decided)))
    except OSError as error:
        raise SidecarError(f"{file}: cannot be written: {error.strerror or error}") from error


def repeat(arguments: argparse.Namespace, text: str, configuration: Configuration) -> int:
    """Run what was kept again, print what comes of it and whether it is the same, and give the exit status.

    ``text`` is of the script that takes the place of the call's own, where the arguments name one. Raises SidecarError
    for a file that has nothing that was kept, SandboxError where no worker comes up.
    """
    kept = _read(arguments.repeat)
    if isinstance(kept, KeptCall):
        return _repeat_call(arguments, kept, text, configuration)
    return _repeat_decision(arguments, kept, text, configuration)


def _read(file: Path) -> KeptDecision | KeptCall:
    try:
        with file.open("rb") as opened:
            content = opened.read(FILE_BYTES)
    except OSError as error:
        raise SidecarError(f"{file}: cannot be read: {error.strerror or error}") from error
    try:
        if content.startswith(kept_calls.HEAD):
            return unpacked(kept_calls.HEAD, content, KeptCall)
        return unpacked(kept_decisions.HEAD, content, KeptDecision)
    except NotKeptError as error:
        raise SidecarError(f"{file} {error}") from error


def _warn(origin: Origin, runs: Sequence[KeptRun]) -> None:
    """Say what there may be no sameness for."""
    if origin.zone != local_zone_name():
        print(
            f"scriptforge run: it ran where the time zone is {escaped(origin.zone)}, and here is {local_zone_name()}:"
            " what a script asks of Date without naming a zone differs",
            file=sys.stderr,
        )
    for run in runs:
        if run.recording is None:
            print(
                f"scriptforge run: {escaped(run.invocation.program.name)} was given more than is recorded: it runs by"
                " the clock and the random numbers of now, and with no answers",
                file=sys.stderr,
            )


def _grants(configuration: Configuration) -> Grants:
    return shipped_grants(Services(configuration, at_desk=True))


def _in_place_of(before: Script, file: Path, text: str, configuration: Configuration) -> Script:
    app, _ = files_beside(file, configuration.catalog.script_bytes)
    return make_script(
        id=before.id,
        name=file.name,
        kind=before.kind,
        text=text,
        prepared=prepare(text, before.kind, app, shipped_names(configuration)),
        app=before.app,
        uuid=before.uuid,
        environment=before.environment,
        memory_bytes=before.memory_bytes,
        modules=before.modules,
    )


def _status(differences: Sequence[str], own: int | None) -> int:
    """The exit status: that of what came of another script, else whether it was the same."""
    if own is not None:
        return own
    return DIVERGED if differences else 0


def _console(lines: str, paint: Painter) -> str:
    return f"{paint('console', Paint.BOLD)}\n{lines}" if lines else ""


def _tell(call_id: str, origin: Origin, runs: Sequence[KeptRun], differences: Sequence[str], *, json: bool) -> None:
    """Whether it was the same, and where not."""
    time = f"{datetime.fromtimestamp(began(runs), UTC):%Y-%m-%d %H:%M:%S}"
    call = f"call {escaped(call_id)} at {time} UTC, by {escaped(origin.made_by)}"
    output = sys.stderr if json else sys.stdout
    print(f"not the same as {call}:" if differences else f"the same as {call}", file=output)
    for line in differences:
        print(f"  {escaped(line)}", file=output)


def _in_words(script: str, found: Divergence) -> str:
    turn = f", turn {found.turn}" if found.turn else ""
    return f"{script}{turn}: {found.what}"


# ---- decisions ----


def _repeat_decision(arguments: argparse.Namespace, kept: KeptDecision, text: str, configuration: Configuration) -> int:
    if not kept.steps:
        raise SidecarError(f"{arguments.repeat} has a decision for which no script ran")
    runs = kept.runs
    _warn(kept.origin, runs)
    script: Path | None = arguments.script
    if script is not None:
        own = kept.own
        if own is None:
            raise SidecarError("only scripts that run on every call ran then: none of them is the call's own")
        kept = kept.with_own(_in_place_of(own.script, script, text, configuration))
    decided, divergences = asyncio.run(_decided(kept, runs, configuration, anew=script is not None))
    # Of a script that asked something else the answer is not known: nothing is decided then.
    stopped = decided.decision.outcome == OutcomeName.CANCELLED
    if not stopped and arguments.json:
        print(decision_json(decided.decision, decided.failure, decided.console), end="")
    elif not arguments.json:
        _show(kept, decided, Painter.of(sys.stdout), stopped=stopped)
    named = zip(kept.steps, divergences, strict=False)
    differences = [_in_words(step.script.name, found) for step, found in named if found is not None]
    if not stopped and _told(kept.decision) != _told(decided.decision):
        differences.append("the switch is told something else than it was")
    _tell(kept.request.call_id, kept.origin, runs, differences, json=arguments.json)
    return _status(differences, None if script is None or stopped else exit_status(decided.decision))


async def _decided(
    kept: KeptDecision, runs: Sequence[KeptRun], configuration: Configuration, *, anew: bool
) -> tuple[Decided, Sequence[Divergence | None]]:
    runner = Runner({PoolName.DECISIONS: one_worker(decision_pool(configuration))})
    try:
        await runner.start(PoolName.DECISIONS)
        result: asyncio.Future[Decided] = asyncio.get_running_loop().create_future()

        def decided(what: Decided) -> None:
            if not result.done():  # interrupted: nobody waits any more
                result.set_result(what)

        repeating = RepeatingRunner(runner.pool(PoolName.DECISIONS), runs, anew=anew)
        decisions = Decisions(
            repeating,
            configuration,
            kept.snapshot(),
            decided,
            _grants(configuration),
            tells_unread=True,
        )
        decisions.route(kept.request, lambda _decision: None)
        return await result, repeating.divergences
    finally:
        await runner.close()


def _show(kept: KeptDecision, decided: Decided, paint: Painter, *, stopped: bool) -> None:
    sources = {step.script.name: (step.script.name, step.script.text) for step in kept.steps}
    if decided.failure is not None:
        print(failure_text(decided.failure, sources), end="")
    if not stopped:
        print(decision_text(kept.request.routing, decided.decision, paint), end="")
    print(_console(console_text(decided.console, paint), paint), end="")


def _told(decision: Decision) -> Decision:
    """What is the same each time of what a switch is told."""
    return structs.replace(decision, micros={}, script=None, outcome="")


# ---- calls ----


def _repeat_call(arguments: argparse.Namespace, kept: KeptCall, text: str, configuration: Configuration) -> int:
    _warn(kept.origin, [kept.run])
    if kept.run.recording is None:
        raise SidecarError(f"{arguments.repeat}: the answers of the call are not recorded: it cannot be run again")
    file: Path | None = arguments.script
    script = kept.script if file is None else _in_place_of(kept.script, file, text, configuration)
    completion, found = asyncio.run(_driven(kept, script, configuration, anew=file is not None))
    stopped = isinstance(completion.outcome, Cancelled)
    failure = failure_after(completion, call_programs(configuration, _grants(configuration)).of(script))
    console = [(script.id, line) for line in completion.log]
    if arguments.json:
        lines = [{"level": line.level, "text": line.text} for line in completion.log]
        told = {"outcome": failure.outcome, "error": failure.message, "location": failure.location, "console": lines}
        print(safe_json({**told, "same": found is None}).decode(), end="")
    else:
        paint = Painter.of(sys.stdout)
        print(timeline(kept.record), end="")
        if failure.outcome in FAILURES:
            print(failure_text(failure, {script.name: (script.name, script.text)}), end="")
        elif not stopped:
            print(f"{escaped(script.name)}: {failure.outcome.replace('_', ' ')}")
        print(_console(console_text(console, paint), paint), end="")
    differences = [] if found is None else [_in_words(script.name, found)]
    _tell(kept.record.id, kept.origin, [kept.run], differences, json=arguments.json)
    return _status(differences, None if file is None or stopped else EXIT_STATUS.get(failure.outcome, 0))


async def _driven(
    kept: KeptCall, script: Script, configuration: Configuration, *, anew: bool
) -> tuple[Completion, Divergence | None]:
    runner = Runner({PoolName.CALLS: one_worker(call_pool(configuration))})
    try:
        await runner.start(PoolName.CALLS)
        result: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()

        def over(completion: Completion) -> None:
            if not result.done():  # interrupted: nobody waits any more
                result.set_result(completion)

        repeating = RepeatingRunner(runner.pool(PoolName.CALLS), [kept.run], anew=anew)
        program = call_programs(configuration, _grants(configuration)).of(script)
        repeating.submit(structs.replace(kept.run.invocation, program=program), over)
        completion = await result
        return completion, repeating.divergences[0]
    finally:
        await runner.close()
