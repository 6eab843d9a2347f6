"""Decisions that are kept: which, in what files, and that each of them goes the same way again."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec import structs

from sandbox.outcome import LogLine
from sidecar.catalog.compile import make_script
from sidecar.catalog.model import Assignment, Script, Snapshot
from sidecar.cli import main
from sidecar.configuration.tree import Configuration, KeptSection
from sidecar.decisions.deciding import Decided
from sidecar.decisions.keeping import keep, kept_decision
from sidecar.decisions.kept import HEAD, KeptDecision, KeptStep
from sidecar.decisions.service import DecisionService
from sidecar.hosts.grants import Grants
from sidecar.hosts.module import Asker, HostModule
from sidecar.kind import Kind
from sidecar.runs.failure import Failure
from sidecar.runs.kept_files import KeptFiles, NotKeptError, packed, unpacked
from sidecar.runs.outcomes import OutcomeName
from sidecar.runs.pool_settings import decision_pool, one_worker
from sidecar.runs.runner import PoolName, Runner
from sidecar.sip_answer import SipAnswer
from sipio.routing import Action, Decision, Direction, RoutingRequest, SipRequest, pack_routing

ROUTING = {"cli": "1", "dest_number": "2", "egress_routing": [{"gw": {"a": {"cli": "1"}}}, {"gw": {"b": {"cli": "1"}}}]}
REQUEST = RoutingRequest(call_id="Call/1", customer="acme", route="uk", routing=pack_routing(ROUTING))

GLOBAL = "function main(data) { data.headers.push({ key: 'X-G', value: Math.random() }); }"
OWN = """
const kv = require('kv');
async function main(data) {
  console.log('begun', Date.now(), Math.random(), data.headers[0].value, data.tariff);
  const credit = await kv.get(data.routing.cli);
  await new Promise((resolve) => setTimeout(resolve, 15));
  data.headers = [{ key: 'X-Credit', value: credit + ' at ' + Date.now() }];
  if (data.routing.dest_number === '2') throw new Error('no tariff for ' + credit + process.env.EXEC_HOST);
}"""


async def _answer(_asker: Asker, method: str, values: list[Any]) -> Any:
    return [method, *values]


KV = HostModule(name="kv", javascript="({ ask }) => ({ get: (key) => ask('get', key) })", answer=_answer)


class Output:
    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def write(self, line: bytes) -> None:
        self.lines.append(json.loads(line))


def script(name: str, text: str, kind: Kind = Kind.SCRIPT) -> Script:
    return make_script(id=name, name=f"{name}.js", kind=kind, text=text)


def assignment(name: str, **variables: Any) -> Assignment:
    return Assignment(script_id=name, timeout_ms=1000, timeout_action=None, error_action=None, variables=variables)


SNAPSHOT = Snapshot(
    scripts={"all": script("all", GLOBAL), "own": script("own", OWN, Kind.APP)},
    routes={("acme", "uk"): assignment("own", tariff={"name": "gold"})},
    dids={"2": assignment("own")},
    first=[assignment("all")],
)


def decide(
    configuration: Configuration, *requests: RoutingRequest, snapshot: Snapshot = SNAPSHOT
) -> tuple[list[Decision], list[dict[str, Any]]]:
    """What a daemon tells the switch and its log."""
    output = Output()

    async def decided() -> list[Decision]:
        runner = Runner({PoolName.DECISIONS: one_worker(decision_pool(configuration))})
        service = DecisionService(configuration, runner, Grants([KV]), cast("Any", output))
        try:
            await service.start()
            service.decisions.use(snapshot)
            answers: list[asyncio.Future[Decision]] = [asyncio.get_running_loop().create_future() for _ in requests]
            for request, answer in zip(requests, answers, strict=True):
                service.decisions.route(request, answer.set_result)
            return await asyncio.gather(*answers)
        finally:
            await service.close()
            await runner.close()

    return asyncio.run(decided()), output.lines


def keeping(directory: Path, scripts: Sequence[str] = ()) -> Configuration:
    return Configuration(kept=KeptSection(directory=directory, scripts=tuple(scripts)))


@pytest.mark.parametrize("direction", list(Direction))
def test_a_decision_that_failed_in_the_daemon_goes_the_same_way_on_a_desk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], direction: Direction
) -> None:
    kept = tmp_path / "kept"
    request = RoutingRequest(
        call_id="Call/1", customer="acme", route="uk", did="2", direction=direction, routing=REQUEST.routing
    )
    [decision], [line] = decide(keeping(kept), request)
    assert decision.outcome == "script_error"
    [file] = kept.iterdir()
    assert line["kept"] == file.name
    assert file.name.endswith("Z-+call=2f1.kept")
    assert (kept.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    for _ in range(2):
        assert main(["run", "--repeat", str(file)]) == 0
        shown = capsys.readouterr().out
        assert line["error"] in shown
        assert "no tariff for get,1" in shown
        assert "console\n  log  begun " in shown
        assert "the same as call Call/1 at 2" in shown


def test_a_script_in_place_of_the_one_that_failed_is_given_all_that_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decide(keeping(tmp_path / "kept"), REQUEST)
    [file] = (tmp_path / "kept").iterdir()
    console = [line.text for line in unpacked(HEAD, file.read_bytes(), KeptDecision).steps[1].run.completion.log]
    mended, other = tmp_path / "mended.js", tmp_path / "other.js"
    (tmp_path / "unknown.js").write_text("export const UNKNOWN = '3'")
    mended.write_text("import { UNKNOWN } from './unknown'\n" + OWN.replace("=== '2'", "=== UNKNOWN"))
    assert main(["run", str(mended), "--repeat", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "+ X-Credit: get,1 at 1" in shown
    assert console[0] in shown
    assert "not the same as call Call/1" in shown
    assert "mended.js, turn 3: it has come to its end, and had ended in own.js:8:" in shown
    other.write_text(OWN.replace("kv.get(data.routing.cli)", "kv.get('7')"))
    assert main(["run", str(other), "--repeat", str(file)]) == 10
    shown = capsys.readouterr().out
    assert 'other.js, turn 1: it asked kv.get("7"), and had asked kv.get("1")' in shown
    assert console[0] in shown
    assert "487 " not in shown, "nobody gave the call up"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("const main = () => new Promise((resolve) => setTimeout(resolve, 9000));", "for what it awaits"),
        ("async function main() { await null; for (;;); }", "it had run for"),
    ],
)
def test_a_decision_whose_time_was_over_comes_to_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    slow = Assignment(script_id="slow", timeout_ms=300, timeout_action=SipAnswer(503, "Slow"), error_action=None)
    scripts = {"slow": script("slow", text, Kind.APP)}
    decide(keeping(tmp_path), REQUEST, snapshot=Snapshot(scripts=scripts, routes={("acme", ""): slow}, dids={}))
    [file] = tmp_path.iterdir()
    assert main(["run", "--repeat", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "REJECT 503 Slow  (slow.js timed out)" in shown
    assert told in shown
    assert "the same as call Call/1" in shown


def test_what_did_not_fail_is_kept_of_scripts_that_are_named(tmp_path: Path) -> None:
    other = RoutingRequest(
        call_id="c2", customer="acme", route="uk", routing=pack_routing({**ROUTING, "dest_number": "3"})
    )
    nobodys = RoutingRequest(call_id="c3", customer="else", routing=REQUEST.routing)
    _, lines = decide(keeping(tmp_path / "own", ["own"]), other, nobodys)
    assert {line["call_id"]: "kept" in line for line in lines} == {"c2": True, "c3": False}
    _, lines = decide(keeping(tmp_path / "none"), other)
    assert "kept" not in lines[0]
    assert not (tmp_path / "none").exists()


def test_nothing_is_recorded_where_nothing_is_kept() -> None:
    told: list[Decided] = []
    _, lines = decide(Configuration(), REQUEST)
    assert "kept" not in lines[0]
    assert told == []


NOTHING = KeptDecision(request=REQUEST, decision=Decision(action=Action.ROUTE, routing=REQUEST.routing), steps=())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "does not begin with 'scriptforge decision 1'"),
        (b"scriptforge decision 2\n", "does not begin with 'scriptforge decision 1'"),
        (HEAD + b"x", "cannot be read"),
        (HEAD, "cannot be read"),
        (packed(HEAD, NOTHING)[:-9], "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_no_kept_decision_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, why: str
) -> None:
    with pytest.raises(NotKeptError, match=why):
        unpacked(HEAD, content, KeptDecision)
    file = tmp_path / "x.kept"
    file.write_bytes(content)
    assert main(["run", "--repeat", str(file)]) == 1
    assert why in capsys.readouterr().err


# ---- as what ----


def failed(call_id: str = "c", script_id: str = "own") -> Decided:
    request = RoutingRequest(call_id=call_id, routing=REQUEST.routing)
    decision = Decision(action=Action.ROUTE, routing=REQUEST.routing)
    failure = Failure(OutcomeName.SCRIPT_ERROR, "bad")
    console: list[tuple[str, LogLine]] = []
    steps: list[KeptStep] = []
    return Decided(request, decision, failure, console, script_id, (), steps)


def test_no_password_of_the_request_is_kept() -> None:
    headers = [("Authorization", "Digest response=1"), ("X-A", "b")]
    decided = failed()
    request = structs.replace(decided.request, sip=SipRequest(headers=headers))
    kept = kept_decision(structs.replace(decided, request=request))
    assert kept.request.sip == SipRequest(headers=[("X-A", "b")])


async def test_a_refusal_by_the_script_is_no_failure(tmp_path: Path) -> None:
    files = KeptFiles(KeptSection(directory=tmp_path))
    refused = structs.replace(failed(), failure=None)
    assert keep(files, refused) == ""
    assert keep(files, failed()) != ""
    await files.close()
