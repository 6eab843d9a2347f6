"""What Prometheus is told of the daemon's parts: each collector is given what makes the part's own snapshot, and takes
one for each scrape, in the event loop. Counts never go down, and label values are of closed sets."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sandbox.pool import PoolState
from sidecar.catalog.source import Broken, ServedBy
from sidecar.hosts.placed.ended import PlacedOutcome
from sidecar.logs.output import LineOutput
from sidecar.runs.outcomes import FAILURES, GOOD_CALL_ENDS, OutcomeName
from sidecar.runs.runner import PoolName
from sipio.freeswitch.server import FreeswitchSnapshot
from sipio.kamailio.snapshot import KamailioSnapshot
from sipio.media.statistics import MediaSnapshot
from sipio.rpc.counters import RpcCallsSnapshot, RpcSnapshot
from sipio.rpc.errors import ErrorCode
from sipio.sip.counters import SipSnapshot

BREAKER_STATES: Final = ("closed", "half_open", "open")

# What may be counted is shown from the start, with 0: a counter that appears with its first event is no step to a rate.
RUN_OUTCOMES: Final = (OutcomeName.RETURNED, *sorted(FAILURES), OutcomeName.CANCELLED)
CALL_OUTCOMES: Final = (*sorted(GOOD_CALL_ENDS), *sorted(FAILURES), OutcomeName.CANCELLED)
DRIVERS: Final = ("sip", "freeswitch", "rpc")
DEATHS: Final = ("SIGKILL", "SIGSEGV", "SIGALRM")
"""Of a worker stopped by the daemon, crashed, and stopped by the kernel's timer; others are shown as they come."""
RPC_REFUSALS: Final = (*ErrorCode, "connection_connections", "connection_allow_list", "connection_tls")
RPC_CLOSINGS: Final = (
    *(ErrorCode.MALFORMED, ErrorCode.OVERSIZED, ErrorCode.FRAME_TIMEOUT, ErrorCode.IDLE_TIMEOUT),
    "output",
)
RPC_METHODS: Final = (
    "hello",
    "ping",
    "route",
    "cancel",
    "stats",
    "scripts",
    "call.start",
    "call.event",
    "console.follow",
)
RPC_NOTIFICATIONS: Final = ("cancel", "call.event")
KAMAILIO_FALLBACKS: Final = ("overloaded", "bad-request", "bad-decision", "answer-too-long", "router-failed")
FREESWITCH_REFUSALS: Final = ("allow_list", "connections", "calls", "draining")

Samples = Mapping[str, float] | Mapping[tuple[str, ...], float] | float


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogState:
    """Which scripts and assignments run, and what became of the last attempt to load others."""

    version: str
    reload_succeeded: bool
    """Whether everything was right, and is what runs."""
    reload_time: float
    """Unix time of the last attempt."""
    problems: int
    """Problems that the last attempt found."""
    taken: bool = True
    """Whether what was right of it is what runs."""
    broken: tuple[Broken, ...] = ()
    """The first of what was not."""
    broken_by: Mapping[str, int] = field(default_factory=dict)
    """How much was not, by what serves instead."""
    first_problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsSnapshot:
    """Class 5 calls, now and since the start."""

    up: Mapping[str, int]
    """Calls that are up, by driver."""
    ended: Mapping[str, int]
    """Calls ended, by how their script ended."""
    records_dropped: int
    """Records that the disk had no time or no room for."""
    placed_up: Mapping[str, int]
    """Calls that scripts have placed and that are not over, by driver."""
    placed_ended: Mapping[str, int]
    """Such calls ended, by how far they came."""


class PoolMetrics(Collector):
    """The pools of workers that were started, and the runs of scripts that decide, by outcome."""

    def __init__(
        self,
        states: Callable[[], Mapping[PoolName, PoolState]],
        script_runs: Callable[[], Mapping[str, int]],
        parents: Callable[[], int] = lambda: 1,
    ) -> None:
        """``parents`` is how many processes there have been that workers are forked from."""
        self._states = states
        self._parents = parents
        self._script_runs = script_runs

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape."""
        states = self._states()
        pools = {name.value: state for name, state in states.items()}
        workers: dict[tuple[str, ...], float] = {}
        restarts: dict[tuple[str, ...], float] = {}
        for pool, state in pools.items():
            for kind in ("fast", "held", "slow", "stuck", "spare", "shared"):
                workers[pool, kind] = getattr(state, kind)
            for cause, count in _shown(DEATHS, state.deaths).items():
                restarts[pool, cause] = count
        depth = {pool: state.outstanding for pool, state in pools.items()}
        yield _gauge("queue_depth", "Runs without an answer yet, waiting or running.", depth, "pool")
        yield _gauge("workers", "Worker processes by state.", workers, "pool", "state")
        started = {pool: state.started for pool, state in pools.items()}
        yield _counter("workers_started", "Worker processes started.", started, "pool")
        yield _counter("worker_restarts", "Workers replaced.", restarts, "pool", "cause")
        yield _counter(
            "worker_parent_restarts", "Processes that workers are forked from, replaced.", max(0, self._parents() - 1)
        )
        places: dict[tuple[str, ...], float] = {}
        for pool, state in pools.items():
            places[pool, "added"], places[pool, "removed"] = state.grown, state.shrunk
        yield _counter(
            "workers_changed", "Fast workers added for load, and taken away again.", places, "pool", "change"
        )
        refused = {pool: state.refused for pool, state in pools.items()}
        yield _counter("runs_refused", "Runs refused because too many were waiting.", refused, "pool")
        moved = {pool: state.moved for pool, state in pools.items()}
        yield _counter("runs_moved", "Runs moved away from a worker that was held or died.", moved, "pool")
        again = {pool: state.begun_again for pool, state in pools.items()}
        yield _counter("runs_begun_again", "Runs moved that had begun and not waited yet.", again, "pool")
        resumed = {pool: state.resumed for pool, state in pools.items()}
        yield _counter("runs_resumed", "Runs moved that went on from where they waited.", resumed, "pool")
        slow = {pool: state.slow_programs for pool, state in pools.items()}
        yield _gauge("slow_scripts", "Scripts lately seen to run long.", slow, "pool")
        yield _counter(
            "script_runs", "Runs of deciding scripts ended.", _shown(RUN_OUTCOMES, self._script_runs()), "outcome"
        )
        calls = states.get(PoolName.CALLS)
        drivers = calls.fast if calls is not None else 0
        yield _gauge("call_workers", "Processes of scripts that drive calls.", drivers)
        confined = bool(states) and all(state.confined for state in states.values())
        yield _gauge("confined", "1 if workers run under seccomp.", confined)


class CallMetrics(Collector):
    """Class 5 calls."""

    def __init__(self, snapshot: Callable[[], CallsSnapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape."""
        now = self._snapshot()
        yield _gauge("calls_up", "Calls that scripts drive now.", _shown(DRIVERS, now.up), "driver")
        yield _counter("calls", "Calls that scripts drove, ended.", _shown(CALL_OUTCOMES, now.ended), "outcome")
        yield _gauge(
            "placed_calls_up", "Calls that scripts placed, not over.", _shown(DRIVERS, now.placed_up), "driver"
        )
        ends = _shown(PlacedOutcome, now.placed_ended)
        yield _counter("placed_calls", "Calls that scripts placed, ended.", ends, "outcome")
        yield _counter("call_records_dropped", "Call records that could not be written.", now.records_dropped)


class RpcMetrics(Collector):
    """The MessagePack-RPC sockets, and the calls that switches announce over them."""

    def __init__(self, snapshot: Callable[[], RpcSnapshot], calls_snapshot: Callable[[], RpcCallsSnapshot]) -> None:
        self._snapshot = snapshot
        self._calls_snapshot = calls_snapshot

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape."""
        now = self._snapshot()
        connections = {f"connection_{reason}": count for reason, count in now.refused_connections.items()}
        refused = _shown(RPC_REFUSALS, now.errors | connections)
        closed = _shown(RPC_CLOSINGS, now.closed)
        requests = _shown(RPC_METHODS, now.requests)
        notifications = _shown(RPC_NOTIFICATIONS, now.notifications)
        yield _gauge("rpc_connections", "Connections of switches open.", now.connections)
        yield _counter("rpc_connections_accepted", "Connections of switches accepted.", now.accepted)
        yield _counter("rpc_connections_closed", "Connections ended for the switch's fault.", closed, "reason")
        yield _gauge("rpc_in_flight", "Requests of switches being worked on.", now.in_flight)
        yield _counter("rpc_requests", "Requests of switches.", requests, "method")
        yield _counter("rpc_refused", "Requests and connections of switches refused.", refused, "reason")
        yield _counter("rpc_notifications", "Notifications of switches.", notifications, "method")
        yield _counter("rpc_notifications_ignored", "Notifications that were ignored.", now.ignored_notifications)
        yield _counter("rpc_answers_discarded", "Answers whose connection was gone.", now.discarded_answers)
        yield _counter("rpc_unexpected_responses", "Responses to nothing that was asked.", now.unexpected_responses)
        calls = self._calls_snapshot()
        yield _counter("rpc_calls_offered", "Calls that switches announced.", calls.offered)
        yield _counter("rpc_calls_refused", "Announced calls that were refused.", calls.refused, "reason")
        yield _counter("rpc_call_faults", "What was wrong with calls, events and answers.", calls.faults, "fault")
        yield _counter("rpc_failed_actions", "Requests about calls that a switch refused.", calls.failed_actions)


class KamailioMetrics(Collector):
    """Each Kamailio, as seen from here."""

    def __init__(self, snapshots: Callable[[], Sequence[KamailioSnapshot]]) -> None:
        self._snapshots = snapshots

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape."""
        peers = self._snapshots()
        breaker: dict[tuple[str, ...], float] = {}
        answers: dict[tuple[str, ...], float] = {}
        fallbacks: dict[tuple[str, ...], float] = {}
        for one in peers:
            breaker |= {(one.peer, state): state == one.breaker for state in BREAKER_STATES}
            answers |= {(one.peer, kind): count for kind, count in one.answers.items()}
            fallbacks |= {
                (one.peer, reason): count for reason, count in _shown(KAMAILIO_FALLBACKS, one.fallbacks).items()
            }

        def each(field: str) -> dict[str, float]:
            return {one.peer: getattr(one, field) for one in peers}

        yield _gauge("evapi_connected", "1 while connected to this Kamailio.", each("connected"), "peer")
        yield _gauge("kamailio_breaker", "1 for the state that the breaker is in.", breaker, "peer", "state")
        yield _counter("kamailio_reconnects", "Connections after the first.", each("reconnects"), "peer")
        yield _counter("kamailio_calls", "Calls that asked.", each("calls"), "peer")
        yield _gauge("kamailio_in_flight", "Calls being decided.", each("in_flight"), "peer")
        yield _counter("kamailio_answers", "Answers by kind.", answers, "peer", "kind")
        yield _counter("kamailio_fallbacks", "Answers that left it to Kamailio.", fallbacks, "peer", "reason")
        yield _counter("kamailio_cancelled", "Calls given up by the caller meanwhile.", each("cancelled"), "peer")
        yield _counter("kamailio_abandoned", "Calls whose connection was lost meanwhile.", each("abandoned"), "peer")
        yield _counter("kamailio_bad_frames", "Messages that could not be read.", each("bad_frames"), "peer")
        yield _counter(
            "kamailio_dropped_destinations",
            "Destinations that a script named and Kamailio had not offered.",
            each("dropped_destinations"),
            "peer",
        )
        yield _gauge("kamailio_held_bytes", "Answers that wait to be read.", each("held_bytes"), "peer")
        yield _counter("kamailio_marks_lost", "Marks that did not come back in time.", each("marks_lost"), "peer")


class FreeswitchMetrics(Collector):
    """The event socket; nothing where there is none."""

    def __init__(self, snapshot: Callable[[], FreeswitchSnapshot | None]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape."""
        now = self._snapshot()
        if now is None:
            return
        modes = {"class4": now.class4, "class5": now.class5}
        yield _gauge("freeswitch_connections", "Connections of FreeSWITCHes open.", now.connections)
        yield _counter(
            "freeswitch_refused", "Connections and calls refused.", _shown(FREESWITCH_REFUSALS, now.refused), "reason"
        )
        yield _counter("freeswitch_calls", "Calls taken.", modes, "mode")
        yield _counter("freeswitch_broken", "Connections whose bytes were no FreeSWITCH's.", now.broken)


class SipMetrics(Collector):
    """The embedded user agent and the audio of its calls; nothing where there is none."""

    def __init__(
        self, snapshot: Callable[[], SipSnapshot | None], media_snapshot: Callable[[], MediaSnapshot | None]
    ) -> None:
        self._snapshot = snapshot
        self._media_snapshot = media_snapshot

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape."""
        signalling, media = self._snapshot(), self._media_snapshot()
        if signalling is not None:
            yield from _sip(signalling)
        if media is not None:
            yield from _media(media)


def _sip(now: SipSnapshot) -> Iterator[Metric]:
    messages = {"in": now.messages_in, "out": now.messages_out}
    problems = {
        "unreadable": now.unreadable,
        "bad_request": now.bad_requests,
        "over_limit": now.over_limit,
        "dropped_request": now.dropped_requests,
        "failed_login": now.failed_logins,
        "unconfirmed": now.unconfirmed,
    }
    yield _gauge("sip_sessions", "Calls that have not ended, in and out.", now.sessions)
    yield _gauge("sip_transactions", "Transactions held.", now.transactions)
    yield _gauge("sip_connections", "TCP and TLS connections that are up.", now.connections)
    yield _counter("sip_messages", "SIP messages.", messages, "direction")
    yield _counter("sip_problems", "What went wrong with SIP messages.", problems, "problem")


def _media(now: MediaSnapshot) -> Iterator[Metric]:
    packets = {"in": now.packets_received, "out": now.packets_sent}
    problems = {
        "lost": now.packets_lost,
        "late": now.packets_late,
        "wrong_source": now.wrong_source,
        "garbage": now.garbage,
        "unsent": now.unsent,
        "remote_lost": now.remote_lost,
    }
    yield _gauge("media_sessions", "Sessions of audio open.", now.sessions)
    yield _counter("media_sessions_ended", "Sessions of audio that have ended.", now.ended)
    yield _counter("media_packets", "RTP packets of ended sessions.", packets, "direction")
    yield _counter("media_problems", "RTP packets with something wrong with them.", problems, "problem")
    yield _counter("media_jitter_seconds", "Jitter, summed over ended sessions.", now.jitter_ms / 1000)
    yield _counter("media_round_trips", "Ended sessions whose peer told the round trip.", now.round_trips)
    yield _counter("media_round_trip_seconds", "That time, summed over them.", now.round_trip_ms / 1000)
    yield _counter("media_clock_steps_skipped", "Steps of 5 ms that were left out.", now.clock_steps_skipped)
    yield _gauge("media_clock_late_seconds", "How late the last step was.", now.clock_late_seconds)


class CatalogMetrics(Collector):
    """The scripts and assignments that run."""

    def __init__(self, last_load: Callable[[], CatalogState | None]) -> None:
        self._last_load = last_load

    def collect(self) -> Iterator[Metric]:
        """The families of a scrape."""
        state = self._last_load()
        if state is None:
            # No samples where nothing has been loaded: 0 would say that a reload failed.
            return
        yield _gauge("catalog_info", "1 for the version running.", {state.version: 1}, "version")
        yield _gauge("catalog_reload_success", "1 if the last reload was right and taken.", state.reload_succeeded)
        text = "Scripts, assignments and files that are broken, by what serves instead."
        broken = {served_by.value: state.broken_by.get(served_by.value, 0) for served_by in ServedBy}
        yield _gauge("catalog_broken", text, broken, "served_by")
        yield _gauge("catalog_reload_timestamp_seconds", "Unix time of the last reload.", state.reload_time)
        yield _gauge("catalog_problems", "Problems that the last reload found.", state.problems)


class RecordMetrics(Collector):
    """Records that somebody who was to be told could not take: bugs, each logged the first time."""

    def __init__(self, failed: Mapping[str, Callable[[], int]]) -> None:
        self._failed = failed

    def collect(self) -> Iterator[Metric]:
        """The one family."""
        failed = {record: count() for record, count in self._failed.items()}
        yield _counter("records_not_taken", "Records that an observer of them could not take.", failed, "record")


class LogMetrics(Collector):
    """What a reader of the log that is too slow has cost."""

    def __init__(self, output: LineOutput) -> None:
        self._output = output

    def collect(self) -> Iterator[Metric]:
        """The one family."""
        text = "Log lines lost because standard error was not read."
        yield _counter("log_lines_dropped", text, self._output.dropped)


def _shown(known: Iterable[str], counts: Mapping[str, int]) -> dict[str, int]:
    """The counts, with 0 for what has not happened."""
    return {**{str(name): 0 for name in known}, **counts}


def _gauge(name: str, text: str, samples: Samples, *labels: str) -> Metric:
    return _filled(GaugeMetricFamily(f"scriptforge_{name}", text, labels=labels), samples)


def _counter(name: str, text: str, samples: Samples, *labels: str) -> Metric:
    return _filled(CounterMetricFamily(f"scriptforge_{name}", text, labels=labels), samples)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, samples: Samples) -> Metric:
    """One sample for each key, which is the label's value or all labels' values; a number is the only sample."""
    if not isinstance(samples, Mapping):
        family.add_metric((), float(samples))
        return family
    for key, value in samples.items():
        family.add_metric((key,) if isinstance(key, str) else key, float(value))
    return family
