"""What the metrics count, what a scrape shows of its sources, and what both cost."""

import math
import re
import timeit
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from sandbox.pool import PoolState
from sidecar.catalog.compile import make_script
from sidecar.catalog.limits import TenantLimits
from sidecar.configuration.tree import LogSection
from sidecar.hosts.usage import Usage
from sidecar.jobs.metrics import CallEventMetrics, JobMetrics
from sidecar.jobs.schedule_metrics import ScheduleMetrics
from sidecar.jobs.worker_metrics import WorkerMetrics
from sidecar.kind import Kind
from sidecar.logs.logger import open_output
from sidecar.operations.metrics import STAGE_BOUNDS_MICROS, STAGES, DecisionMetrics, OwnProcess, registry
from sidecar.operations.part_metrics import (
    CallMetrics,
    CallsSnapshot,
    CatalogMetrics,
    CatalogState,
    FreeswitchMetrics,
    KamailioMetrics,
    LogMetrics,
    PoolMetrics,
    RecordMetrics,
    RpcMetrics,
    SipMetrics,
)
from sidecar.operations.records import EndedDecision
from sidecar.operations.script_metrics import ScriptMetrics
from sidecar.operations.sharing import SharingMetrics
from sidecar.operations.tenant_metrics import TenantMetrics
from sidecar.queue.job import JobState
from sidecar.queue.looking import Depth
from sidecar.queue.mailbox_looking import MailboxDepth
from sidecar.runs.outcomes import OutcomeName
from sidecar.runs.runner import PoolName
from sidecar.runs.script_counts import OTHER, ScriptCounts
from sipio.freeswitch.server import FreeswitchSnapshot
from sipio.kamailio.snapshot import KamailioSnapshot
from sipio.media.statistics import MediaSnapshot
from sipio.routing import Action, Decision, RoutingRequest, pack_routing
from sipio.rpc.counters import RpcCallsSnapshot, RpcSnapshot
from sipio.sip.counters import SipSnapshot

PEER = KamailioSnapshot(
    peer="10.0.0.1:8448",
    connected=True,
    reconnects=1,
    calls=9,
    in_flight=2,
    answers={"route": 6},
    fallbacks={"overloaded": 3},
    cancelled=4,
    abandoned=5,
    bad_frames=7,
    dropped_destinations=10,
    breaker="open",
    held_bytes=12,
    marks_lost=13,
)
RPC = RpcSnapshot(
    connections=2,
    in_flight=3,
    accepted=4,
    refused_connections={"tls": 6},
    closed={"malformed": 5},
    requests={"route": 7},
    notifications={"cancel": 8},
    ignored_notifications=9,
    errors={"overloaded": 1},
    discarded_answers=10,
    unexpected_responses=11,
)
RPC_CALLS = RpcCallsSnapshot(up=1, offered=14, refused={"limit": 2}, faults={"unknown_call": 3}, failed_actions=4)
FREESWITCH = FreeswitchSnapshot(connections=1, class4=5, class5=6, refused={"allow_list": 4}, broken=7)
SIP = SipSnapshot(
    sessions=1,
    transactions=2,
    connections=3,
    messages_in=4,
    messages_out=5,
    unreadable=6,
    bad_requests=7,
    over_limit=8,
    dropped_requests=9,
    failed_logins=11,
    unconfirmed=10,
)


MEDIA = MediaSnapshot(
    sessions=1,
    ended=2,
    packets_sent=3,
    packets_received=4,
    packets_lost=5,
    packets_late=6,
    wrong_source=7,
    garbage=8,
    unsent=9,
    remote_lost=10,
    jitter_ms=11.0,
    round_trips=12,
    round_trip_ms=13.0,
    clock_steps_skipped=14,
    clock_late_seconds=0.015,
)
POOL = PoolState(
    fast=2,
    slow=1,
    grown=0,
    shrunk=0,
    stuck=0,
    spare=1,
    held=0,
    outstanding=3,
    slow_programs=4,
    confined=True,
    started=9,
    deaths={"timed_out": 4},
    moved=5,
    begun_again=0,
    resumed=0,
    shared=0,
    refused=6,
)
POOLS = {
    PoolName.DECISIONS: POOL,
    PoolName.CALLS: structs.replace(POOL, fast=1, slow=0, deaths={"crashed": 2}),
    PoolName.REQUESTS: POOL,
    PoolName.JOBS: POOL,
}


class JobFigures:
    """What a platform has done with jobs."""

    def __init__(self) -> None:
        self.depth = Depth({JobState.WAITING: 7, JobState.FAILED: 1}, 12.5)
        self.outcomes = Counter({OutcomeName.RETURNED: 5})
        self.ends = Counter({JobState.COMPLETED: 5})
        self.lost = 1
        self.under_way = 2
        self.webhook_events = Counter({"delivered": 3, "failed": 1})


class WorkerFigures:
    """What a platform has done with Workers."""

    def __init__(self) -> None:
        self.depth = MailboxDepth(waiting=3, dead=1, oldest_seconds=2.5)
        self.outcomes = Counter({OutcomeName.RETURNED: 5})
        self.begun = 2
        self.dead = 1
        self.lost = 1
        self.alive = 1


class ScheduleFigures:
    """What a platform has done for schedules."""

    def __init__(self) -> None:
        self.late_counts = [3, 1, 0, 0, 0, 0, 0, 0, 0, 1]
        self.late_seconds = 95.5
        self.made_up = 2
        self.left_out = 4


class CallEventFigures:
    """What a platform has done with call records."""

    told = 4
    unreadable = 1


def full(pools: Mapping[PoolName, PoolState] = POOLS, rpc: RpcSnapshot = RPC) -> list[Collector]:
    """Collectors of all parts, each with a snapshot in which nothing is empty."""
    catalog = CatalogState(version="3f2a", reload_succeeded=False, reload_time=1234.5, problems=2)
    calls = CallsSnapshot(
        up={"sip": 2},
        ended={"hung_up": 6},
        records_dropped=3,
        placed_up={"rpc": 4},
        placed_ended={"not_answered": 7},
    )
    output = open_output(LogSection(), 2)
    output.dropped = 5
    scripts = ScriptCounts(1)
    for script, runs in (("tariff", 8), ("later", 3)):
        count = scripts.of(script)
        count.runs, count.failures, count.micros = runs, runs // 2, 1_500_000
    usage = Usage(limits=TenantLimits(runs_at_once=0))
    used = usage.of(make_script(id="s", name="s.js", kind=Kind.APP, text="", tenant="acme", app="9"))
    used.run(1_500_000)
    used.host_call(20)
    usage.of(make_script(id="t", name="t.js", kind=Kind.APP, text="", tenant="beta")).run(500_000)
    used.allowance.begin()
    return [
        JobMetrics(JobFigures(), 50),
        CallEventMetrics(CallEventFigures()),
        ScheduleMetrics(ScheduleFigures()),
        WorkerMetrics(WorkerFigures()),
        TenantMetrics(usage, 1),
        PoolMetrics(lambda: pools, lambda: {"returned": 10}),
        CallMetrics(lambda: calls),
        ScriptMetrics({PoolName.DECISIONS: scripts.snapshot}),
        RecordMetrics({"decision": lambda: 7}),
        RpcMetrics(lambda: rpc, lambda: RPC_CALLS),
        KamailioMetrics(lambda: [PEER, structs.replace(PEER, peer="10.0.0.2:8448", connected=False)]),
        FreeswitchMetrics(lambda: FREESWITCH),
        SipMetrics(lambda: SIP, lambda: MEDIA),
        CatalogMetrics(lambda: catalog),
        SharingMetrics(lambda: None, lambda: None),
        LogMetrics(output),
    ]


def decided(outcome: str = "returned", code: int = 0, **micros: int) -> EndedDecision:
    nothing = pack_routing({})
    action = Action.REJECT if code else Action.ROUTE
    decision = Decision(action=action, code=code, routing=nothing, outcome=outcome, micros=micros)
    return EndedDecision(RoutingRequest(call_id="1", routing=nothing), decision)


def value(own: CollectorRegistry, name: str, **labels: str) -> float | None:
    return own.get_sample_value(name, labels)


def test_decisions_and_rejects() -> None:
    decisions = DecisionMetrics()
    own = registry(decisions)
    for record in (decided(), decided(), decided("sip_error", 404), decided("timed_out", 503)):
        decisions.decided(record)
    assert value(own, "scriptforge_decisions_total", outcome="returned", action="route") == 2
    assert value(own, "scriptforge_decisions_total", outcome="sip_error", action="reject") == 1
    assert value(own, "scriptforge_rejected_total", code="404") == 1
    assert value(own, "scriptforge_rejected_total", code="503") == 1


@given(micros=st.lists(st.integers(0, 10_000_000), min_size=1))
def test_buckets_are_cumulative_and_inclusive(micros: list[int]) -> None:
    decisions = DecisionMetrics()
    own = registry(decisions)
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
    own = registry(decisions)
    decisions.decided(decided(total=bound))
    decisions.decided(decided(total=bound + 1))
    assert value(own, "scriptforge_stage_seconds_bucket", stage="total", le=str(bound / 1e6)) == 1


def test_stage_names_cannot_grow_for_ever() -> None:
    decisions = DecisionMetrics()
    own = registry(decisions)
    for number in range(STAGES + 10):
        decisions.decided(decided("returned", 0, **{f"stage{number}": 1}))
    assert generate_latest(own).count(b"scriptforge_stage_seconds_count") == STAGES


def test_apps_past_the_cap_are_counted_together() -> None:
    own = registry(*full())
    acme, other = {"tenant": "acme", "app": "9"}, {"tenant": "other", "app": "other"}
    assert [value(own, "scriptforge_tenant_runs_total", **one) for one in (acme, other)] == [1, 1]
    assert [value(own, "scriptforge_tenant_cpu_seconds_total", **one) for one in (acme, other)] == [1.5, 0.5]
    assert value(own, "scriptforge_tenant_host_calls_total", **acme) == 1
    assert value(own, "scriptforge_tenant_host_bytes_total", **acme) == 20
    assert value(own, "scriptforge_tenant_refused_total", tenant="acme", limit="runs_at_once") == 1


def test_every_source_is_shown() -> None:
    own = registry(*full())
    peer = "10.0.0.1:8448"
    assert value(own, "scriptforge_queue_depth", pool="decisions") == 3
    assert value(own, "scriptforge_workers", pool="decisions", state="slow") == 1
    assert value(own, "scriptforge_worker_restarts_total", pool="decisions", cause="timed_out") == 4
    assert value(own, "scriptforge_script_runs_total", outcome="returned") == 10
    assert value(own, "scriptforge_evapi_connected", peer=peer) == 1
    assert value(own, "scriptforge_evapi_connected", peer="10.0.0.2:8448") == 0
    assert value(own, "scriptforge_kamailio_breaker", peer=peer, state="open") == 1
    assert value(own, "scriptforge_kamailio_breaker", peer=peer, state="closed") == 0
    assert value(own, "scriptforge_rpc_connections") == 2
    assert value(own, "scriptforge_rpc_requests_total", method="route") == 7
    assert value(own, "scriptforge_rpc_refused_total", reason="overloaded") == 1
    assert value(own, "scriptforge_rpc_refused_total", reason="connection_tls") == 6
    assert value(own, "scriptforge_catalog_info", version="3f2a") == 1
    assert value(own, "scriptforge_catalog_reload_success") == 0
    assert value(own, "scriptforge_catalog_reload_timestamp_seconds") == 1234.5
    assert value(own, "scriptforge_catalog_problems") == 2
    assert value(own, "scriptforge_confined") == 1
    assert value(own, "scriptforge_calls_up", driver="sip") == 2
    assert value(own, "scriptforge_calls_total", outcome="hung_up") == 6
    assert value(own, "scriptforge_placed_calls_up", driver="rpc") == 4
    assert value(own, "scriptforge_placed_calls_total", outcome="not_answered") == 7
    assert value(own, "scriptforge_call_workers") == 1
    assert value(own, "scriptforge_log_lines_dropped_total") == 5
    assert value(own, "scriptforge_records_not_taken_total", record="decision") == 7
    tariff = {"pool": "decisions", "script": "tariff"}
    assert value(own, "scriptforge_per_script_runs_total", **tariff) == 8
    assert value(own, "scriptforge_per_script_failures_total", **tariff) == 4
    assert value(own, "scriptforge_per_script_seconds_total", **tariff) == 1.5
    assert value(own, "scriptforge_per_script_runs_total", pool="decisions", script=OTHER) == 3


def test_what_may_be_counted_is_there_from_the_start_with_0() -> None:
    empty = registry(
        DecisionMetrics(),
        *full(
            {PoolName.DECISIONS: structs.replace(POOL, deaths={})},
            structs.replace(RPC, errors={}, requests={}, closed={}),
        ),
    )
    for name, labels in (
        ("decisions", {"outcome": "script_error", "action": "route"}),
        ("decisions", {"outcome": "timed_out", "action": "reject"}),
        ("decisions", {"outcome": "returned", "action": "route"}),
        ("rejected", {"code": "503"}),
        ("worker_restarts", {"pool": "decisions", "cause": "SIGKILL"}),
        ("script_runs", {"outcome": "crashed"}),
        ("calls", {"outcome": "script_error"}),
        ("rpc_refused", {"reason": "overloaded"}),
        ("rpc_refused", {"reason": "bad_request"}),
        ("rpc_requests", {"method": "route"}),
        ("rpc_connections_closed", {"reason": "malformed"}),
        ("kamailio_fallbacks", {"peer": "10.0.0.1:8448", "reason": "bad-decision"}),
        ("freeswitch_refused", {"reason": "draining"}),
    ):
        assert value(empty, f"scriptforge_{name}_total", **labels) == 0, (name, labels)
    assert value(empty, "scriptforge_stage_seconds_count", stage="total") == 0


def test_each_pool_is_shown_apart() -> None:
    own = registry(*full())
    assert value(own, "scriptforge_workers", pool="calls", state="fast") == 1
    assert value(own, "scriptforge_worker_restarts_total", pool="calls", cause="crashed") == 2
    assert value(own, "scriptforge_worker_restarts_total", pool="calls", cause="timed_out") is None
    assert value(own, "scriptforge_worker_restarts_total", pool="calls", cause="SIGKILL") == 0
    for name, count in (("workers_started", 9), ("runs_moved", 5), ("runs_refused", 6)):
        for each in PoolName:
            assert value(own, f"scriptforge_{name}_total", pool=each.value) == count
    assert value(own, "scriptforge_slow_scripts", pool="calls") == 4


def test_a_pool_that_was_not_started_is_not_shown() -> None:
    own = registry(*full({PoolName.DECISIONS: POOL}))
    assert value(own, "scriptforge_queue_depth", pool="calls") is None
    assert value(own, "scriptforge_call_workers") == 0


def test_one_unconfined_pool_is_an_unconfined_daemon() -> None:
    own = registry(*full({PoolName.DECISIONS: POOL, PoolName.CALLS: structs.replace(POOL, confined=False)}))
    assert value(own, "scriptforge_confined") == 0
    assert value(registry(*full({})), "scriptforge_confined") == 0


@pytest.mark.parametrize(
    "snapshot", [PEER, RPC, RPC_CALLS, FREESWITCH, SIP, MEDIA, POOL], ids=lambda one: type(one).__name__
)
def test_nothing_is_counted_for_nobody(snapshot: msgspec.Struct) -> None:
    """Every field of a part's snapshot is read by its collector."""
    read: set[str] = set()

    class Watched:
        __struct_fields__ = snapshot.__struct_fields__

        def __getattr__(self, name: str) -> Any:
            read.add(name)
            return getattr(snapshot, name)

    watched: Any = Watched()
    collectors = [
        PoolMetrics(lambda: {PoolName.CALLS: watched if isinstance(snapshot, PoolState) else POOL}, dict),
        RpcMetrics(
            lambda: watched if isinstance(snapshot, RpcSnapshot) else RPC,
            lambda: watched if isinstance(snapshot, RpcCallsSnapshot) else RPC_CALLS,
        ),
        KamailioMetrics(lambda: [watched if isinstance(snapshot, KamailioSnapshot) else PEER]),
        FreeswitchMetrics(lambda: watched if isinstance(snapshot, FreeswitchSnapshot) else FREESWITCH),
        SipMetrics(
            lambda: watched if isinstance(snapshot, SipSnapshot) else SIP,
            lambda: watched if isinstance(snapshot, MediaSnapshot) else MEDIA,
        ),
    ]
    for collector in collectors:
        list(collector.collect())
    elsewhere = {"up"} if isinstance(snapshot, RpcCallsSnapshot) else set()
    assert set(snapshot.__struct_fields__) - read == elsewhere  # these are in scriptforge_calls_up


def test_what_is_not_there_has_no_samples() -> None:
    own = registry(FreeswitchMetrics(lambda: None), SipMetrics(lambda: None, lambda: None), KamailioMetrics(list))
    assert not [line for line in generate_latest(own).decode().splitlines() if re.match("scriptforge_(f|s|k|m)", line)]


def test_no_catalog_is_not_a_failed_reload() -> None:
    assert value(registry(CatalogMetrics(lambda: None)), "scriptforge_catalog_reload_success") is None


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
    page = generate_latest(registry(decisions, *full())).decode()
    families = list(text_string_to_metric_families(page))
    assert {family.name for family in families} >= {"scriptforge_decisions", "process_open_fds"}
    assert all(family.documentation for family in families)


@pytest.mark.parametrize("label", ['a"b', "a\\b", "a\nb"])
def test_hostile_labels_are_escaped(label: str) -> None:
    own = registry(*full(rpc=structs.replace(RPC, requests={label: 1})))
    (family,) = (
        family
        for family in text_string_to_metric_families(generate_latest(own).decode())
        if family.name == "scriptforge_rpc_requests"
    )
    assert {"method": label} in [sample.labels for sample in family.samples]


def test_cost() -> None:
    """0.9 us for a decision of six stages; 2 ms for a scrape of 400 series. Margins for a busy machine."""
    decisions = DecisionMetrics()
    record = decided(parse=15, queue=12, script=60, adapt=20, encode=15, total=190)
    assert min(timeit.repeat(partial(decisions.decided, record), number=2_000, repeat=7)) / 2_000 < 3e-6
    own = registry(decisions, *full())
    assert min(timeit.repeat(partial(generate_latest, own), number=5, repeat=5)) / 5 < 10e-3
