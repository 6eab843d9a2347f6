"""The demo's second half: ``scriptforge up``, an app of two files saved over HTTP, run from a browser and on calls.

All of it is what the README shows, on ports that nobody else has and in a directory that goes with it.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from examples.demo import EXAMPLES, DemoError, before_lines, decisions, side_by_side
from sidecar.cli.call_data import read_request
from sidecar.cli.decision_text import decision_text
from sidecar.cli.terminal import Paint, Painter
from sipio.routing import Decision, RoutingRequest, unpack_routing

APP = "counting"
FILES = ("calls.js", "count.ts")
ENTRY = FILES[0]
CUSTOMER, ROUTE = "acme", "counting"
HEADER = "X-Calls"
START_SECONDS = 120.0
"""Two processes, each of which ``scriptforge up`` gives a minute."""
END_SECONDS = 20.0
LIVE_SECONDS = 20.0
"""A second is promised, on a machine that has time."""
ASK_SECONDS = 30.0
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode": "navigate"}


@dataclass(frozen=True, slots=True)
class Up:
    """Both processes, as they have told where they are."""

    http: str
    socket: str
    token: str

    def ask(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        """What the API answers. Raises DemoError."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return json.loads(self._answer(method, path, headers, json.dumps(body)))

    def page(self, path: str) -> str:
        """What a browser shows that has this address typed into it. Raises DemoError."""
        return self._answer("GET", path, BROWSER)

    def _answer(self, method: str, path: str, headers: Mapping[str, str], body: str | None = None) -> str:
        connection = HTTPConnection(self.http.removeprefix("http://"), timeout=ASK_SECONDS)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, HTTPException) as error:
            raise DemoError(f"{method} {path}: {error}") from error
        finally:
            connection.close()
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise DemoError(f"{method} {path}: {answer.status} {text}")
        return text


def show_platform(paint: Painter, with_sip: bool) -> None:
    """The app saved, run by its uuid, assigned, and what the next calls are told; ``with_sip`` has one of them come
    through Kamailio. Raises DemoError."""
    with tempfile.TemporaryDirectory(prefix="scriptforge-") as temporary:
        directory = Path(temporary)
        if not with_sip:
            with up(directory) as both:
                _show(both, paint)
            return
        from examples.demo_call import counting_kamailio, show_counted  # noqa: PLC0415 - it needs the tests' programs

        with counting_kamailio(directory, f"{CUSTOMER}/{ROUTE}") as kamailio, up(directory, kamailio.peer) as both:
            number = _show(both, paint)
            show_counted(kamailio, directory, number, HEADER, paint)


@contextmanager
def up(directory: Path, peer: str | None = None) -> Iterator[Up]:
    """``scriptforge up`` with its database in ``directory``, for a Kamailio where one is named."""
    configuration = directory / "up.toml"
    configuration.write_text(
        f"[kamailio]\npeers = {json.dumps([peer] if peer is not None else [])}\n"
        '[platform]\nlisten = "127.0.0.1:0"\nmetrics = ""\n[metrics]\nlisten = ""\n'
    )
    command = [str(Path(sys.executable).with_name("scriptforge")), "up", "--config", str(configuration)]
    # What is set for a daemon of one's own is not for this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCRIPTFORGE_")}
    said, log = directory / "up.out", directory / "up.log"
    with (
        said.open("wb") as out,
        log.open("wb") as err,
        subprocess.Popen(
            [*command, "--data", str(directory / "data")],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,  # Ctrl-C is the demo's, which ends it in order
        ) as process,
    ):
        try:
            deadline = time.monotonic() + START_SECONDS
            while "Ctrl-C" not in said.read_text() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            if "Ctrl-C" not in said.read_text():
                raise DemoError(f"scriptforge up did not start:\n{log.read_text()}")
            told = dict(line.split(None, 1) for line in said.read_text().splitlines() if len(line.split()) == 2)
            yield Up(told["runs"].removesuffix("/run/UUID"), told["switches"], told["token"])
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C does; a second time where that takes long, which cuts what is waited for."""
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
        process.send_signal(number)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return


def _show(both: Up, paint: Painter) -> str:
    """Everything but the call through Kamailio; the number that has called."""
    request = read_request(str(EXAMPLES / "calls" / f"{APP}.json"), APP)
    number = str(unpack_routing(request.routing)["cli"])
    uuid, script = _save(both)
    print(f"{paint('An App of two files, saved over HTTP', Paint.TITLE)}  scriptforge up: {both.http}")
    print(f"  {ENTRY} imports {FILES[1]}, which counts in cxKV. In a browser:")
    path = f"/run/{uuid}?number={number}"
    print(f"  {paint(both.http + path, Paint.BOLD)}\n  {paint(both.page(path), Paint.GOOD)}")
    before = _decide(both, request)
    if _counted(before) is not None:
        raise DemoError("the call was decided by a script before it was assigned")
    both.ask("PUT", "/api/v1/assignments", {"customer": CUSTOMER, "route": ROUTE, "script": script})
    assigned = time.monotonic()
    while _counted(after := _decide(both, request)) is None:
        if time.monotonic() - assigned > LIVE_SECONDS:
            raise DemoError(f"the assignment was not live after {LIVE_SECONDS:.0f} s")
        time.sleep(0.02)
    live = time.monotonic() - assigned
    again = _decide(both, request)
    print(f"  Assigned to {CUSTOMER}'s route {ROUTE}, which {live:.1f} s later calls go by; then one more:")
    print(side_by_side(before_lines(request), _headers(request, after, paint), paint))
    print(side_by_side(["the next one"], _headers(request, again, paint)[1:], paint) + "\n")
    return number


def _save(both: Up) -> tuple[str, str]:
    """Save the app; the uuid and the id of the file that has ``main``."""
    both.ask("PUT", f"/api/v1/apps/{APP}", {"name": "Calls counted"})
    files = [{"name": name, "text": (EXAMPLES / APP / name).read_text(), "public": name == ENTRY} for name in FILES]
    saved = both.ask("POST", f"/api/v1/apps/{APP}/scripts", {"scripts": files})["items"]
    (entry,) = [one for one in saved if one["name"] == ENTRY]
    return str(entry["uuid"]), str(entry["id"])


def _decide(both: Up, request: RoutingRequest) -> Decision:
    _, (decision,) = asyncio.run(decisions(both.socket, [request]))
    return decision


def _counted(decision: Decision) -> str | None:
    return next((value for name, value in decision.headers.add if name == HEADER), None)


def _headers(request: RoutingRequest, decision: Decision, paint: Painter) -> list[str]:
    """How it ended, and what it adds."""
    lines = decision_text(request.routing, decision, paint).splitlines()
    return [line for line in lines if HEADER in line or line == lines[0]]
