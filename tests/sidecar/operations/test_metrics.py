"""What the metrics count, what a scrape shows of its sources, and what both cost."""

import math
import re
import timeit
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sidecar.operations.metrics import (
    STAGE_BOUNDS_MICROS,
    STAGES,
    CatalogState,
    DecisionMetrics,
    OwnProcess,
    Sources,
    registry,
)
from sidecar.operations.records import DecisionRecord

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "operations.md"

FULL = Sources(
    queue_depth=lambda: {"fast": 3, "slow": 0},
    workers=lambda: {"idle": 1, "running": 2},
    worker_restarts=lambda: {"timed_out": 4},
    script_runs=lambda: {"returned": 10},
    evapi_connected=lambda: {"10.0.0.1:8448": True, "10.0.0.2:8448": False},
    breaker=lambda: {"10.0.0.1:8448": "open"},
    rpc_connections=lambda: {"unix": 2},
    rpc_requests=lambda: {"route": 7},
    rpc_refused=lambda: {"overloaded": 1},
    catalog=lambda: CatalogState(version="3f2a", reload_succeeded=False, reload_time=1234.5, problems=2),
    confined=lambda: True,
    calls_up=lambda: {"sip": 2},
    calls=lambda: {"hung_up": 6},
    call_workers=lambda: 1,
    log_lines_dropped=lambda: 5,
)


def decided(outcome: str = "returned", code: int = 0, **micros: int) -> DecisionRecord:
    return DecisionRecord(
        call_id="1",
        direction="termination",
        outcome=outcome,
        decision="reject" if code else "route",
        code=code,
        destinations_in=1,
        destinations_out=1,
        micros=micros,
    )


def value(own: CollectorRegistry, name: str, **labels: str) -> float | None:
    return own.get_sample_value(name, labels)


def test_decisions_and_rejects() -> None:
    decisions = DecisionMetrics()
    own = registry(decisions, Sources())
    for record in (decided(), decided(), decided("sip_error", 404), decided("timed_out", 503)):
        decisions.decided(record)
    assert value(own, "scriptforge_decisions_total", outcome="returned", action="route") == 2
    assert value(own, "scriptforge_decisions_total", outcome="sip_error", action="reject") == 1
    assert value(own, "scriptforge_rejected_total", code="404") == 1
    assert value(own, "scriptforge_rejected_total", code="503") == 1


@given(micros=st.lists(st.integers(0, 10_000_000), min_size=1))
def test_buckets_are_cumulative_and_inclusive(micros: list[int]) -> None:
    decisions = DecisionMetrics()
    own = registry(decisions, Sources())
    for number in micros:
        decisions.decided(decided(total=number))
    name = "scriptforge_stage_seconds"
    for bound in STAGE_BOUNDS_MICROS:
        expected = sum(number <= bound for number in micros)
        assert value(own, f"{name}_bucket", stage="total", le=str(bound / 1e6)) == expected
    assert value(own, f"{name}_bucket", stage="total", le="+Inf") == len(micros)
    assert value(own, f"{name}_count", stage="total") == len(micros)
    total = value(own, f"{name}_sum", stage="total")
    assert total is not None
    assert math.isclose(total, sum(micros) / 1e6)


@pytest.mark.parametrize("bound", STAGE_BOUNDS_MICROS)
def test_a_bound_belongs_to_its_bucket(bound: int) -> None:
    decisions = DecisionMetrics()
    own = registry(decisions, Sources())
    decisions.decided(decided(total=bound))
    decisions.decided(decided(total=bound + 1))
    assert value(own, "scriptforge_stage_seconds_bucket", stage="total", le=str(bound / 1e6)) == 1


def test_stage_names_cannot_grow_for_ever() -> None:
    decisions = DecisionMetrics()
    own = registry(decisions, Sources())
    for number in range(STAGES + 10):
        decisions.decided(decided("returned", 0, **{f"stage{number}": 1}))
    assert generate_latest(own).count(b"scriptforge_stage_seconds_count") == STAGES


def test_every_source_is_shown() -> None:
    own = registry(DecisionMetrics(), FULL)
    peer = "10.0.0.1:8448"
    assert value(own, "scriptforge_queue_depth", lane="fast") == 3
    assert value(own, "scriptforge_workers", state="running") == 2
    assert value(own, "scriptforge_worker_restarts_total", cause="timed_out") == 4
    assert value(own, "scriptforge_script_runs_total", outcome="returned") == 10
    assert value(own, "scriptforge_evapi_connected", peer=peer) == 1
    assert value(own, "scriptforge_evapi_connected", peer="10.0.0.2:8448") == 0
    assert value(own, "scriptforge_kamailio_breaker", peer=peer, state="open") == 1
    assert value(own, "scriptforge_kamailio_breaker", peer=peer, state="closed") == 0
    assert value(own, "scriptforge_rpc_connections", socket="unix") == 2
    assert value(own, "scriptforge_rpc_requests_total", method="route") == 7
    assert value(own, "scriptforge_rpc_refused_total", reason="overloaded") == 1
    assert value(own, "scriptforge_catalog_info", version="3f2a") == 1
    assert value(own, "scriptforge_catalog_reload_success") == 0
    assert value(own, "scriptforge_catalog_reload_timestamp_seconds") == 1234.5
    assert value(own, "scriptforge_catalog_problems") == 2
    assert value(own, "scriptforge_confined") == 1
    assert value(own, "scriptforge_calls_up", driver="sip") == 2
    assert value(own, "scriptforge_calls_total", outcome="hung_up") == 6
    assert value(own, "scriptforge_call_workers") == 1
    assert value(own, "scriptforge_log_lines_dropped_total") == 5


def test_no_catalog_is_not_a_failed_reload() -> None:
    assert value(registry(DecisionMetrics(), Sources()), "scriptforge_catalog_reload_success") is None


def test_process_without_proc_stat(tmp_path: Path) -> None:
    """ProcSubset=pid leaves the process's own directory and nothing else of /proc."""
    (tmp_path / "self").symlink_to("/proc/self")
    own = CollectorRegistry()
    OwnProcess(proc=str(tmp_path), registry=own)
    assert (value(own, "process_resident_memory_bytes") or 0) > 1_000_000
    assert (value(own, "process_cpu_seconds_total") or 0) > 0


def test_the_page_parses_and_every_sample_has_its_family() -> None:
    decisions = DecisionMetrics()
    decisions.decided(decided(total=5))
    page = generate_latest(registry(decisions, FULL)).decode()
    families = list(text_string_to_metric_families(page))
    assert {family.name for family in families} >= {"scriptforge_decisions", "process_open_fds"}
    assert all(family.documentation for family in families)


def test_the_documented_table_is_the_registry() -> None:
    """Every name in the table of docs/operations.md, with its labels, and no other."""
    decisions = DecisionMetrics()
    decisions.decided(decided("sip_error", 404, total=5))
    shown: dict[str, set[str]] = {}
    for family in registry(decisions, FULL).collect():
        for sample in family.samples:
            name = re.sub("_(bucket|sum|count)$", "", sample.name) if family.type == "histogram" else sample.name
            shown.setdefault(name, set()).update(set(sample.labels) - {"le"})
    rows = re.findall(r"^\| `((?:scriptforge|process)_\w+)` \|([^|]*)\|", DOCUMENTATION.read_text(), re.M)
    assert {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows} == shown
    assert len(rows) == len(shown)


@pytest.mark.parametrize("label", ['a"b', "a\\b", "a\nb"])
def test_hostile_labels_are_escaped(label: str) -> None:
    own = registry(DecisionMetrics(), Sources(rpc_requests=lambda: {label: 1}))
    (family,) = (
        family
        for family in text_string_to_metric_families(generate_latest(own).decode())
        if family.name == "scriptforge_rpc_requests"
    )
    assert family.samples[0].labels == {"method": label}


def test_cost() -> None:
    """0.9 us for a decision of six stages; 2 ms for a scrape of 400 series. Margins for a busy machine."""
    decisions = DecisionMetrics()
    record = decided(parse=15, queue=12, script=60, adapt=20, encode=15, total=190)
    assert min(timeit.repeat(partial(decisions.decided, record), number=2_000, repeat=7)) / 2_000 < 3e-6
    own = registry(decisions, FULL)
    assert min(timeit.repeat(partial(generate_latest, own), number=5, repeat=5)) / 5 < 10e-3
