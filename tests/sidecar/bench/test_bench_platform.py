"""The bench of what is wanted of the platform: each row is of the figure that its words name."""

import sys
from pathlib import Path

import msgspec
import pytest

from bench import http_runs, platform, questions, sections, tenant_limits
from bench.goals import Found
from bench.http_runs import Served
from bench.questions import Questions

FOUND = Questions(
    get_micros=140.0,
    incr_micros=410.0,
    incrs_a_second=6_000.0,
    gets_a_second=9_000.0,
    asking_ratio=1.9,
    asking_cpu_ratio=2.1,
    alone_ratio=2.2,
)


async def asked(_seconds: float) -> Questions:
    return FOUND


async def served(_runs: int) -> list[Served]:
    return [Served(1, 3_000.0, 0.3, 0.6), Served(16, 1_400.0, 2.9, 3.9)]


async def limited(_rounds: int, _seconds: float) -> tuple[float, float]:
    return 1.04, 1.2


def test_every_goal_is_found_and_met_or_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["platform", "--json", str(tmp_path / "rows.json")])
    monkeypatch.setattr(questions, "measure", asked)
    monkeypatch.setattr(http_runs, "measure", served)
    monkeypatch.setattr(tenant_limits, "measure", limited)
    sections.run(platform.__doc__, platform.SECTIONS)
    rows = msgspec.json.decode((tmp_path / "rows.json").read_bytes(), type=list[Found])
    assert [(row.goal, row.value, row.met) for row in rows] == [
        (platform.GET, 140.0, True),
        (platform.INCR, 410.0, False),
        (platform.INCRS, 6_000.0, True),
        (platform.ASKING, 1.9, True),
        (platform.ASKING_CPU, 2.1, False),
        (platform.RUN, 0.3, True),
        (platform.RUNS, 1_400.0, False),
        (platform.LIMITED_DECISIONS, 1.04, True),
        (platform.LIMITED_RUNS, 1.2, False),
    ]
    assert "| cxKV incr a second, 16 runs at once | - | at least 5000 | 6e+03 | met |" in capsys.readouterr().out


async def test_questions_are_asked_of_a_real_daemon() -> None:
    found = await questions.measure(0.05)
    # A busy machine may make anything of the figures; that there is one, and of runs that came to their end, it cannot.
    assert min(found.gets_a_second, found.incrs_a_second, found.asking_ratio, found.alone_ratio) > 0
