"""Each script of docs/voice.md, unchanged, on every driver and on the terminal phone: each does the same."""

import asyncio
import os
import pty
import re
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from sidecar.cli.call_timeline import timeline
from sidecar.operations.call_record import CallRecord
from sidecar.phone.keys import read_keys
from tests.acceptance.example_callers import Caller, FreeswitchCaller, RpcCaller, SipCaller
from tests.acceptance.freeswitch_live import FREESWITCH, SIDECAR_PORT, needs_freeswitch
from tests.acceptance.processes import free_port
from tests.acceptance.serving import SCRIPTFORGE
from tests.acceptance.voice_daemon import VoiceDaemon, write_wav
from tests.sipio.media.media_doubles import tone

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "voice.md").read_text()
SCRIPTS = dict(re.findall(r"^```js (\S+)\.js\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = [
    line for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) for line in block.splitlines()
]


class Example(NamedTuple):
    """How a script is called, and what its record must say on every driver."""

    script: str
    keys: str
    actions: list[str]
    """As in the timeline: the action and its result."""
    end: list[str]
    """Who ended it and how, the log, the script's own end."""
    from_user: str = "4420"
    expect: tuple[str, ...] = ()
    at_once: tuple[str, ...] = ()
    """Actions that take no time: nothing is played, since all their keys had been pressed before."""


ANSWER = "answer: done"
AT_ONCE_SECONDS = 0.25
"""Less than the shortest prompt takes, 0.3 s."""
WELCOME_SECONDS = 1.5
"""Long enough to type into it: four keys take 0.8 s."""
EXAMPLES = [
    Example(
        "hello",
        "",
        [ANSWER, "tts Hello. You have called hello: done", "hangup: done"],
        ["ended by script, cause 16", "answered", "script: returned"],
        expect=("Hello. You have called hello",),
    ),
    Example(
        "bookkeeping",
        "wait 3,hangup",
        [ANSWER, "echo 0: hung up"],
        ["ended by caller, cause 16", "log: ended by caller", "answered", "script: returned"],
    ),
    Example(
        "menu",
        "2,1234",
        [ANSWER, "ivr ivr/menu.wav: success 2", "ivr: success 1234", "tts Correct: done"],
        ["ended by script, cause 16", "answered", "script: returned"],
        expect=("ivr/menu.wav", "Correct"),
    ),
    Example(
        "menu",
        "1",
        [ANSWER, "ivr ivr/menu.wav: success 1", "tts Sales is closed: done"],
        ["ended by script, cause 16", "answered", "script: returned"],
        expect=("Sales is closed",),
    ),
    Example(
        "ahead",
        "ahead 2305",
        [
            ANSWER,
            "play ivr/welcome.wav: done",
            "ivr ivr/menu.wav: success 2",
            "ivr ivr/menu.wav: success 305",
            "tts Department 2, extension 305: done",
        ],
        ["ended by script, cause 16", "answered", "script: returned"],
        expect=("ivr/welcome.wav", "Department 2, extension 305"),
        at_once=("ivr ivr/menu.wav",),
    ),
    Example(
        "connect",
        "busy,noanswer,#",
        [
            "bridge sip:alice@127.0.0.1:5080 sip:bob@127.0.0.1:5080: no_answer 480",
            ANSWER,
            "tts Nobody is there. Please leave a message.: done",
            "record message: done",
            "hangup: done",
        ],
        ["ended by script, cause 16", "recorded message", "log: no_answer", "answered", "script: returned"],
        expect=("ivr/waiting.wav", "Nobody is there"),
    ),
    Example(
        "connect",
        "busy,answer,end",
        ["bridge sip:alice@127.0.0.1:5080 sip:bob@127.0.0.1:5080: completed 200"],
        ["ended by script, cause 16", "log: completed", "answered", "script: returned"],
    ),
    Example(
        "refuse",
        "",
        [],
        ["ended by script, cause 1", "SIP 404", "never answered", "script: sip error"],
        expect=("404 Not Found",),
    ),
    Example(
        "refuse",
        "",
        [],
        ["ended by script, cause 21", "SIP 603", "never answered", "script: sip error"],
        from_user="9991",
        expect=("603 Decline",),
    ),
    Example(
        "newer",
        "",
        [ANSWER, "play ivr/welcome.wav: done"],
        ["ended by script, cause 16", "answered", "script: returned"],
        expect=("ivr/welcome.wav",),
    ),
]


def actions_of(text: str) -> list[str]:
    """Of a timeline: each action and its result, without times and what the other parties did meanwhile."""
    return [
        f"{found[1].strip()}: {found[2]}"
        for found in re.finditer(r"^ +[\d.]+  (\S.*?) +[\d.]+ s  (.*)$", text, re.MULTILINE)
    ]


def end_of(text: str) -> list[str]:
    """The rest of it, from the line that says who ended the call."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if re.match(r" +[\d.]+  ended by", line))
    found = [line.strip() for line in lines[first + 1 :] if not line.startswith("not played")]
    end = re.match(r" +[\d.]+  (ended by \w+, cause \d+)", lines[first])
    assert end is not None
    code = re.search(r"SIP \d+", lines[first])
    return [end[1], *([code[0]] if code else []), *(re.sub(r"^answered for.*", "answered", line) for line in found)]


def check(example: Example, text: str) -> None:
    """Whether a timeline is the example's."""
    assert actions_of(text) == example.actions, text
    assert end_of(text) == example.end, text
    for action in example.at_once:
        took = re.findall(rf"^ +[\d.]+  {re.escape(action)} +([\d.]+) s  ", text, re.MULTILINE)
        assert took, text
        assert max(map(float, took)) < AT_ONCE_SECONDS, text
    assert "warning" not in text


NUMBERS = {name: str(7_001 + index) for index, name in enumerate(SCRIPTS)}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[VoiceDaemon, int]]:
    directory = tmp_path_factory.mktemp("voice")
    speech = write_wav(directory / "speech.wav", tone(500, 0.3))
    port = SIDECAR_PORT if FREESWITCH else free_port("127.0.0.1", socket.SOCK_STREAM)
    made = VoiceDaemon(
        directory,
        SCRIPTS,
        voice=f'cache = "{directory}/cache"',
        sip=f'speech_command = ["cat", "{speech}"]',
        more=f'[freeswitch]\nlisten = "127.0.0.1:{port}"\n',
        routes="".join(
            f'[[destination]]\ndestination = "{number}"\nscript = "{name}"\ncustomer = "acme"\n'
            for name, number in NUMBERS.items()
        ),
    )
    for name, seconds in (("menu", 0.3), ("waiting", 0.3), ("welcome", WELCOME_SECONDS)):
        write_wav(made.sounds / "ivr" / f"{name}.wav", tone(700, seconds))
    yield made.ready(), port
    made.stop()


@pytest.fixture(params=["sip", "freeswitch", "rpc"])
def caller(request: pytest.FixtureRequest, daemon: tuple[VoiceDaemon, int]) -> Caller:
    serving, port = daemon
    # Each call is the first one: a name that another's recording has would not be given to it.
    shutil.rmtree(serving.recordings, ignore_errors=True)
    if request.param == "sip":
        return SipCaller(serving.uri, serving.sounds / "ivr" / "menu.wav")
    if request.param == "freeswitch":
        return FreeswitchCaller(port)
    return RpcCaller(f"unix:{serving.serving.socket}")


def name_of(example: Example) -> str:
    return f"{example.script}-{example.keys or example.from_user}"


async def record_of(daemon: VoiceDaemon, call_id: str) -> str:
    """The timeline of a call."""
    line = await asyncio.to_thread(daemon.record, call_id)
    names = {field.name for field in msgspec.structs.fields(CallRecord)}
    return timeline(msgspec.convert({name: value for name, value in line.items() if name in names}, CallRecord))


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
async def test_on_a_driver(example: Example, caller: Caller, daemon: tuple[VoiceDaemon, int]) -> None:
    call_id = await caller.call(example.script, example.from_user, read_keys(example.keys))
    check(example, await record_of(daemon[0], call_id))


@needs_freeswitch
@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
async def test_on_a_real_freeswitch(example: Example, daemon: tuple[VoiceDaemon, int]) -> None:
    serving = daemon[0]
    serving.recordings.mkdir(exist_ok=True)
    number = NUMBERS[example.script]
    caller = SipCaller(lambda called: f"sip:{called}@{FREESWITCH}", serving.sounds / "ivr" / "menu.wav")
    call_id = await caller.call(number, example.from_user, read_keys(example.keys))
    check(example, (await record_of(serving, call_id)).replace(f"called {number}", f"called {example.script}"))


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_in_the_terminal(example: Example, tmp_path: Path) -> None:
    script = tmp_path / f"{example.script}.js"
    script.write_text(SCRIPTS[example.script])
    command = [SCRIPTFORGE, "call", str(script), "--from", example.from_user, "--to", example.script]
    command += ["--keys", example.keys, *(word for text in example.expect for word in ("--expect", text))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    check(example, done.stdout)


def test_every_script_of_the_page_has_its_example() -> None:
    assert {example.script for example in EXAMPLES} == set(SCRIPTS)


def test_every_command_of_the_page_runs_as_printed(tmp_path: Path) -> None:
    """In a terminal, beside the page's scripts, with a call's record kept."""
    for name, text in SCRIPTS.items():
        (tmp_path / f"{name}.js").write_text(text)
    keep_record(tmp_path / "calls")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SCRIPTFORGE_")},
        "PATH": f"{Path(SCRIPTFORGE).parent}:{os.environ['PATH']}",
        "SCRIPTFORGE_VOICE__RECORDS": str(tmp_path / "calls"),
        "CI": "true",  # nothing is heard
    }
    printed = {command: in_a_terminal(command, tmp_path, environment) for command in COMMANDS}
    assert len(printed) == 4
    for command, text in printed.items():
        shown = "call CALL-ID" if "CALL-ID" in command else "script: returned"
        assert shown in text, (command, text)


def keep_record(directory: Path) -> None:
    record = CallRecord(
        id="CALL-ID", driver="sip", cli="4420", dest_number="100", arrived=1e9, ended=1.0, hangup_by="caller",
        cause=16, outcome="returned",
    )  # fmt: skip
    directory.mkdir()
    (directory / "calls-2001-09-09.jsonl").write_bytes(msgspec.json.encode(record) + b"\n")


def in_a_terminal(command: str, directory: Path, environment: dict[str, str]) -> str:
    """What it writes to a terminal of its own until it has ended, which must be well."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        ["bash", "-euc", command], cwd=directory, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        written = b""
        deadline = time.monotonic() + 30
        try:
            while select.select([ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
                piece = os.read(ours, 4096)
                if not piece:
                    break
                written += piece
        except OSError:
            process.wait(10)  # how Linux says that nobody has the terminal any more
        finally:
            process.kill()
            os.close(ours)
    assert process.returncode == 0, (command, written)
    return written.decode()
