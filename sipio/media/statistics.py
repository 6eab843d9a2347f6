"""What is counted of the audio: of one session, and of all sessions of an engine."""

import msgspec


class MediaStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of one session."""

    packets_sent: int
    """RTP packets that were given to the system, those it did not take included, under the present SSRC of ours."""
    packets_received: int
    """RTP packets of the present source."""
    packets_lost: int
    """Packets of the present source that never came, by its sequence numbers."""
    packets_late: int
    """Packets that came after their time; known only while recording or echoing."""
    jitter_ms: float
    """Interarrival jitter of the present source (RFC 3550 clause 6.4.1)."""
    wrong_source: int
    """Packets from somewhere else than the peer, or of a source of its that another has replaced, dropped."""
    garbage: int
    """Datagrams that were no RTP, or of a payload type that was not agreed."""
    unsent: int
    """Packets that the system did not take."""
    round_trip_ms: float
    """Time to the peer and back as RTCP last told it; 0 where it is not known."""
    remote_lost: int
    """Packets of ours that the peer says it missed."""


class MediaSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine has counted since the start, of sessions that have ended: each adds its `MediaStatistics` then.
    ``sessions`` and ``clock_late_seconds`` are now."""

    sessions: int
    """Sessions open now."""
    ended: int
    """Sessions that have ended."""
    packets_sent: int
    """RTP packets sent."""
    packets_received: int
    """RTP packets received."""
    packets_lost: int
    """Packets that peers sent and that never came."""
    packets_late: int
    """Packets that came too late for a recording or an echo."""
    wrong_source: int
    """Packets from somewhere else than the peer, dropped: an intruder, or a peer that does not send from one port."""
    garbage: int
    """Datagrams that were no RTP, or of a payload type that was not agreed."""
    unsent: int
    """Packets that the system did not take: no route, or a full socket buffer."""
    remote_lost: int
    """Packets of ours that peers say they missed."""
    jitter_ms: float
    """Jitter summed over the sessions that have ended: divided by ``ended`` it is their mean."""
    round_trips: int
    """Sessions that have ended and whose peer's reports told the time to it and back."""
    round_trip_ms: float
    """That time summed over them: divided by ``round_trips`` it is their mean."""
    clock_steps_skipped: int
    """Steps of 5 ms that the clock of all sessions left out because the process was held up: gaps in what is sent."""
    clock_late_seconds: float
    """How late the clock's last step was."""


class MediaTotals:
    """The counting side of `MediaSnapshot`."""

    __slots__ = ("_counts", "_ended", "_jitter_ms", "_round_trip_ms", "_round_trips")

    _SUMMED = (
        "packets_sent",
        "packets_received",
        "packets_lost",
        "packets_late",
        "wrong_source",
        "garbage",
        "unsent",
        "remote_lost",
    )

    def __init__(self) -> None:
        self._ended = 0
        self._counts = dict.fromkeys(self._SUMMED, 0)
        self._jitter_ms = 0.0
        self._round_trips = 0
        self._round_trip_ms = 0.0

    def add(self, statistics: MediaStatistics) -> None:
        """Count a session that has ended."""
        self._ended += 1
        for name in self._SUMMED:
            self._counts[name] += getattr(statistics, name)
        self._jitter_ms += statistics.jitter_ms
        if statistics.round_trip_ms:
            self._round_trips += 1
            self._round_trip_ms += statistics.round_trip_ms

    def snapshot(self, *, sessions: int, clock_steps_skipped: int, clock_late_seconds: float) -> MediaSnapshot:
        """The totals as they are now."""
        return MediaSnapshot(
            sessions=sessions,
            ended=self._ended,
            jitter_ms=self._jitter_ms,
            round_trips=self._round_trips,
            round_trip_ms=self._round_trip_ms,
            clock_steps_skipped=clock_steps_skipped,
            clock_late_seconds=clock_late_seconds,
            **self._counts,
        )
