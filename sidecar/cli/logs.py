"""``scriptforge logs``: what scripts write to their console, as they write it, from a running daemon."""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Any, Final

from sidecar.cli.route import default_address
from sidecar.cli.terminal import Paint, Painter
from sidecar.configuration.source import load_configuration
from sidecar.errors import SidecarError
from sidecar.operations.console_feed import FOLLOW, LINE, ConsoleLine, Following
from sidecar.text import escaped, safe_json
from sipio.rpc.client import RpcClient
from sipio.rpc.errors import ConnectionLost, ErrorCode, RpcError
from sipio.rpc.service import Method

_PAINTS: Final = {"warn": Paint.CHANGED, "error": Paint.BAD, "failed": Paint.BAD, "debug": Paint.FAINT}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``logs`` command."""
    parser = subparsers.add_parser(
        "logs",
        help="follow what scripts write to their console, in a running daemon",
        description="Prints each line that scripts write to their console, and why a run failed, from now on and until"
        " interrupted. Nothing of it is kept by the daemon. A call's console comes at its end, what ctx.log writes at"
        " once.",
    )
    parser.add_argument("--script", default="", metavar="NAME", help="the script's id, or its file; default: all")
    parser.add_argument("-f", "--follow", action="store_true", help="what it does in any case")
    parser.add_argument("--socket", metavar="ADDRESS", help="unix:/path or tcp:host:port; default: the configuration's")
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Follows. Raises SidecarError where the daemon is not there or ends."""
    address = arguments.socket or default_address(load_configuration(arguments.config).configuration)
    paint = Painter.of(sys.stdout)

    def show(line: ConsoleLine) -> None:
        print(safe_json(line).decode() if arguments.json else line_text(line, paint), end="", flush=True)

    try:
        asyncio.run(follow(address, arguments.script, show))
    except ConnectionLost as error:
        raise SidecarError(f"{error}; is the daemon running, and may you use its socket?") from error
    except RpcError as error:
        if error.code == ErrorCode.UNKNOWN_METHOD:
            raise SidecarError(f"{address}: the daemon is of a version that tells nobody of its consoles") from error
        raise SidecarError(f"{address}: {error.message}") from error
    return 1


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
    shown = f"{lost}{paint(head, Paint.FAINT)} {paint(line.level, _PAINTS.get(line.level))} {escaped(first)}\n"
    return shown + "".join(f"    {escaped(one)}\n" for one in rest)
