"""What a restart costs calls: how many are lost, how many undecided, and how long the one waits that waits longest.

    python bench/restart.py [--rate 50] [--rounds 3] [--assignments 0] [--next /opt/other/bin/scriptforge]

A real Kamailio with the shipped configuration and a switch on the unix socket each ask at this rate, over connections
that stay open, while the daemon is reloaded with a changed script, restarted, and restarted with a call up whose script
echoes what it hears. The restarts are systemd's: SIGTERM, wait for the end, start the next one with the sockets that
were kept. An upgrade is a restart with ``--next``. ``--assignments`` more are in the catalog, for a start that takes
longer.
"""

import argparse
import asyncio
import json
import re
import signal
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sipio.rpc.client import RpcClient
from sipio.rpc.service import Method, Responder
from tests.acceptance import serving
from tests.acceptance.kamailio import Kamailio
from tests.acceptance.service_manager import ServiceManager
from tests.acceptance.serving import Serving, request
from tests.acceptance.sipp import read_trace, requests
from tests.acceptance.traffic import traffic
from tests.acceptance.wire import Wire

SCRIPTS: Final = Path(__file__).parents[1] / "tests" / "acceptance" / "scripts"
BEFORE_SECONDS: Final = 2.0
"""Of traffic before anything happens, and after it."""
VOICE_SECONDS: Final = 5.0
"""How long the call that is up holds up the end."""
SIPP_CALLS_SECONDS: Final = 14.0
"""How long SIPp places calls: until after all of it. It has 20 s for them and their ends."""
_STAMP: Final = re.compile(r"^-+ (\d{4}-\d\d-\d\d)[ \t](\d\d:\d\d:\d\d\.\d+)", re.MULTILINE)
_FIRST_LINE: Final = re.compile(r"message (sent|received) .*?:\r?\n\r?\n(\S+) (\S+)", re.DOTALL)
_CALL_ID: Final = re.compile(r"^Call-ID: (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Gap:
    """What calls met while something happened."""

    switch: str
    calls: int
    lost: int
    """Without any answer, or with an error."""
    undecided: int
    """Routed as if there were no sidecar."""
    median: float
    longest: float
    """Seconds to the answer."""


class Echoing:
    """A switch with one call up that never ends by itself."""

    def __init__(self) -> None:
        self.up = asyncio.Event()
        done = Method(list[dict[str, Any]], lambda _, responder: responder.result({}))
        self.methods = {
            "call.answer": done,
            "call.hangup": done,
            "call.echo": Method(list[dict[str, Any]], self._echo),
        }
        self._echoing: Responder | None = None

    async def place(self, daemon: Serving) -> RpcClient:
        """Announce the call; returns once it is up."""
        client = await RpcClient.connect(f"unix:{daemon.socket}", methods=self.methods)
        await client.call("call.start", {"id": "up", "from_user": "1", "to_user": "100"})
        await self.up.wait()
        return client

    def _echo(self, _params: list[dict[str, Any]], responder: Responder) -> None:
        self._echoing = responder
        self.up.set()


class Place:
    """One Kamailio, one daemon after the other, and what happens to them."""

    def __init__(self, directory: Path, arguments: argparse.Namespace, stack: ExitStack) -> None:
        self._directory = directory
        self._rate: int = arguments.rate
        self._stack = stack
        self._next: str | None = arguments.next
        self.manager = ServiceManager(directory)
        stack.callback(self.manager.close)
        self.kamailio = Kamailio(directory / "kamailio")
        stack.callback(self.kamailio.stop)
        self.kamailio.wait_until_ready()
        self.wire = Wire(self.kamailio, directory)
        stack.callback(self.wire.stop)
        self._scripts = {
            "headers": (SCRIPTS / "headers.js").read_text(encoding="utf-8"),
            "echo": "async function main(data, ctx) { await ctx.answer(); await ctx.echo(); }",
        }
        self._assignments = (
            '[[route]]\ncustomer = "headers"\nscript = "headers"\nerror_action = "500 Script Error"\n'
            '[[script]]\nfile = "echo.js"\nkind = "app"\n[[destination]]\ndestination = "100"\nscript = "echo"\n'
        ) + "".join(f'[[did]]\ndid = "{number}"\nscript = "headers"\n' for number in range(arguments.assignments))
        self._configuration = (
            f"[kamailio]\npeers = {json.dumps([self.kamailio.peer])}\n[voice]\ndrain_seconds = {VOICE_SECONDS}\n"
        )
        self.daemon = self._started()
        self.kamailio.program.wait_for("sidecar connected", seconds=60.0)
        stack.callback(self._stop)

    def _stop(self) -> None:
        self.daemon.stop()

    def _started(self) -> Serving:
        daemon = Serving(self._directory, self._scripts, self._assignments, self._configuration, manager=self.manager)
        daemon.program.wait_for('"action":"serving"', seconds=60.0)
        return daemon

    async def measure(self, happens: Callable[[], Awaitable[None]]) -> list[Gap]:
        """Traffic, something that happens, and some more traffic."""
        calls = int(self._rate * SIPP_CALLS_SECONDS)
        gateway = self.wire.gateway("gw-one", calls=calls)
        caller = self.wire.caller("headers", calls=calls, rate=self._rate)
        fallbacks = self.kamailio.program.position
        client = await self.daemon.client()
        async with traffic(client, lambda n: request("headers", f"c{n}"), self._rate) as sent:
            await asyncio.sleep(BEFORE_SECONDS)
            await happens()
            await asyncio.sleep(BEFORE_SECONDS)
        await client.close()
        await asyncio.to_thread(caller.program.finish)
        # Calls that were lost have not come to their end here: it would wait for them.
        await asyncio.to_thread(gateway.stop)
        invites = requests(read_trace(gateway.trace), "INVITE")
        decided = {invite.get("Call-ID") for invite in invites if "gold" in invite.get_all("X-Route")}
        seconds = answer_seconds(caller.trace.read_text(encoding="utf-8", errors="replace"))
        undecided = len(self.kamailio.program.lines("fallback", fallbacks))
        over_socket = [answer.seconds for answer in sent.answers]
        good = sum(answer.what == "returned" for answer in sent.answers)
        return [
            Gap(
                "Kamailio",
                calls,
                calls - len(seconds),
                max(undecided, calls - len(decided)),
                statistics.median(seconds),
                max(seconds),
            ),
            Gap("socket", sent.asked, sent.asked - good, 0, statistics.median(over_socket), max(over_socket)),
        ]

    async def reload(self) -> None:
        """A changed script, and SIGHUP."""
        position = self.daemon.program.position
        text = self._scripts["headers"] = self._scripts["headers"] + "\n// changed\n"
        self.daemon.write("headers", text)
        self.daemon.send(signal.SIGHUP)
        await asyncio.to_thread(self.daemon.program.wait_for, "catalog_loaded", position, 60.0)

    async def restart(self) -> None:
        """What ``systemctl restart`` does."""
        self.daemon.send(signal.SIGTERM)
        assert await asyncio.to_thread(self.daemon.program.finish, 60.0) == 0
        self.daemon = await asyncio.to_thread(self._started)

    async def restart_with_a_call_up(self) -> None:
        """The same with a call that does not end."""
        switch = await Echoing().place(self.daemon)
        await self.restart()
        await switch.close()

    async def upgrade(self) -> None:
        """A restart with another program."""
        assert self._next is not None
        before, serving.SCRIPTFORGE = serving.SCRIPTFORGE, self._next
        try:
            await self.restart()
        finally:
            serving.SCRIPTFORGE = before


def answer_seconds(trace: str) -> list[float]:
    """From each call's first INVITE to its first answer that is not 100, of a SIPp message file."""
    asked: dict[str, float] = {}
    answered: dict[str, float] = {}
    stamps = list(_STAMP.finditer(trace))
    for stamp, following in zip(stamps, [*stamps[1:], None], strict=True):
        text = trace[stamp.end() : following.start() if following is not None else len(trace)]
        first, call = _FIRST_LINE.search(text), _CALL_ID.search(text)
        if first is None or call is None:
            continue
        when = datetime.fromisoformat(f"{stamp[1]} {stamp[2]}").timestamp()
        if first[1] == "sent" and first[2] == "INVITE":
            asked.setdefault(call[1], when)
        elif first[1] == "received" and first[2] == "SIP/2.0" and first[3] != "100":
            answered.setdefault(call[1], when)
    return [answered[call] - asked[call] for call in asked if call in answered]


def table(rows: Sequence[tuple[str, Gap]]) -> str:
    """As documents have it."""
    lines = [
        "| what | asked by | calls | lost | undecided | median ms | longest ms |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {what} | {gap.switch} | {gap.calls} | {gap.lost} | {gap.undecided} "
            f"| {gap.median * 1000:.1f} | {gap.longest * 1000:.0f} |"
            for what, gap in rows
        ),
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rate", type=int, default=50, help="calls a second of each switch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--assignments", type=int, default=0, help="more of them in the catalog")
    parser.add_argument("--next", metavar="SCRIPTFORGE", help="the program that an upgrade starts")
    arguments = parser.parse_args()
    rows: list[tuple[str, Gap]] = []
    for number in range(arguments.rounds):
        with ExitStack() as stack:
            place = Place(Path(stack.enter_context(tempfile.TemporaryDirectory())), arguments, stack)
            happenings = {
                "reload": place.reload,
                "restart": place.restart,
                "restart, a call up": place.restart_with_a_call_up,
            }
            if arguments.next is not None:
                happenings["upgrade"] = place.upgrade
            for what, happens in happenings.items():
                rows += [(what, gap) for gap in asyncio.run(place.measure(happens))]
                print(f"round {number + 1}: {what}", flush=True)
    print(table(sorted(rows, key=lambda row: (row[0], row[1].switch))))


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"{time.monotonic() - began:.0f} s")
