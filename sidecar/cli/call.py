"""``scriptforge call``: a Class 5 script driven from the terminal, by a person or by a scenario."""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sidecar.catalog.directory.script_files import UnusableFileError, read_text_file
from sidecar.catalog.directory.sibling_files import files_beside
from sidecar.cli.expectations import unmet
from sidecar.cli.instant import instant
from sidecar.configuration.toml_source import TomlSyntaxError, parse_toml
from sidecar.configuration.tree import Configuration
from sidecar.errors import SidecarError
from sidecar.header_rules import RuleViolation, header_value
from sidecar.hosts.grants import shipped_names
from sidecar.kind import Kind
from sidecar.language.check import check_script
from sidecar.language.prepared import prepare
from sidecar.phone.keys import in_words, read_keys
from sidecar.problem import Severity
from sidecar.report import report
from sidecar.runs.outcomes import GOOD_CALL_ENDS
from sidecar.text import escaped
from sipio.sip.message import is_token

USAGE: Final = 2
SCRIPT_BYTES: Final = 1_000_000


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``call`` command."""
    parser = subparsers.add_parser(
        "call",
        help="call a Class 5 script from the terminal, without switch or daemon",
        description="What the script says and plays is printed, and heard where there is a player. Keys are digits,"
        " h hangs up. With --keys the call plays by itself, in no time, and with --expect it is a test. Exit status:"
        " 0 the script ended well and was as expected, 1 not, 2 wrong usage.",
    )
    parser.add_argument("script", type=Path, metavar="SCRIPT.js")
    parser.add_argument("--from", dest="from_user", default="442079460000", metavar="NUMBER", help="the caller")
    parser.add_argument("--to", dest="to_user", default="100", metavar="NUMBER", help="the number dialled")
    parser.add_argument(
        "--header",
        dest="headers",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="a header of the INVITE, which ctx.header and ctx.get read; may be given several times",
    )
    parser.add_argument("--vars", type=Path, metavar="FILE.toml", help="the assignment's vars")
    parser.add_argument(
        "--keys",
        metavar="KEYS",
        help="what the caller does, with commas between: digits, `wait SECONDS`, `hangup`; and the other party of a"
        " bridge: answer, busy, noanswer, fail, end. Each key is pressed once the"
        " script has played its prompt and listens.",
    )
    parser.add_argument(
        "--expect",
        action="append",
        default=[],
        metavar="TEXT",
        help="the script must say or play or do this, each after the one before; with --keys",
    )
    parser.add_argument(
        "--now",
        type=instant,
        metavar="TIME",
        help="the time at which the call comes, as 2026-10-25T09:00+01:00 or '2026-10-25 09:00 Europe/Berlin'; the"
        " script's clock goes on from there as the call does",
    )
    parser.add_argument("--sounds", type=Path, metavar="DIR", help="has user/ and ivr/; files that are missing fail")
    parser.add_argument("--real-time", action="store_true", help="with --keys: everything takes the time it takes")
    parser.add_argument("--quiet", action="store_true", help="nothing is heard")
    parser.set_defaults(run=run, runs_scripts=True)


def run(arguments: argparse.Namespace) -> int:
    """Calls, prints, and gives the exit status."""
    from sidecar.cli.call_timeline import timeline  # noqa: PLC0415 - the other commands start faster without these
    from sidecar.phone import session, terminal  # noqa: PLC0415

    script: Path = arguments.script
    if arguments.keys is None and (arguments.expect or not sys.stdin.isatty()):
        print("scriptforge call: without a terminal, or with --expect, --keys is needed", file=sys.stderr)
        return USAGE
    try:
        text = read_text_file(script, Path("/"), SCRIPT_BYTES)
    except UnusableFileError as error:
        print(f"scriptforge call: {escaped(str(error.problem))}", file=sys.stderr)
        return USAGE
    try:
        steps = None if arguments.keys is None else read_keys(arguments.keys)
        variables = _variables(arguments.vars)
        headers = [_header(text) for text in arguments.headers]
    except SidecarError as error:
        print(f"scriptforge call: {escaped(str(error))}", file=sys.stderr)
        return USAGE
    app, siblings = files_beside(script, SCRIPT_BYTES)
    problems = (
        *check_script(text, Kind.APP, str(script), modules=shipped_names(Configuration()), app=app),
        *siblings.problems,
    )
    print(report(problems, {str(script): text, **siblings.shown()}), end="", file=sys.stderr)
    if any(problem.severity is Severity.ERROR for problem in problems):
        return 1
    asked = session.PhoneCall(
        script=script,
        text=text,
        prepared=prepare(text, Kind.APP, app, shipped_names(Configuration())),
        from_user=arguments.from_user,
        to_user=arguments.to_user,
        variables=variables,
        headers=headers,
        steps=steps,
        now=arguments.now,
        sounds=arguments.sounds,
        real_time=arguments.real_time,
        audible=not arguments.quiet and "CI" not in os.environ,
    )
    if steps is None:
        print(terminal.HELP, flush=True)
    result = session.call(asked, lambda line: print(line, flush=True))
    print()
    print(timeline(result.record), end="")
    if result.left:
        print(f"not played, since the call was over: {','.join(in_words(step) for step in result.left)}")
    missing = unmet(arguments.expect, result.script_lines, seen="heard", all_lines="what the script did")
    if missing:
        print(missing, end="", file=sys.stderr)
    return 0 if not missing and result.record.outcome in GOOD_CALL_ENDS else 1


def _header(text: str) -> tuple[str, str]:
    """A header in an option. Raises SidecarError for what no INVITE can have."""
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not is_token(name):
        raise SidecarError(f"--header {text!r}: needs a name, a colon and a value, such as 'X-Customer: 1207'")
    try:
        return name, header_value(name, value)
    except RuleViolation as error:
        raise SidecarError(f"--header: {error}") from error


def _variables(file: Path | None) -> Mapping[str, Any]:
    if file is None:
        return {}
    try:
        return parse_toml(read_text_file(file, Path("/"), SCRIPT_BYTES)).data
    except UnusableFileError as error:
        raise SidecarError(str(error.problem)) from error
    except TomlSyntaxError as error:
        raise SidecarError(f"{file}: {error}") from error
