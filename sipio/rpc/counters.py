"""What a MessagePack-RPC server and the calls over it count; the daemon turns the snapshots into metrics."""

from collections import Counter
from enum import StrEnum

import msgspec


class RpcSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Totals since the start, but for ``connections`` and ``in_flight``, which are now."""

    connections: int
    """Connections open now, TLS handshakes included."""
    in_flight: int
    """Requests being worked on now."""
    accepted: int
    """Connections that were accepted, TLS handshake and all."""
    refused_connections: dict[str, int]
    """Connections refused, by reason: ``connections`` (the cap), ``allow_list``, ``tls``."""
    closed: dict[str, int]
    """Connections that we ended, by the peer's fault: an `ErrorCode`, or ``output`` for one that does not
    read."""
    requests: dict[str, int]
    """Requests by method; those of unknown methods count as errors only, so that a peer cannot grow this."""
    notifications: dict[str, int]
    """Notifications by method; those of unknown methods count as ignored only."""
    ignored_notifications: int
    """Notifications of unknown methods, with params of the wrong shape, or past a cap."""
    errors: dict[str, int]
    """Requests answered with an error, by `ErrorCode`."""
    discarded_answers: int
    """Answers that came when their connection was gone: work done for nobody."""
    unexpected_responses: int
    """Responses to no request of ours that was waiting: it had been given up, or never made."""


class RpcCounters:
    """The counting side of `RpcSnapshot`."""

    __slots__ = (
        "accepted",
        "closed",
        "discarded_answers",
        "errors",
        "ignored_notifications",
        "notifications",
        "refused_connections",
        "requests",
        "unexpected_responses",
    )

    def __init__(self) -> None:
        self.accepted = 0
        self.refused_connections: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.notifications: Counter[str] = Counter()
        self.ignored_notifications = 0
        self.errors: Counter[str] = Counter()
        self.discarded_answers = 0
        self.unexpected_responses = 0

    def snapshot(self, *, connections: int, in_flight: int) -> RpcSnapshot:
        """The totals as they are now."""
        return RpcSnapshot(
            connections=connections,
            in_flight=in_flight,
            accepted=self.accepted,
            refused_connections=dict(self.refused_connections),
            closed=dict(self.closed),
            requests=dict(self.requests),
            notifications=dict(self.notifications),
            ignored_notifications=self.ignored_notifications,
            errors=dict(self.errors),
            discarded_answers=self.discarded_answers,
            unexpected_responses=self.unexpected_responses,
        )


class CallFault(StrEnum):
    """What went wrong between a switch and us with one of its calls."""

    DUPLICATE_START = "duplicate_start"
    """A ``call.start`` had the id of a call that is up."""
    UNKNOWN_CALL = "unknown_call"
    """A ``call.event`` was of a call that this connection did not start, or that is over."""
    MALFORMED_EVENT = "malformed_event"
    """A ``call.event`` had the wrong shape."""
    MALFORMED_RESULT = "malformed_result"
    """The answer to an action had the wrong shape."""
    CONNECTION_LOST = "connection_lost"
    """A call ended because the switch's connection did."""
    UNANNOUNCED_END = "unannounced_end"
    """A call was taken as over because the switch did not announce its end in time."""


class RpcCallsSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Totals since the start, but for ``up``, which is now."""

    up: int
    """Calls that are up now."""
    offered: int
    """Every ``call.start`` of the right shape, whatever became of it."""
    refused: dict[str, int]
    """Calls refused, by reason: ``handler`` (no such destination, draining), ``limit`` (too many calls are up)."""
    faults: dict[str, int]
    """Calls, events and answers with something wrong with them, by `CallFault`."""
    failed_actions: int
    """Requests about calls that the switch answered with an error; an action answered with ``hangup`` is none."""


class CallCounters:
    """The counting side of `RpcCallsSnapshot`."""

    __slots__ = ("failed_actions", "faults", "offered", "refused")

    def __init__(self) -> None:
        self.offered = 0
        self.refused = {"handler": 0, "limit": 0}
        self.faults = dict.fromkeys(CallFault, 0)
        self.failed_actions = 0

    def snapshot(self, *, up: int) -> RpcCallsSnapshot:
        """The totals as they are now."""
        return RpcCallsSnapshot(
            up=up,
            offered=self.offered,
            refused=dict(self.refused),
            faults={str(fault): count for fault, count in self.faults.items()},
            failed_actions=self.failed_actions,
        )
