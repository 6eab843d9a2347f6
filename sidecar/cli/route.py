"""``scriptforge route``: one call put to a running daemon."""

import argparse
import asyncio
import sys
import uuid
from pathlib import Path
from typing import Any, Final

import msgspec

from sidecar.cli.call_data import InputError, read_request, shown_file
from sidecar.cli.decision_text import EXIT_STATUS_TEXT, decision_json, decision_text, exit_status, time_text
from sidecar.cli.run import LONGEST_MILLISECONDS, UNUSABLE
from sidecar.cli.terminal import Painter
from sidecar.cli.whole_number import whole_number
from sidecar.configuration.source import load_configuration
from sidecar.configuration.tree import Configuration
from sidecar.errors import ConfigurationError, SidecarError
from sidecar.report import report
from sidecar.runs.outcomes import FAILURES
from sidecar.text import escaped
from sipio.routing import Decision, Direction, RoutingRequest
from sipio.rpc.client import RpcClient
from sipio.rpc.errors import ConnectionLost, ErrorCode, RpcError

SLACK_SECONDS: Final = 5.0
"""Beyond the time that the daemon's scripts have together: its queue and the way there and back."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``route`` command."""
    parser = subparsers.add_parser(
        "route",
        help="ask a running daemon about one call from a file",
        description=f"Asks a daemon as a switch would and prints its decision. {EXIT_STATUS_TEXT}",
    )
    parser.add_argument(
        "--data",
        required=True,
        metavar="FILE",
        help='the call as JSON: {"routing": {...}}, or all that a switch sends; - for standard input',
    )
    parser.add_argument("--socket", metavar="ADDRESS", help="unix:/path or tcp:host:port; default: the configuration's")
    parser.add_argument("--customer", help="whose call it is")
    parser.add_argument("--route", help="which of the customer's routes")
    parser.add_argument("--did", help="the number called; the call's direction is then origination")
    parser.add_argument("--call-id", help="default: the file's, else one that no other call has")
    parser.add_argument(
        "--timeout-ms",
        type=whole_number("milliseconds", LONGEST_MILLISECONDS),
        metavar="N",
        help="the most that the caller waits",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Asks, prints, and gives the exit status."""
    configuration = load_configuration(arguments.config).configuration
    try:
        request = read_request(arguments.data, f"scriptforge-route-{uuid.uuid4().hex}")
    except InputError as error:
        print(report(error.problems, dict.fromkeys([error.problems[0].file], error.source)), end="", file=sys.stderr)
        return UNUSABLE
    request = msgspec.structs.replace(request, **_given(arguments))
    address = arguments.socket or default_address(configuration)
    seconds = configuration.decisions.total_timeout_ms / 1000 + SLACK_SECONDS
    try:
        decision = asyncio.run(ask(address, request, seconds))
    except TimeoutError:
        raise SidecarError(f"{address}: no answer in {seconds:g} s") from None
    except ConnectionLost as error:
        raise SidecarError(f"{error}; is the daemon running, and may you use its socket?") from error
    except RpcError as error:
        if error.code != ErrorCode.BAD_REQUEST:
            raise
        print(escaped(f"{shown_file(arguments.data)}: error: {error.message}"), file=sys.stderr)
        return UNUSABLE
    if arguments.json:
        print(decision_json(decision), end="")
    else:
        paint = Painter.of(sys.stdout)
        print(decision_text(request.routing, decision, paint), end="")
        if decision.outcome in FAILURES:
            print(f"the daemon's log says why, under the call_id {escaped(request.call_id)}")
        print(time_text(decision.micros, paint), end="")
    return exit_status(decision)


async def ask(address: str, request: RoutingRequest, seconds: float) -> Decision:
    """One decision of the daemon at ``unix:/path`` or ``tcp:host:port``.

    Raises SipioError for what the daemon or the connection says, TimeoutError past ``seconds``.
    """
    async with asyncio.timeout(seconds):
        client = await RpcClient.connect(address)
        try:
            decision: Decision = await client.call("route", request, result_type=Decision)
        finally:
            await client.close()
    return decision


def default_address(configuration: Configuration) -> str:
    """Where a daemon with this configuration listens. Raises ConfigurationError where it does not, or only for TLS."""
    section = configuration.socket
    if section.unix is not None:
        return f"unix:{section.unix}"
    if section.tcp and section.tls_certificate is None:
        return f"tcp:{section.tcp}"
    raise ConfigurationError("the configuration has no socket without TLS; name one with --socket")


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ("customer", "route", "did", "call_id", "timeout_ms")
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    if "did" in given:
        given["direction"] = Direction.ORIGINATION
    return given
