"""``scriptforge bench``: how many decisions a second this machine gives, beside what QuickJS alone would."""

import argparse
import asyncio
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sidecar.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.bench.workload import OwnScript

NODE_PROGRAM: Final = Path(__file__).parents[2] / "bench" / "node" / "server.mjs"
"""The Node server to compare with, which only a checkout has."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``bench`` command."""
    parser = subparsers.add_parser(
        "bench",
        help="measure decisions a second through a daemon of its own",
        description="Starts daemons of its own and asks them over a unix socket, in turn with the same scripts run"
        " in this process. docs/performance.md explains the columns.",
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="for each case (default: 3)")
    parser.add_argument("--workers", type=_counts, default=[1, 2], metavar="N,N", help="default: 1,2")
    parser.add_argument("--scripts", type=_counts, default=[1, 1000], metavar="N,N", help="default: 1,1000")
    parser.add_argument(
        "--script", type=Path, metavar="FILE", help="measure this script (default: one of 50 lines that is shipped)"
    )
    parser.add_argument("--vars", type=Path, metavar="FILE", help="the vars of that script's assignment, as TOML")
    parser.add_argument(
        "--size", type=_counts, default=[2048, 10240], metavar="N,N", help="bytes of a routing (default: 2048,10240)"
    )
    parser.add_argument("--in-flight", type=_counts, default=[1, 64], metavar="N,N", help="default: 1,64")
    parser.add_argument(
        "--node",
        type=Path,
        metavar="FILE",
        help="measure this Node server as well (default: bench/node/server.mjs where `npm ci` has been run there)",
    )
    parser.add_argument("--no-node", action="store_true", help="leave Node out")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run, runs_scripts=True)


def run(arguments: argparse.Namespace) -> int:
    """Measures and prints."""
    from sidecar.bench import report  # noqa: PLC0415 - the other commands start in half the time without it
    from sidecar.bench.comparison import Plan, compare  # noqa: PLC0415

    own = None if arguments.script is None else _own(arguments.script, arguments.vars, min(arguments.size))
    plan = Plan(
        seconds=arguments.seconds,
        workers=arguments.workers,
        scripts=arguments.scripts,
        sizes=arguments.size,
        in_flight=arguments.in_flight,
        script=own,
        node=None if arguments.no_node else _node(arguments.node),
    )
    # As Ctrl-C: the daemons that are measured and their files go with it.
    former = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        measured = _runner()(compare(plan))
    finally:
        signal.signal(signal.SIGTERM, former)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(measured), indent=2).decode())
    else:
        print(report.table(measured))
    return 0


def _own(script: Path, variables: Path | None, size: int) -> "OwnScript":
    """The script as it is measured. Raises SidecarError, with its place in the author's file, where it fails.

    The daemons know it by other names and tell no more than an outcome, so it is tried here first.
    """
    from sandbox.errors import SandboxError  # noqa: PLC0415 - as in run
    from sidecar.bench import workload  # noqa: PLC0415
    from sidecar.catalog.compile import make_script  # noqa: PLC0415
    from sidecar.catalog.model import Snapshot  # noqa: PLC0415
    from sidecar.cli.call_data import InputError, read_variables  # noqa: PLC0415
    from sidecar.cli.decision_text import failure_text  # noqa: PLC0415
    from sidecar.cli.run import assign, decide  # noqa: PLC0415
    from sidecar.configuration.tree import Configuration  # noqa: PLC0415
    from sidecar.kind import Kind  # noqa: PLC0415
    from sidecar.language.check import check_script  # noqa: PLC0415
    from sidecar.report import report  # noqa: PLC0415
    from sipio.routing import RoutingRequest, pack_routing  # noqa: PLC0415

    name = str(script)
    text = _text(script)
    problems = check_script(text, Kind.SCRIPT, name)
    if problems:
        raise SidecarError(report(problems, {name: text}).rstrip())
    try:
        given = read_variables(None if variables is None else str(variables))
    except InputError as error:
        raise SidecarError(report(error.problems, {}).rstrip()) from error
    configuration = Configuration()
    subject = make_script(id=script.stem, name=script.name, kind=Kind.SCRIPT, text=text)
    request = RoutingRequest(call_id="scriptforge-bench", routing=pack_routing(workload.routing(size)))
    try:
        assignment = assign(subject, given, None, configuration)
        snapshot = Snapshot(scripts={subject.id: subject}, routes={("", ""): assignment}, dids={})
        decided = asyncio.run(decide(request, snapshot, configuration))
    except SandboxError as error:
        raise SidecarError(str(error)) from error
    if decided.failure is not None:
        raise SidecarError(failure_text(decided.failure, {script.name: (name, text)}).rstrip())
    if decided.decision.outcome != workload.DECIDED:
        raise SidecarError(f"{name}: the call that is measured is answered {decided.decision.outcome}")
    return workload.OwnScript(text, "" if variables is None else _text(variables))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SidecarError(f"{file} cannot be read: {error}") from error


def _counts(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and int(part[:10]) for part in parts):
        raise argparse.ArgumentTypeError("is numbers from 1, with commas between them")
    counts = map(int, parts)
    return list(dict.fromkeys(counts))


def _node(given: Path | None) -> Path | None:
    program = given or NODE_PROGRAM
    if shutil.which("node") is not None and (program.parent / "node_modules").is_dir():
        return program
    if given is not None:
        raise SidecarError(f"{given} needs node, and `npm ci` run in its directory")
    if program.is_file():
        print(f"Node is not measured: that needs node, and `npm ci` run in {program.parent}", file=sys.stderr)
    return None


def _runner() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    try:
        import uvloop  # noqa: PLC0415 - absent on platforms that it does not support
    except ImportError:
        return asyncio.run
    return uvloop.run
