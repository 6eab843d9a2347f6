"""What a user agent counts; the daemon turns a snapshot into metrics."""

import msgspec


class SipSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Totals since the start, but for the three that say now."""

    sessions: int
    """Calls that have not ended, in and out, now."""
    transactions: int
    """Transactions held now, those that only absorb retransmissions included."""
    connections: int
    """TCP and TLS connections that are up now."""
    messages_in: int
    """Datagrams and messages of streams, keep-alives included."""
    messages_out: int
    """Requests and responses sent, retransmissions included."""
    unreadable: int
    """Messages that could be neither read nor answered, and SDP of an answer that was of no use."""
    bad_requests: int
    """Requests answered 400 because they could not be understood."""
    over_limit: int
    """INVITEs answered 503: too many sessions, or none is taken any more."""
    dropped_requests: int
    """Requests not answered at all: too many transactions are held, as in a flood."""
    failed_logins: int
    """Requests with a password that was wrong, or of a user whom nobody knows."""
    unconfirmed: int
    """2xx of ours whose ACK never came: the way back to a peer is broken, as by NAT."""


class SipCounters:
    """The counting side of `SipSnapshot`."""

    __slots__ = (
        "bad_requests",
        "failed_logins",
        "messages_in",
        "messages_out",
        "over_limit",
        "unconfirmed",
        "unreadable",
    )

    def __init__(self) -> None:
        self.messages_in = 0
        self.messages_out = 0
        self.unreadable = 0
        self.bad_requests = 0
        self.failed_logins = 0
        self.over_limit = 0
        self.unconfirmed = 0

    def snapshot(self, *, sessions: int, transactions: int, connections: int, dropped_requests: int) -> SipSnapshot:
        """The totals as they are now."""
        return SipSnapshot(
            sessions=sessions,
            transactions=transactions,
            connections=connections,
            dropped_requests=dropped_requests,
            **{name: getattr(self, name) for name in self.__slots__},
        )
