"""``scriptforge bench`` runs and reports every case. Nothing here depends on how fast the machine is."""

import itertools
import json
from array import array
from pathlib import Path

import msgspec
import pytest

from sidecar.bench import workload
from sidecar.bench.report import Report
from sidecar.bench.slices import Slice, median_ratio, percentile
from sidecar.cli import bench, main

ROOT = Path(__file__).parents[3]


def slice_of(rate: float) -> Slice:
    return Slice(
        seconds=10 / rate,
        latencies=array("d", [0.001] * 9 + [0.5]),
        server_cpu=0.0,
        workers_cpu=0.0,
        client_cpu=0.0,
    )


def test_every_case_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--seconds", "0.3", "--workers", "1,2", "--scripts", "1,3", "--size", "500,2048", "--in-flight", "1,8"]
    assert main(["bench", *arguments, "--no-node", "--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out, type=Report)
    assert {(one.scripts, one.size) for one in report.inline} == set(itertools.product((1, 3), (500, 2048)))
    cells = {(one.workers, one.scripts, one.size, one.in_flight): one for one in report.cells}
    assert set(cells) == set(itertools.product((1, 2), (1, 3), (500, 2048), (1, 8)))
    assert len(cells) == len(report.cells)
    for case, one in cells.items():
        assert one.server == "daemon"
        assert one.requests_per_second > 0, case
        assert 0 < one.p50_us <= one.p99_us, case
        assert one.of_inline > 0, case
        assert (one.of_one_script > 0) == (one.scripts != 1), case
        assert min(one.server_cpu_us, one.workers_cpu_us, one.client_cpu_us) > 0, case


def test_the_table_has_a_line_for_each_case(capsys: pytest.CaptureFixture[str]) -> None:
    case = ["--workers", "1", "--scripts", "1", "--size", "500", "--in-flight", "1"]
    assert main(["bench", "--seconds", "0.1", "--no-node", *case]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[3:]] == ["inline", "daemon"]


def test_node_is_not_left_out_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "server.mjs"
    program.touch()
    monkeypatch.setattr(bench, "NODE_PROGRAM", program)
    case = ["--workers", "1", "--scripts", "1", "--size", "500", "--in-flight", "1"]
    assert main(["bench", "--seconds", "0.1", *case]) == 0
    told = f"Node is not measured: that needs node, and `npm ci` run in {tmp_path}\n"
    assert capsys.readouterr().err == told
    program.unlink()  # a package has none
    assert main(["bench", "--seconds", "0.1", *case]) == 0
    assert capsys.readouterr().err == ""


def test_the_lock_file_of_the_node_side_is_whole() -> None:
    """Every dependency that a package of it names is locked too: else `npm ci` refuses the file."""
    packages = json.loads((ROOT / "bench" / "node" / "package-lock.json").read_text())["packages"]
    for place, package in packages.items():
        needed = package.get("dependencies", {}) | package.get("optionalDependencies", {})
        for name in needed:
            assert f"node_modules/{name}" in packages or f"{place}/node_modules/{name}" in packages, (place, name)


def test_a_script_of_ones_own_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own.js"
    case = ["--seconds", "0.1", "--no-node", "--workers", "1", "--scripts", "1", "--size", "500", "--in-flight", "1"]
    own.write_text("function main(data) { data.headers = [{ key: 'X-A', value: 1 }]; return data }")
    assert main(["bench", *case, "--script", str(own)]) == 0
    own.write_text("function main() { throw new Error('503 Not measured') }")
    capsys.readouterr()
    assert main(["bench", *case, "--script", str(own)]) == 1
    assert "answered sip_error" in capsys.readouterr().err
    assert main(["bench", *case, "--script", str(tmp_path / "none.js")]) == 1
    assert "none.js cannot be read" in capsys.readouterr().err
    variables = tmp_path / "vars.toml"
    variables.write_text('[tariff]\nname = "gold \\u00e9"\n')
    own.write_text("function main(data) {\n  if (data.tariff.name !== 'gold \u00e9') data.no.such;\n}")
    assert main(["bench", *case, "--script", str(own), "--vars", str(variables)]) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("function main(data) {\n  data.tariff.name;\n}", "own.js:2:3: error: TypeError: cannot read property 'name'"),
        ("function main(data) {\n  const x = ;\n}", "own.js:2:11: error: syntax error"),
        ("async function main(data) { }", "own.js:1:1: error: `async` in a Script"),
    ],
)
def test_a_script_that_fails_is_told_where(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.js"
    own.write_text(text)
    assert main(["bench", "--script", str(own)]) == 1
    error = capsys.readouterr().err
    assert f"{tmp_path}/{said}" in error
    assert "/catalog/" not in error


def test_vars_that_are_none_are_told_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own.js"
    own.write_text("const main = () => {}")
    variables = tmp_path / "vars.toml"
    variables.write_text("a = \n")
    assert main(["bench", "--script", str(own), "--vars", str(variables)]) == 1
    assert "vars.toml:1:" in capsys.readouterr().err


def test_node_without_its_packages_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--node", str(tmp_path / "server.mjs")]) == 1
    assert "npm ci" in capsys.readouterr().err


def test_nothing_is_not_a_case(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "--workers", "1,0"])
    assert "--workers" in capsys.readouterr().err


@pytest.mark.parametrize("size", [1, 2_048, 10_240, 100_000])
def test_a_routing_is_as_large_as_wanted(size: int) -> None:
    length = len(msgspec.json.encode(workload.routing(size)))
    assert length <= max(size, 500)
    assert length > size - 300


def test_ratios_are_of_the_same_round() -> None:
    slow_then_fast = [slice_of(1_000), slice_of(4_000), slice_of(9_000)]
    twice = [slice_of(2_000), slice_of(8_000), slice_of(18_000)]
    assert median_ratio(slow_then_fast, twice) == pytest.approx(0.5)


def test_percentiles_are_of_all_slices_together() -> None:
    assert percentile([slice_of(1_000), slice_of(1_000)], 0.5) == pytest.approx(0.001)
    assert percentile([slice_of(1_000)], 0.99) == pytest.approx(0.5)
