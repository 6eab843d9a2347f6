"""The legal transitions of an INVITE session, as caller and as callee: RFC 3261 clauses 9, 13, 14 and 15, RFC 3262.

An input without an entry is absorbed: nothing is sent, nobody is told, the state stays. What crosses what on the way
needs no rule of its own for that reason.

Offers and answers (RFC 3264) have one rule here: a re-INVITE goes out in `ESTABLISHED` alone. Whose turn it is besides
is for `sipio.sip.offer_answer` and `sipio.sip.reoffer` to say.
"""

from enum import Enum, auto
from typing import Final


class SessionState(Enum):
    """Where a session stands."""

    LOCATING = auto()
    """Caller: no server for the INVITE is known yet (RFC 3263)."""
    CALLING = auto()
    """Caller: the INVITE is out and nothing has come back."""
    PROCEEDING = auto()
    """Caller: a provisional answer has come; there may be early dialogs (clause 13.2.2.1)."""
    CANCELLING = auto()
    """Caller: given up, but a CANCEL may not go out before a provisional answer has come (clause 9.1)."""
    CANCELLED = auto()
    """Caller: the CANCEL is out; the INVITE's own final answer is waited for."""
    EARLY = auto()
    """Callee: the INVITE has its dialog and no final answer (clause 13.3.1)."""
    ACCEPTING = auto()
    """Callee: it is accepted, and the 2xx waits for the PRACK of a reliable provisional answer that had SDP (RFC 3262
    clause 3)."""
    CONNECTING = auto()
    """Callee: the 2xx is out and is repeated until its ACK (clause 13.3.1.4)."""
    ESTABLISHED = auto()
    """A 2xx and its ACK have passed."""
    MODIFYING = auto()
    """We answered a re-INVITE of the peer's with 2xx, which is repeated until its ACK (clause 14.2)."""
    BYE_DEFERRED = auto()
    """We hung up, but may not send a BYE before the ACK to our 2xx (clause 15)."""
    TERMINATING = auto()
    """Our BYE is out; the dialog stays known until it is answered, so that the peer's that crosses it gets its 200."""
    TERMINATED = auto()

    # Enum's own hash is Python and takes the name's: the tables are asked dozens of times a call.
    __hash__ = object.__hash__


class SessionInput(Enum):
    """What moves a session from one state to the next."""

    INVITE = auto()
    """Our INVITE goes out, for the first time or once more: to the next server (RFC 3263 clause 4.3), with a password
    (clause 22.2), or with the interval that a 422 asked for (RFC 4028 clause 7.3)."""
    PROVISIONAL = auto()
    """A 1xx was received by the caller or is sent by the callee; SUCCESS likewise."""
    SUCCESS = auto()
    UNUSABLE = auto()
    """A 2xx to our INVITE agrees on nothing that can be heard: it is acknowledged and hung up (clause 13.2.2.4), and
    nobody was ever connected."""
    FAILURE = auto()
    """The INVITE ends without a session: a final answer of 300 to 699 either way, no server, no answer in time, a
    broken transport, or a PRACK that never came (RFC 3262 clause 3)."""
    CANCEL = auto()
    """The caller gives it up before it is answered (clause 9)."""
    ACCEPT = auto()
    """The callee accepts while the 2xx may not go out yet (RFC 3262 clause 3)."""
    ACK = auto()
    """The peer's ACK to our 2xx has come."""
    ACK_TIMEOUT = auto()
    """64*T1 without it: the session is ended with a BYE (clause 13.3.1.4)."""
    REINVITE = auto()
    """We answer a re-INVITE of the peer's with 2xx."""
    HANG_UP = auto()
    """We end it once it is answered: we were told to, or cannot go on."""
    BYE = auto()
    """The peer has hung up: its BYE came."""
    BYE_OVER = auto()
    """Our BYE was finally answered, or never will be (clause 15.1.1)."""

    __hash__ = object.__hash__


S, I = SessionState, SessionInput  # noqa: E741 - the table is to be read at a glance
SessionTable = dict[SessionState, dict[SessionInput, SessionState]]

_DIALOG: Final[SessionTable] = {
    S.ESTABLISHED: {I.REINVITE: S.MODIFYING, I.HANG_UP: S.TERMINATING, I.BYE: S.TERMINATED},
    # One re-INVITE at a time: the next one before the ACK gets 500 and Retry-After (clause 14.2).
    S.MODIFYING: {
        I.ACK: S.ESTABLISHED,
        I.ACK_TIMEOUT: S.TERMINATING,
        I.HANG_UP: S.BYE_DEFERRED,
        I.BYE: S.TERMINATED,
    },
    S.BYE_DEFERRED: {I.ACK: S.TERMINATING, I.ACK_TIMEOUT: S.TERMINATING, I.BYE: S.TERMINATED},
    S.TERMINATING: {I.BYE: S.TERMINATED, I.BYE_OVER: S.TERMINATED},
}

OUTGOING: Final[SessionTable] = {
    # Nothing was sent: it ends without a word.
    S.LOCATING: {I.INVITE: S.CALLING, I.CANCEL: S.TERMINATED, I.FAILURE: S.TERMINATED},
    S.CALLING: {
        I.INVITE: S.CALLING,
        I.PROVISIONAL: S.PROCEEDING,
        I.SUCCESS: S.ESTABLISHED,
        I.UNUSABLE: S.TERMINATING,
        I.CANCEL: S.CANCELLING,
        I.FAILURE: S.TERMINATED,
    },
    # No BYE and no re-INVITE from who is called (clause 15): it gets 481 and the session goes on.
    S.PROCEEDING: {
        I.INVITE: S.CALLING,
        I.PROVISIONAL: S.PROCEEDING,
        I.SUCCESS: S.ESTABLISHED,
        I.UNUSABLE: S.TERMINATING,
        I.CANCEL: S.CANCELLED,
        I.FAILURE: S.TERMINATED,
    },
    # A 2xx that crosses the CANCEL has made a session: it is acknowledged and hung up (clause 9.1, 15).
    S.CANCELLING: {I.PROVISIONAL: S.CANCELLED, I.SUCCESS: S.TERMINATING, I.FAILURE: S.TERMINATED},
    S.CANCELLED: {I.PROVISIONAL: S.CANCELLED, I.SUCCESS: S.TERMINATING, I.FAILURE: S.TERMINATED},
    # The 2xx is acknowledged as it comes: a caller begins in ESTABLISHED.
    **_DIALOG,
}

INCOMING: Final[SessionTable] = {
    # No HANG_UP before the answer: who is called refuses and sends no BYE (clause 15), and a session timer that an
    # UPDATE began (RFC 4028 clause 9) has nothing to end yet.
    S.EARLY: {
        I.PROVISIONAL: S.EARLY,
        I.ACCEPT: S.ACCEPTING,
        I.SUCCESS: S.CONNECTING,
        I.FAILURE: S.TERMINATED,
        I.CANCEL: S.TERMINATED,
        I.BYE: S.TERMINATED,
    },
    S.ACCEPTING: {I.SUCCESS: S.CONNECTING, I.FAILURE: S.TERMINATED, I.CANCEL: S.TERMINATED, I.BYE: S.TERMINATED},
    S.CONNECTING: {
        I.ACK: S.ESTABLISHED,
        I.ACK_TIMEOUT: S.TERMINATING,
        I.HANG_UP: S.BYE_DEFERRED,
        I.BYE: S.TERMINATED,
    },
    **_DIALOG,
}

ANSWERED: Final = frozenset({S.CONNECTING, S.ESTABLISHED, S.MODIFYING})
"""A 2xx has passed and nobody has hung up."""
AWAITING_ACK: Final = frozenset({S.CONNECTING, S.MODIFYING, S.BYE_DEFERRED})
"""A 2xx of ours waits for its ACK."""
GIVEN_UP: Final = frozenset({S.CANCELLING, S.CANCELLED})
"""The caller does not want it any more; its outcome is not told yet."""
ENDED: Final = frozenset({S.BYE_DEFERRED, S.TERMINATING, S.TERMINATED})
"""The application was told `SessionEnded`: what still passes is between us and the peer."""
