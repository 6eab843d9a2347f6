"""What is wanted of the engine is measured and told. Nothing here depends on how fast the machine is."""

import os
import subprocess
import sys
from array import array
from pathlib import Path

import msgspec
import pytest

from bench import engine, killed_worker, random_kills, suspended
from bench.goals import Found, Goal, table
from bench.memory import proportional_bytes
from sidecar.bench import report
from sidecar.bench.report import Case, Cell
from sidecar.bench.servers import descendants
from sidecar.bench.slices import Slice

LESS = Goal("us a decision", "61 to 88", 35)
MORE = Goal("against isolated-vm", "0.8", 1.3, at_least=True)


@pytest.mark.parametrize(
    ("goal", "value", "met"), [(LESS, 34.9, True), (LESS, 35.1, False), (MORE, 1.31, True), (MORE, 1.29, False)]
)
def test_a_goal_is_met_by_less_or_by_more(goal: Goal, value: float, met: bool) -> None:
    assert Found(goal, value, 0.0).met is met


def test_the_table_has_a_line_for_each_goal() -> None:
    assert table([Found(LESS, 64.26, 4.25), Found(MORE, 1.5, 0.0)]).splitlines()[2:] == [
        "| us a decision | 61 to 88 | at most 35 | 64.3 | missed | 4.2 |",
        "| against isolated-vm | 0.8 | at least 1.3 | 1.5 | met | 0.0 |",
    ]


def test_a_section_is_measured_alone_and_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["engine", "--json", str(tmp_path / "rows.json"), "killed"])
    monkeypatch.setattr(killed_worker, "measure", lambda _kills: killed_worker.Killed([7.0, 9.0, 8.0], [1.0]))
    engine.main()
    out = capsys.readouterr().out
    assert "| worker killed: whole again, p50 ms | 90 to 150 | at most 10 | 8 | met |" in out
    (row,) = msgspec.json.decode((tmp_path / "rows.json").read_bytes(), type=list[Found])
    assert (row.goal, row.value) == (engine.KILLED, 8.0)


def test_a_section_that_there_is_not(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["engine", "killed", "kamalio"])
    with pytest.raises(SystemExit):
        engine.main()
    assert "there is no section kamalio" in capsys.readouterr().err


async def test_workers_killed_at_random_cost_no_decision_and_no_call_but_their_own() -> None:
    found = await random_kills.run(20, 20.0, 50, 200)
    assert found.wrong == []


def test_workers_are_killed_one_after_the_other() -> None:
    measured = killed_worker.measure(2)
    assert len(measured.whole_ms) == 2
    assert all(whole >= answered > 0 for whole, answered in zip(measured.whole_ms, measured.answered_ms, strict=True))


def test_scripts_that_wait_are_measured_in_a_process_of_their_own() -> None:
    if os.geteuid() != 0:
        with pytest.raises(PermissionError):
            suspended.measure(20)
        return
    measured = suspended.measure(20)
    assert measured.bytes_each > 1_000
    assert min(measured.begun_micros, measured.p50_micros) > 0
    assert str(measured).startswith("    20 waiting: ")


def test_memory_is_a_processs_own_share() -> None:
    before = proportional_bytes(os.getpid())
    held = bytearray(b"x" * 30_000_000)
    assert 25_000_000 < proportional_bytes(os.getpid()) - before < 80_000_000, len(held)


def test_all_that_a_process_has_started_is_found() -> None:
    program = "import subprocess,sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert len(descendants(child.pid)) == 1
        assert {child.pid, *descendants(child.pid)} <= set(descendants(os.getpid()))
    assert descendants(child.pid) == ()


def slices(*rates: int) -> list[Slice]:
    return [
        Slice(seconds=1.0, latencies=array("d", [0.001] * rate), server_cpu=0.0, workers_cpu=0.0, client_cpu=0.0)
        for rate in rates
    ]


class _Server:
    name, workers = "daemon", 2


def cell(node: list[Slice] | None) -> Cell:
    found: Cell = report.cell(_Server(), Case(1, 2_048, 64), slices(10, 20, 30), slices(10, 10, 10), None, node)  # type: ignore[arg-type]
    return found


def test_the_ratio_to_node_is_of_the_same_rounds() -> None:
    assert cell(slices(10, 10, 10)).of_node == 2.0
    assert cell(slices(5, 20, 60)).of_node == 1.0
    assert cell(None).of_node == 0.0
