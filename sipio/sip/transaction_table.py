"""The legal transitions of all four transactions of RFC 3261 clause 17, as RFC 6026 corrected them.

An input without an entry is absorbed: nothing is sent, nobody is told, the state stays.
"""

from enum import Enum, auto
from typing import Final


class State(Enum):
    """Where a transaction stands."""

    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    ACCEPTED = auto()
    """RFC 6026: a 2xx to INVITE has passed; only further 2xx (client), or ACKs and lost INVITEs (server) matter."""
    COMPLETED = auto()
    CONFIRMED = auto()
    TERMINATED = auto()

    # Enum's own hash is Python and takes the name's: the tables are asked dozens of times a call.
    __hash__ = object.__hash__


class Input(Enum):
    """What moves a transaction from one state to the next."""

    PROVISIONAL = auto()
    """A 1xx received by a client or sent by a server; SUCCESS and FAILURE likewise."""
    SUCCESS = auto()
    FAILURE = auto()
    REQUEST = auto()
    """A server was sent its request once more."""
    ACK = auto()
    RETRANSMIT = auto()
    """Timer A, E or G fired: what was sent is sent again."""
    TIMEOUT = auto()
    """Timer B, D, F, H, I, J, K, L or M: whichever runs in the state."""
    BROKEN = auto()
    """The transport failed, for a client. A server goes on: its answer may go over a new connection (clause 18.2.2)."""

    __hash__ = object.__hash__


S, I = State, Input  # noqa: E741 - the table is to be read at a glance
Table = dict[State, dict[Input, State]]

INVITE_CLIENT: Final[Table] = {
    # Timer A doubles from T1 on unreliable transports; timer B is 64*T1.
    S.CALLING: {
        I.RETRANSMIT: S.CALLING,
        I.PROVISIONAL: S.PROCEEDING,
        I.SUCCESS: S.ACCEPTED,
        I.FAILURE: S.COMPLETED,
        I.TIMEOUT: S.TERMINATED,
        I.BROKEN: S.TERMINATED,
    },
    # No timer of its own; the user core sets one after a CANCEL (clause 9.1).
    S.PROCEEDING: {
        I.PROVISIONAL: S.PROCEEDING,
        I.SUCCESS: S.ACCEPTED,
        I.FAILURE: S.COMPLETED,
        I.TIMEOUT: S.TERMINATED,
        I.BROKEN: S.TERMINATED,
    },
    # Timer M, 64*T1: 2xx of every fork and every retransmission go up.
    S.ACCEPTED: {I.SUCCESS: S.ACCEPTED, I.TIMEOUT: S.TERMINATED},
    # Timer D, 64*T1 (at least 32 s) on unreliable transports: the final answer once more gets its ACK once more.
    S.COMPLETED: {I.FAILURE: S.COMPLETED, I.TIMEOUT: S.TERMINATED, I.BROKEN: S.TERMINATED},
}

NON_INVITE_CLIENT: Final[Table] = {
    # Timer E doubles from T1 to T2 on unreliable transports; timer F is 64*T1.
    S.TRYING: {
        I.RETRANSMIT: S.TRYING,
        I.PROVISIONAL: S.PROCEEDING,
        I.SUCCESS: S.COMPLETED,
        I.FAILURE: S.COMPLETED,
        I.TIMEOUT: S.TERMINATED,
        I.BROKEN: S.TERMINATED,
    },
    S.PROCEEDING: {
        I.RETRANSMIT: S.PROCEEDING,
        I.PROVISIONAL: S.PROCEEDING,
        I.SUCCESS: S.COMPLETED,
        I.FAILURE: S.COMPLETED,
        I.TIMEOUT: S.TERMINATED,
        I.BROKEN: S.TERMINATED,
    },
    # Timer K, T4 on unreliable transports: retransmitted answers are absorbed.
    S.COMPLETED: {I.TIMEOUT: S.TERMINATED},
}

INVITE_SERVER: Final[Table] = {
    S.PROCEEDING: {
        I.REQUEST: S.PROCEEDING,
        I.PROVISIONAL: S.PROCEEDING,
        I.SUCCESS: S.ACCEPTED,
        I.FAILURE: S.COMPLETED,
    },
    # Timer G doubles from T1 to T2 on unreliable transports; timer H is 64*T1.
    S.COMPLETED: {
        I.REQUEST: S.COMPLETED,
        I.RETRANSMIT: S.COMPLETED,
        I.ACK: S.CONFIRMED,
        I.TIMEOUT: S.TERMINATED,
    },
    # Timer I, T4 on unreliable transports: ACKs are absorbed.
    S.CONFIRMED: {I.TIMEOUT: S.TERMINATED},
    # Timer L, 64*T1: INVITEs are absorbed (the user core retransmits its 2xx by itself), ACKs go up.
    S.ACCEPTED: {I.SUCCESS: S.ACCEPTED, I.ACK: S.ACCEPTED, I.TIMEOUT: S.TERMINATED},
}

NON_INVITE_SERVER: Final[Table] = {
    S.TRYING: {
        I.PROVISIONAL: S.PROCEEDING,
        I.SUCCESS: S.COMPLETED,
        I.FAILURE: S.COMPLETED,
    },
    S.PROCEEDING: {
        I.REQUEST: S.PROCEEDING,
        I.PROVISIONAL: S.PROCEEDING,
        I.SUCCESS: S.COMPLETED,
        I.FAILURE: S.COMPLETED,
    },
    # Timer J, 64*T1 on unreliable transports: the request once more gets its answer once more.
    S.COMPLETED: {I.REQUEST: S.COMPLETED, I.TIMEOUT: S.TERMINATED},
}

UNANSWERED: Final = frozenset({S.CALLING, S.TRYING, S.PROCEEDING})
"""A client's request still waits for its final answer."""


def input_of(status: int) -> Input:
    """What a response of this status is to a transaction."""
    if status < 200:
        return Input.PROVISIONAL
    return Input.SUCCESS if status < 300 else Input.FAILURE
