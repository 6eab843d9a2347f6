"""``scriptforge logs``: what scripts write to their console: of runs over HTTP from a server, of calls from the call
daemon of this machine."""

import argparse
import asyncio
import datetime
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sidecar.cli.remote.app_scripts import find_script
from sidecar.cli.remote.command import add_server_options, client_of, told
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT, ServerError
from sidecar.cli.remote.run_text import LEVEL_PAINTS, console_text
from sidecar.cli.route import default_address
from sidecar.cli.terminal import Paint, Painter
from sidecar.configuration.source import load_configuration
from sidecar.errors import SidecarError
from sidecar.operations.console_feed import FOLLOW, LINE, ConsoleLine, Following
from sidecar.text import escaped, safe_json

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client
from sipio.rpc.client import RpcClient
from sipio.rpc.errors import ConnectionLost, ErrorCode, RpcError
from sipio.rpc.service import Method

LINES: Final = 100
"""Of what a server keeps, without -n."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``logs`` command."""
    parser = subparsers.add_parser(
        "logs",
        help="show or follow what scripts write to their console: of runs over HTTP at a server, or of calls",
        description="Of runs over HTTP: from the server that was logged in to, which keeps the last of them; -f prints"
        " each line as it comes. With --calls (or --socket, or --config): of the calls of the daemon of this machine,"
        " which keeps nothing: each line that scripts write from now on, and why a run failed, until interrupted. A"
        " call's console comes at its end, what ctx.log writes at once.",
        epilog=EXIT_STATUS_TEXT,
    )
    parser.add_argument("--script", metavar="SCRIPT", help="its id or its name, of calls its file; default: all")
    parser.add_argument("-f", "--follow", action="store_true", help="until interrupted; of calls in any case")
    parser.add_argument(
        "-n", type=int, metavar="N", dest="most", help="so many of the last lines; default: 100, with -f none"
    )
    add_server_options(parser)
    parser.add_argument("--calls", action="store_true", help="of calls, from the call daemon of this machine")
    parser.add_argument("--socket", metavar="ADDRESS", help="of calls: unix:/path or tcp:host:port of the daemon")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="of calls: where that is said; default: /etc/scriptforge/sidecar.toml",
    )
    parser.set_defaults(run=run, usage_error=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Shows or follows. Raises SidecarError where the daemon is not there or ends."""
    if not (arguments.calls or arguments.socket is not None or arguments.config is not None):
        return told(lambda: _of_server(arguments, client_of(arguments)))
    if arguments.server is not None or arguments.tenant is not None or arguments.most is not None:
        arguments.usage_error(
            "--server, --tenant and -n are of runs over HTTP; --calls, --socket and --config of calls"
        )
    address = arguments.socket or default_address(load_configuration(arguments.config).configuration)
    paint = Painter.of(sys.stdout)

    def show(line: ConsoleLine) -> None:
        print(safe_json(line).decode() if arguments.json else line_text(line, paint), end="", flush=True)

    try:
        asyncio.run(follow(address, arguments.script or "", show))
    except ConnectionLost as error:
        raise SidecarError(f"{error}; is the daemon running, and may you use its socket?") from error
    except RpcError as error:
        if error.code == ErrorCode.UNKNOWN_METHOD:
            raise SidecarError(f"{address}: the daemon is of a version that tells nobody of its consoles") from error
        raise SidecarError(f"{address}: {error.message}") from error
    return 1


def _of_server(arguments: argparse.Namespace, client: "Client") -> int:
    """The last lines, the newest at the end, and those that come."""
    script = find_script(client, arguments.script)[0]["id"] if arguments.script is not None else None
    paint = Painter.of(sys.stdout)

    def show(line: dict[str, Any]) -> None:
        print(safe_json(line).decode() if arguments.json else run_line_text(line, paint), end="", flush=True)

    most = arguments.most if arguments.most is not None else 0 if arguments.follow else LINES
    if not arguments.follow:
        _show_last(client, script, most, show)
        return 0
    for name, data in client.events("GET", "/log", query={"script": script}):
        if name == "open":
            _show_last(client, script, most, show)
            print(escaped(f"following {script or 'every script'} at {client.server.url}"), file=sys.stderr, flush=True)
        elif name == "lost":
            print(f"{data['lost']} lines were not sent: they came too fast", file=sys.stderr, flush=True)
        elif name == "log":
            show(data)
    raise ServerError(f"{client.server.url}: the server has ended the connection")


def _show_last(client: "Client", script: str | None, most: int, show: Callable[[dict[str, Any]], None]) -> None:
    if most > 0:
        for line in reversed(list(client.pages("/log", cursor="before", most=most, script=script))):
            show(line)


def run_line_text(line: dict[str, Any], paint: Painter) -> str:
    """A line of a run over HTTP for a terminal: time of day, run, script, level, text."""
    at = line["at"]
    moment = (
        datetime.datetime.fromisoformat(at)
        if isinstance(at, str)
        else datetime.datetime.fromtimestamp(at, datetime.UTC)
    )
    clock = moment.astimezone().strftime("%H:%M:%S.%f")[:-3]
    head = escaped(f"{clock} {line['run'][:8]} {line['script']} {line['function']}")
    return f"{paint(head, Paint.FAINT)} {console_text(line['level'], line['text'], paint)}"


async def follow(address: str, script: str, show: Any) -> None:
    """Show each line until the daemon ends. Raises SipioError where it cannot be asked, SidecarError at its end."""
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(params: list[ConsoleLine], _responder: Any) -> None:
        try:
            show(params[0])
        except OSError as error:  # the reader of our output has gone
            if not failed.done():
                failed.set_exception(error)

    client = await RpcClient.connect(address, methods={LINE: Method(list[ConsoleLine], take, immediate=True)})
    try:
        following = await client.call(FOLLOW, {"script": script}, result_type=Following)
        shown = f"following {following.script or 'every script'} at {address}"
        print(escaped(shown), file=sys.stderr, flush=True)
        await asyncio.wait([failed, asyncio.ensure_future(client.ended)], return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            failed.result()
    finally:
        await client.close()
    raise SidecarError(f"{address}: the daemon has ended the connection")


def line_text(line: ConsoleLine, paint: Painter) -> str:
    """A line for a terminal: time of day, call, script, level, text; each further line of the text below it."""
    clock = time.strftime("%H:%M:%S", time.localtime(line.at)) + f".{int(line.at % 1 * 1000):03}"
    head = escaped(f"{clock} {line.call_id} {line.script}")
    first, *rest = line.text.split("\n")
    lost = f"{clock} {line.lost} lines were not sent: they came too fast\n" if line.lost else ""
    shown = f"{lost}{paint(head, Paint.FAINT)} {paint(line.level, LEVEL_PAINTS.get(line.level))} {escaped(first)}\n"
    return shown + "".join(f"    {escaped(one)}\n" for one in rest)
