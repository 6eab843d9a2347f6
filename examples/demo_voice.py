"""The demo's call that a script drives: the daemon's own SIP agent answers, SIPp calls it and presses a key."""

import json
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from examples.demo import EXAMPLES, START_SECONDS, DemoError, daemon
from sidecar.cli.call_timeline import timeline
from sidecar.cli.terminal import Paint, Painter
from sidecar.operations.call_record import CallRecord
from sidecar.operations.call_search import newest

HOST = "127.0.0.1"
CALLER = "127.0.0.43"
NUMBER = "100"
SCRIPT = "menu.js"
KEY = "1"
SPEAKS = "espeak-ng"
WAIT_SECONDS = 60.0
"""A demo that nobody attends to ends."""


def show_voice(paint: Painter) -> None:
    """A call to the daemon's SIP agent as its record tells it; on a terminal, time for a softphone to call. Raises
    DemoError."""
    port = _free_port()
    address = f"sip:{NUMBER}@{HOST}:{port}"
    with tempfile.TemporaryDirectory(prefix="scriptforge-") as temporary:
        directory = Path(temporary)
        with daemon(directory, more=_configuration(directory, port)):
            _wait_until_bound(port)
            print(f"{paint('A script that answers calls', Paint.TITLE)}  {SCRIPT} at {paint(address, Paint.BOLD)}")
            if shutil.which(SPEAKS) is None:
                print(f"  {SPEAKS} is not installed: what it says is heard as a tone a word")
            if shutil.which("sipp") is None:
                print("  SIPp is not installed (apt-get install sip-tester): call it with a softphone")
            else:
                print(f"  SIPp calls it and presses {KEY}; the call's record:")
                record = _call(directory, port)
                # Its first line says what the title has said.
                print("\n".join(timeline(record).splitlines()[1:]))
            if sys.stdin.isatty() and sys.stdout.isatty():
                print(f"  Call it with a softphone on this machine. Enter ends it, and so do {WAIT_SECONDS:.0f} s.")
                select.select([sys.stdin], [], [], WAIT_SECONDS)
    print()


def _configuration(directory: Path, port: int) -> str:
    speech = "" if shutil.which(SPEAKS) else _list("speech_command", [sys.executable, str(EXAMPLES / "tones.py")])
    places = "".join(
        f"{name} = {json.dumps(str(directory / name))}\n" for name in ("sounds", "recordings", "cache", "records")
    )
    return f"[sip]\n{_list('listen', [f'udp:{HOST}:{port}'])}{speech}[voice]\n{places}"


def _list(name: str, values: list[str]) -> str:
    return f"{name} = {json.dumps(values)}\n"


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_until_bound(port: int) -> None:
    # The socket that `daemon` waits for is there before the agent is.
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                return
        time.sleep(0.02)
    raise DemoError("the SIP agent did not start")


def _call(directory: Path, port: int) -> CallRecord:
    from tests.acceptance.sipp import Sipp  # noqa: PLC0415 - it needs the acceptance tests' programs

    caller = Sipp(directory, "menu_caller", CALLER, options=(f"{HOST}:{port}", "-s", NUMBER, "-key", "digit", KEY))
    try:
        caller.finish()
    except (
        AssertionError,
        subprocess.TimeoutExpired,
    ) as error:  # how the acceptance tests' programs say that something did not happen
        raise DemoError(f"the call to the script: {error}") from error
    finally:
        caller.stop()
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        for record in islice(newest(directory / "records"), 1):
            return record
        time.sleep(0.02)
    raise DemoError("the call has no record")
