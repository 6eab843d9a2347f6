"""What a MessagePack-RPC server counts; the daemon turns a snapshot into metrics."""

from collections import Counter

import msgspec


class RpcSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Totals since the start, but for the two that say now."""

    connections: int
    """Open now."""
    in_flight: int
    """Requests being worked on now."""
    accepted: int
    refused_connections: dict[str, int]
    """By reason: ``connections`` (the cap), ``allow_list``, ``tls``."""
    closed: dict[str, int]
    """Connections that we ended, by the peer's fault: an `ErrorCode`, or ``output`` for one that does not
    read."""
    requests: dict[str, int]
    """By method; those of unknown methods count as errors only, so that a peer cannot grow this."""
    notifications: dict[str, int]
    ignored_notifications: int
    """Of unknown methods, with params of the wrong shape, or past a cap."""
    errors: dict[str, int]
    """Requests answered with an error, by `ErrorCode`."""
    discarded_answers: int
    """Answers whose connection was gone."""
    unexpected_responses: int
    bytes_in: int
    bytes_out: int


class RpcCounters:
    """The counting side of `RpcSnapshot`."""

    __slots__ = (
        "accepted",
        "bytes_in",
        "bytes_out",
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
        self.bytes_in = 0
        self.bytes_out = 0

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
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
        )
