"""``make demo``: what each example script makes of a call, by a real daemon over its own socket.

Run from the top of a checkout: ``python -m examples.demo``. Everything is started on a temporary directory and ended.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

from sidecar.cli.call_data import read_request
from sidecar.cli.decision_text import decision_text
from sidecar.cli.routing_changes import label
from sidecar.cli.terminal import Paint, Painter
from sipio.errors import SipioError
from sipio.routing import Decision, RoutingRequest, unpack_routing
from sipio.rpc.client import RpcClient
from sipio.rpc.errors import ConnectionLost

EXAMPLES = Path(__file__).parent
ORDER = ("header-add", "do-not-call", "time-of-day", "cheapest-first", "too-slow")
START_SECONDS = 20.0
LEFT = 34
"""Columns of the left half."""
SIP_PROGRAMS = ("kamailio", "sipp")
KAMAILIO_MODULES = ("lib*/*/kamailio/modules", "lib*/kamailio/modules")
INSTALL_SIP = "apt-get install kamailio kamailio-extra-modules sip-tester"


class DemoError(Exception):
    """Something that the demo needs did not come up."""


@contextmanager
def daemon(directory: Path, peers: Sequence[str] = (), more: str = "") -> Iterator[str]:
    """A ``scriptforge serve`` over the examples, listening in ``directory``, with more configuration; the address of
    its socket."""
    socket = directory / "scriptforge.sock"
    configuration = directory / "sidecar.toml"
    configuration.write_text(
        f"[socket]\nunix = {json.dumps(str(socket))}\n"
        f"[catalog]\ndirectory = {json.dumps(str(EXAMPLES))}\nwatch = false\n"
        f"[kamailio]\npeers = {json.dumps(list(peers))}\n"
        f'[metrics]\nlisten = ""\n{more}'
    )
    command = [str(Path(sys.executable).with_name("scriptforge")), "serve", "--config", str(configuration)]
    log = directory / "daemon.log"
    # What is set for a daemon of one's own is not for this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCRIPTFORGE_")}
    with (
        log.open("wb") as written,
        subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=written) as process,
    ):
        try:
            deadline = time.monotonic() + START_SECONDS
            while not socket.is_socket() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            if not socket.is_socket():
                raise DemoError(f"the daemon did not start:\n{log.read_text()}")
            yield f"unix:{socket}"
        finally:
            process.terminate()
            try:
                process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


async def connect(address: str) -> RpcClient:
    """A connection to a daemon whose socket is there, perhaps not yet open. Raises DemoError where it stays shut."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return await RpcClient.connect(address)
        except ConnectionLost as error:
            if time.monotonic() > deadline:
                raise DemoError(f"the daemon does not answer: {error}") from error
            await asyncio.sleep(0.02)


async def decisions(address: str, requests: Sequence[RoutingRequest]) -> tuple[dict[str, Any], list[Decision]]:
    """What the daemon says of itself, and its decisions, one after the other."""
    client = await connect(address)
    try:
        stats: dict[str, Any] = await client.call("stats")
        return stats, [await client.call("route", request, result_type=Decision) for request in requests]
    finally:
        await client.close()


def before_lines(request: RoutingRequest) -> list[str]:
    """The switch's own decision in a few lines."""
    routing = unpack_routing(request.routing)
    lines = [f"{routing['cli']} calls {routing['dest_number']}"]
    for position, destination in enumerate(routing["egress_routing"], 1):
        rate = next(iter(destination["gw"].values())).get("rate")
        lines.append(f"{position}  {label(destination, position):<12}rate {rate}")
    return lines


def side_by_side(left: Sequence[str], right: Sequence[str], paint: Painter) -> str:
    """Two columns; the left one is faint."""
    rows = zip_longest(left, right, fillvalue="")
    return "\n".join(f"  {paint(one.ljust(LEFT), Paint.FAINT)}{other}".rstrip() for one, other in rows)


def purpose(script: Path) -> str:
    """The first sentence of a script's opening comment."""
    words = []
    for line in script.read_text().splitlines():
        if not line.startswith("//"):
            break
        words.append(line.removeprefix("//").strip())
    return " ".join(words).partition(". ")[0].rstrip(".")


def show_scripts(address: str, paint: Painter) -> None:
    """One call for each example script, before and after."""
    requests = [read_request(str(EXAMPLES / "calls" / f"{name}.json"), name) for name in ORDER]
    stats, decided = asyncio.run(decisions(address, requests))
    workers = stats["workers"]
    confined = "confined" if stats["confined"] else "UNCONFINED"
    print(
        f"{paint('ScriptForge Sidecar', Paint.BOLD)}: a daemon at {address} with"
        f" {workers['fast'] + workers['slow']} {confined} worker processes.\n"
        "On the left what the switch decided, on the right what it is told.\n"
    )
    for name, request, decision in zip(ORDER, requests, decided, strict=True):
        script = EXAMPLES / "scripts" / f"{name}.js"
        print(f"{paint(script.name, Paint.TITLE)}  {purpose(script)}")
        after = decision_text(request.routing, decision, paint).splitlines()
        after[0] += paint(f"  {decision.micros['total'] / 1000:.1f} ms", Paint.FAINT)
        print(side_by_side(before_lines(request), after, paint) + "\n")


def missing_for_sip() -> list[str]:
    """What a SIP call needs and this machine has not."""
    # Debian keeps daemons where a user's PATH does not look.
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
    missing = [name for name in SIP_PROGRAMS if shutil.which(name, path=path) is None]
    modules = (found for place in KAMAILIO_MODULES for found in Path("/usr").glob(f"{place}/evapi.so"))
    if "kamailio" not in missing and next(modules, None) is None:
        missing.append("Kamailio's module evapi")
    return missing


def main() -> int:
    """The whole demo; the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # its daemon and its files go with it
    from examples.demo_platform import show_platform  # noqa: PLC0415 - they import this module
    from examples.demo_voice import show_voice  # noqa: PLC0415

    paint = Painter.of(sys.stdout)
    missing = missing_for_sip()
    try:
        with tempfile.TemporaryDirectory(prefix="scriptforge-") as directory, daemon(Path(directory)) as address:
            show_scripts(address, paint)
        if missing:
            print(f"No SIP call, since not installed: {', '.join(missing)}. {INSTALL_SIP}\n")
        else:
            from examples.demo_call import show_calls  # noqa: PLC0415 - it needs the acceptance tests' programs

            show_calls(paint)
        show_voice(paint)
        show_platform(paint, with_sip=not missing)
    except (DemoError, SipioError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(
        f"Try one yourself:  {paint('.venv/bin/scriptforge run examples/scripts/header-add.js', Paint.BOLD)} \\\n"
        "    --data examples/calls/header-add.json --vars examples/vars/header-add.toml"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
