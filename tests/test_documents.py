"""What the documents show is so: commands run as printed, scripts do what is said of them, bytes are the bytes."""

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgpack
import pytest

from sandbox.outcome import Location, LogLine, Threw
from sidecar.calls.service import ENDING_SECONDS
from sidecar.catalog.compile import make_script
from sidecar.catalog.model import Assignment, Snapshot
from sidecar.cli.call_data import read_request
from sidecar.cli.decision_text import EXIT_STATUS
from sidecar.cli.run import UNEXPECTED
from sidecar.configuration.tree import Configuration, LogSection
from sidecar.decisions.deciding import Decided
from sidecar.decisions.decisions import Decisions
from sidecar.decisions.service import ended_decision
from sidecar.kind import Kind
from sidecar.language.check import check_script
from sidecar.operations.hand_over import HandOver
from sidecar.operations.metrics import DecisionMetrics, registry
from sidecar.operations.notify import Notifier
from sidecar.operations.records import DecisionLog
from sidecar.operations.shutdown import STEP_SECONDS, Phase
from sidecar.runs.outcomes import OutcomeName
from sidecar.sip_answer import SipAnswer
from sipio.routing import Action, RoutingRequest, pack_routing, unpack_routing
from sipio.rpc.errors import ErrorCode
from sipio.rpc.messages import RequestReceived, decode_message
from tests.acceptance.processes import free_port
from tests.acceptance.raw_sip import raw_caller
from tests.doubles.engine_runner import EngineRunner
from tests.doubles.memory_pools import MemoryPool
from tests.sidecar.operations.test_metrics import decided as decision_of
from tests.sidecar.operations.test_metrics import full

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
WRITING = ROOT / "docs" / "writing-scripts.md"
SOCKET = ROOT / "docs" / "socket.md"
OPERATIONS = ROOT / "docs" / "operations.md"
GLOSSARY = ROOT / "docs" / "glossary.md"
DOCUMENTS = [README, WRITING, SOCKET]
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
LONG = ("scriptforge bench",)
"""Not run here: they have tests of their own."""


def blocks(file: Path, language: str) -> list[tuple[str, str]]:
    """What follows the language, and the content, of each fenced block."""
    return re.findall(rf"^```{language}\b ?([^\n]*)\n(.*?)^```$", file.read_text(), re.MULTILINE | re.DOTALL)


def commands(file: Path) -> list[str]:
    return [line for _, block in blocks(file, "sh") for line in block.splitlines() if not line.startswith("#")]


def run(command: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    allowed = {0, EXIT_STATUS["sip_error"]} if "do-not-call" in command else {0}
    assert done.returncode in allowed, f"{command}\n{done.stdout}{done.stderr}"


@contextmanager
def serving(command: str, socket: Path, environment: dict[str, str]) -> Iterator[None]:
    with subprocess.Popen(
        ["bash", "-euc", f"exec env {command}"], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    ) as process:
        try:
            deadline = time.monotonic() + 20
            while not socket.is_socket():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.timeout(400)
def test_every_command_runs_as_printed(tmp_path: Path) -> None:
    """In one environment, in the order of the documents, with the daemon that the README starts."""
    socket = tmp_path / "scriptforge.sock"
    binaries = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "SCRIPTFORGE_METRICS__LISTEN": "",  # another daemon on this machine may have the port
    }
    printed = [line.replace("/tmp/scriptforge.sock", str(socket)) for file in DOCUMENTS for line in commands(file)]
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    (serve,) = [line for line in printed if line.endswith(" serve")]
    ran = 0
    with serving(serve, socket, environment):
        for line in printed:
            if line == serve or line.startswith(LONG):
                continue
            if line.startswith("make "):
                assert line.removeprefix("make ") in targets
            elif line == ". .venv/bin/activate":
                continue  # PATH above stands for it: the tests may run in another environment
            else:
                assert shlex.split(line)[0] == "scriptforge"
                run(line, environment)
                ran += 1
    assert ran >= 7


def test_the_sip_daemon_of_the_readme_is_called_at_the_address_that_it_finds(tmp_path: Path) -> None:
    (block,) = re.findall(r"(?:^    .*\n)+", README.read_text().partition("Then by SIP.")[2], re.MULTILINE)[:1]
    *before, serve = textwrap.dedent(block).replace("\\\n", " ").splitlines()
    port = free_port("0.0.0.0")
    binaries = Path(sys.executable).parent
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SCRIPTFORGE_")},
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "SCRIPTFORGE_METRICS__LISTEN": "",  # another daemon on this machine may have the port
        "SCRIPTFORGE_VOICE__CACHE": str(tmp_path),
    }
    assert serve.count(":5060") == 1
    commands = "; ".join([*before, "echo $address", "exec env " + serve.replace(":5060", f":{port}")])
    with subprocess.Popen(
        ["bash", "-euc", commands], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            address = process.stdout.readline().strip()
            assert any('"action":"serving"' in line for line in iter(process.stderr.readline, ""))
            with raw_caller((address, port), "100", host=address) as caller:
                caller.up()
                caller.bye()
        finally:
            process.terminate()
            process.wait(20)
            process.communicate()


def test_what_commands_print_is_what_the_readme_shows() -> None:
    text = README.read_text()
    command = next(line for line in commands(README) if line.startswith("scriptforge run"))
    done = subprocess.run(
        [Path(sys.executable).with_name("scriptforge"), *shlex.split(command)[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    shown = "\n".join(f"    {line}".rstrip() for line in done.stdout.splitlines() if not line.startswith("time "))
    assert shown in text


def anchors(file: Path) -> set[str]:
    """What a page's titles are called in links."""
    text = re.sub(r"^```.*?^```$", "", file.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_links_lead_somewhere(file: Path) -> None:
    missing = []
    for link in re.findall(r"\]\((?!http)([^)]+)\)", file.read_text()):
        path, _, anchor = link.partition("#")
        page = file.parent / path if path else file
        if not page.exists() or (anchor and page.suffix == ".md" and anchor not in anchors(page)):
            missing.append(link)
    assert missing == []


def test_every_page_is_in_the_readme() -> None:
    text = README.read_text()
    assert [page.name for page in PAGES if page.parent.name == "docs" and f"(docs/{page.name})" not in text] == []


CALL = read_request(str(ROOT / "examples" / "calls" / "header-add.json"), "")
VARIABLES = {"schedule": {"first_hour": 0}, "tariff": {"name": "gold"}}


def decide(text: str, kind: Kind) -> Decided:
    script = make_script(id="s", name="s.js", kind=kind, text=text)
    assignment = Assignment(script_id="s", timeout_ms=1000, timeout_action=None, error_action=None, variables=VARIABLES)
    snapshot = Snapshot(scripts={"s": script}, routes={(CALL.customer, CALL.route): assignment}, dids={})
    decided: list[Decided] = []
    decisions = Decisions(EngineRunner(), Configuration(), snapshot, decided.append)
    decisions.route(CALL, lambda _decision: None)
    return decided[0]


SCRIPTS = blocks(WRITING, "js")
EXPECTED: list[tuple[str, Any]] = [
    ("function main(data) {\n  return data", "unchanged"),
    ("vars()", "cli"),
    ("data.sip", [("X-Diverted", "no"), ("X-Agents", "0")]),
    ("X-Customer-ID', value: 1234", [("X-Customer-ID", "1234")]),
    ("egress_routing.headers", [("X-Customer-ID", "1234")]),
    ("X-Priority", "changed"),
    ("X-Internal", ["X-Internal"]),
    ("X-Tariff", [("X-Tariff", "gold")]),
    ("sort(", "frankfurt"),
    ("'madrid' in", 2),
    ("442079460101", "442079460101"),
    ("^00", "unchanged"),
    ("603 Not To Germany", 603),
    ("Promise.reject", 404),
    ("first_hour", "unchanged"),
    ("CORRELATION_ID", "unchanged"),
]


@pytest.mark.parametrize(("index", "expected"), list(enumerate(EXPECTED)))
def test_scripts_do_what_is_said_of_them(index: int, expected: tuple[str, Any]) -> None:
    assert len(SCRIPTS) == len(EXPECTED)
    info, text = SCRIPTS[index]
    contained, result = expected
    assert contained in text
    kind = Kind.APP if info == "app" else Kind.SCRIPT
    assert check_script(text, kind, "s.js") == ()
    decided = decide(text, kind)
    decision = decided.decision
    assert decided.failure is None
    destinations = unpack_routing(decision.routing)["egress_routing"]
    if decision.action is Action.REJECT:
        assert decision.code == result
    elif result == "unchanged":
        assert unpack_routing(decision.routing) == unpack_routing(CALL.routing)
    elif result == "cli":
        assert unpack_routing(decision.routing)["cli"] == "442079460100"
    elif result == "changed":
        assert destinations[0]["headers"] == [{"key": "X-Priority", "value": "high"}]
    elif result == 2:
        assert len(destinations) == 2
    elif result == "frankfurt":
        assert list(destinations[0]["gw"]) == ["frankfurt"]
    elif isinstance(result, str):
        clis = [gateway["cli"] for destination in destinations for gateway in destination["gw"].values()]
        assert clis == [result, "442079460100", "442079460100"]
    else:
        assert result in (decision.headers.add, decision.headers.remove)


def test_the_table_of_exit_statuses_is_complete() -> None:
    numbers = {int(number) for number in re.findall(r"^\| (\d+) \|", WRITING.read_text(), re.MULTILINE)}
    assert numbers == set(EXIT_STATUS.values()) | {1, 2, UNEXPECTED}


def test_the_socket_page_names_every_outcome_error_and_cap() -> None:
    text = SOCKET.read_text()
    missing = [outcome for outcome in EXIT_STATUS if f"`{outcome}`" not in text]
    class_5 = {ErrorCode.CALL_EXISTS, ErrorCode.UNKNOWN_CALL}
    missing += [code for code in ErrorCode if code not in class_5 and f"`{code}`" not in text]
    assert missing == []


def test_the_bytes_of_the_socket_page() -> None:
    """Each ``->`` and ``<-`` in bytes is a whole message."""
    text = SOCKET.read_text()
    found = re.findall(r"^    (->|<-) ((?:[0-9a-f]{2}(?:\s+|$))+)", text, re.MULTILINE)
    assert len(found) == 4
    messages = [msgpack.unpackb(bytes.fromhex("".join(digits.split()))) for _, digits in found]
    assert messages[0] == [0, 1, "ping", []]
    assert messages[1] == [1, 1, None, "pong"]
    request = decode_message(bytes.fromhex("".join(found[2][1].split())))
    assert isinstance(request, RequestReceived)
    assert messages[2][2:] == [
        "route",
        [
            {
                "call_id": "a",
                "customer": "acme",
                "route": "do-not-call",
                "routing": {"dest_number": "493099950001"},
            }
        ],
    ]
    assert messages[3] == [0, 5, "nope", []]


def test_the_drain_table_is_the_order_and_the_time_of_the_end() -> None:
    """docs/operations.md has a line for each step, and one for each part of the drain that takes time of its own."""
    table = OPERATIONS.read_text().partition("| step | at most |\n|---|---|\n")[2].partition("\n\n")[0]
    limits = [line.strip("| ").rpartition(" | ")[2] for line in table.splitlines()]
    configuration = Configuration()
    drain = configuration.shutdown.drain_seconds
    hand_over = HandOver((), Notifier(), patience_seconds=drain)
    steps = {phase: f"{seconds:g} s" for phase, seconds in STEP_SECONDS.items()}
    assert limits == [
        steps[Phase.REFUSE_CALLS],
        steps[Phase.TELL_STOPPING],
        f"`voice.drain_seconds`, {configuration.voice.drain_seconds:g} s",
        f"{ENDING_SECONDS:g} s",
        f"`shutdown.drain_seconds`, {drain:g} s, and {hand_over.longest_seconds - drain:.1f} s",
        steps[Phase.STOP_ACCEPTING],
        f"`shutdown.drain_seconds`, {drain:g} s",
        steps[Phase.CANCEL_REST],
        steps[Phase.CLOSE_SOCKETS],
        steps[Phase.STOP_WORKERS],
        steps[Phase.FLUSH_LOGS],
    ]


def test_the_sample_record_is_one_that_the_log_would_have() -> None:
    """docs/operations.md: its fields, in their order, are those of such a decision."""
    text = OPERATIONS.read_text()
    sample = "".join(line.strip() for line in text[text.index('    {"time":') : text.index("(one line")].splitlines())
    shown = json.loads(sample)
    runner = MemoryPool()
    script = make_script(id=shown["script"], name="time-of-day.js", kind=Kind.APP, text="")
    script = replace(script, version=shown["script_version"])
    answer = SipAnswer(shown["code"], shown["reason"])
    assignment = Assignment(script_id=script.id, timeout_ms=1000, timeout_action=None, error_action=answer)
    routes = {(shown["customer"], shown["route"]): assignment}
    decided: list[Decided] = []
    snapshot = Snapshot(scripts={script.id: script}, routes=routes, dids={})
    decisions = Decisions(runner, Configuration(), snapshot, decided.append)
    request = RoutingRequest(
        call_id=shown["call_id"],
        customer=shown["customer"],
        route=shown["route"],
        routing=pack_routing(
            {
                "cli": shown["cli"],
                "dest_number": shown["dest_number"],
                "egress_routing": [{"gw": {gateway: {}}} for gateway in shown["gateways_in"]],
            }
        ),
    )
    decisions.route(request, lambda _decision: None)
    name, _, message = shown["error"].partition(": ")
    file, line, column = shown["error_location"].split(":")
    lines = [LogLine("log", "")] * shown["console_lines"]
    runner.runs[0].end(Threw(file, name, message, Location(int(line), int(column))), *lines)
    written: list[bytes] = []
    output: Any = SimpleNamespace(write=written.append)
    DecisionLog(LogSection(), output).decided(ended_decision(decided[0]))
    logged = json.loads(written[0])
    assert list(logged) == list(shown)
    assert list(logged["micros"]) == list(shown["micros"])
    changing = {"time", "micros"}
    assert {key: value for key, value in logged.items() if key not in changing} == {
        key: value for key, value in shown.items() if key not in changing
    }
    assert shown["micros"]["total"] == sum(shown["micros"].values()) - shown["micros"]["total"]


def test_the_table_of_metrics_is_the_registry() -> None:
    """Every name in the table of docs/operations.md, with its labels, and no other."""
    decisions = DecisionMetrics()
    decisions.decided(decision_of("sip_error", 404, total=5))
    shown: dict[str, set[str]] = {}
    for family in registry(decisions, *full()).collect():
        for sample in family.samples:
            name = re.sub("_(bucket|sum|count)$", "", sample.name) if family.type == "histogram" else sample.name
            shown.setdefault(name, set()).update(set(sample.labels) - {"le"})
    rows = re.findall(r"^\| `((?:scriptforge|process)_\w+)` \|([^|]*)\|", OPERATIONS.read_text(), re.M)
    assert {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows} == shown
    assert len(rows) == len(shown)


def test_the_glossary_has_every_outcome_and_names_what_is_there() -> None:
    text = GLOSSARY.read_text()
    (outcomes,) = re.findall(r"^\| outcome \|(.*)\|$", text, re.M)
    assert set(re.findall(r"`([a-z_]+)`", outcomes)) == set(OutcomeName)
    paths = re.findall(r"`((?:sandbox|sipio|sidecar)[a-z_/.]*)`", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert len(paths) > 20
