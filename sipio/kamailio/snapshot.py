"""What an operator may watch of one Kamailio."""

from typing import Literal

import msgspec


class KamailioSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One Kamailio as it is now, with its counters since the start."""

    peer: str
    """``host:port`` of its evapi socket."""
    connected: bool
    reconnects: int
    """Connections made after the first: a Kamailio, or the way to it, that does not stay up."""
    calls: int
    """Calls that asked."""
    in_flight: int
    """Calls being decided now; past ``kamailio.in_flight`` they fall back."""
    answers: dict[str, int]
    """Answers by kind: continue, route, reject, fallback."""
    fallbacks: dict[str, int]
    """Answers of kind fallback by reason: overloaded, bad-request, bad-decision, answer-too-long, router-failed."""
    cancelled: int
    """Calls that the caller gave up while they were being decided; they get no answer."""
    abandoned: int
    """Calls whose connection was lost while they were being decided; they get no answer."""
    bad_frames: int
    """Messages that could not be read, answered or not: a Kamailio configuration that is not the shipped one."""
    dropped_destinations: int
    """Destinations that a script named and Kamailio had not offered."""
    breaker: Literal["closed", "half_open", "open"]
    """Kamailio's circuit breaker by its last report and by what was sent since: it sends one call a second while it is
    open, half_open is while such a call is being decided, and any answer closes it."""
    held_bytes: int
    """Answers that wait until Kamailio has read what is before them."""
    marks_lost: int
    """Marks that did not come back in time: Kamailio was not reading, or answers were lost on the way into it."""
