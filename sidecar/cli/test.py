"""``scriptforge test``: an author's tests beside the scripts, run without switch or daemon."""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sidecar.cli.terminal import Painter
from sidecar.cli.whole_number import whole_number
from sidecar.configuration.source import load_configuration
from sidecar.configuration.tree import Configuration
from sidecar.errors import SidecarError
from sidecar.text import escaped

if TYPE_CHECKING:
    from sidecar.cli.testing.found_files import TestFile
    from sidecar.cli.testing.results import FileResult

FAILED: Final = 1
USAGE: Final = 2
LIMIT_MILLISECONDS: Final = 5_000
LONGEST_MILLISECONDS: Final = 600_000
LOOK_SECONDS: Final = 0.5
"""How often --watch looks whether a file has changed."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``test`` command."""
    parser = subparsers.add_parser(
        "test",
        help="run the tests that stand beside scripts, *.test.js; no daemon is needed",
        description="Runs describe, it and expect in confined workers; a test runs scripts on calls that it makes up,"
        " with modules of the host that it plays, in no time. Exit status: 0 all passed, 1 not, 2 wrong usage.",
    )
    parser.add_argument("paths", type=Path, nargs="*", metavar="PATH", help="files or directories (default: here)")
    parser.add_argument("--name", metavar="TEXT", help="only tests in whose name, with its describe's, this stands")
    parser.add_argument(
        "--timeout-ms",
        type=whole_number("milliseconds", LONGEST_MILLISECONDS),
        default=LIMIT_MILLISECONDS,
        metavar="N",
        help=f"that one test may take (default {LIMIT_MILLISECONDS})",
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the results as JUnit's XML as well")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--watch", action="store_true", help="run again whenever a file changes, until Ctrl-C")
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.set_defaults(run=run, runs_scripts=True)


def run(arguments: argparse.Namespace) -> int:
    """Runs, prints, and gives the exit status."""
    from sidecar.cli.testing import found_files  # noqa: PLC0415 - the other commands start faster without these

    # That a test which does not end costs its worker is told with the test.
    logging.getLogger("sandbox").addHandler(logging.NullHandler())
    configuration = load_configuration(arguments.config).configuration
    while True:
        files: list[TestFile] = []
        try:
            files = found_files.find_tests(arguments.paths or [Path()], Path.cwd())
            before = found_files.state_of(files)
            status = _run_once(arguments, files, configuration)
        except found_files.NoTestsError as error:
            print(f"scriptforge test: {escaped(str(error))}", file=sys.stderr)
            if not arguments.watch:
                return USAGE
            before = {}
        if not arguments.watch:
            return status
        print("waiting for a change; Ctrl-C ends", file=sys.stderr, flush=True)
        while found_files.state_of(found_files.tests_there(arguments.paths or [Path()], Path.cwd())) == before:
            time.sleep(LOOK_SECONDS)
        print(flush=True)


def _run_once(arguments: argparse.Namespace, files: "Sequence[TestFile]", configuration: Configuration) -> int:
    from sidecar.cli.testing import shown_results  # noqa: PLC0415
    from sidecar.cli.testing.results import all_passed  # noqa: PLC0415
    from sidecar.cli.testing.run_files import run_files  # noqa: PLC0415

    paint = Painter.of(sys.stdout)

    def show(result: "FileResult") -> None:
        text = "" if arguments.json else shown_results.file_text(result, paint, chosen_only=arguments.name is not None)
        if text:
            print(text, flush=True)

    part = (arguments.name or "").casefold()
    results = run_files(
        files,
        configuration,
        show,
        wanted=lambda name: part in name.casefold(),
        limit_seconds=arguments.timeout_ms / 1000,
    )
    if arguments.json:
        print(shown_results.results_json(results), end="", flush=True)
    else:
        print(shown_results.summary_text(results, paint), end="", flush=True)
    if arguments.junit is not None:
        try:
            arguments.junit.write_bytes(shown_results.junit_xml(results))
        except OSError as error:
            raise SidecarError(f"{arguments.junit}: {error.strerror}") from error
    return 0 if all_passed(results) else FAILED
