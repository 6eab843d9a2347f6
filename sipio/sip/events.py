"""What the user agent tells whoever drives it. Every event of one session names it; nothing follows `SessionEnded`."""

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from sipio.sip.address import Address
from sipio.sip.media_description import NegotiatedMedia
from sipio.sip.message import Response

if TYPE_CHECKING:
    from sipio.sip.incoming import IncomingSession
    from sipio.sip.outgoing import OutgoingSession
    from sipio.sip.session import Session


class EndedBy(StrEnum):
    """Who ended a session."""

    PEER = "peer"
    """Its BYE, its CANCEL, or its final answer that refused our INVITE."""
    US = "us"
    """bye(), reject() or cancel() was called."""
    SYSTEM = "system"
    """A timeout, a broken transport, a protocol fault, shutdown."""


class CallReceived(msgspec.Struct, frozen=True, kw_only=True):
    """An INVITE has come in; 100 Trying is sent where nothing else is in 0.1 s. Ring, progress, accept or reject it."""

    session: "IncomingSession"


class SessionConfirmed(msgspec.Struct, frozen=True, kw_only=True):
    """The ACK to our 200 is in and media are agreed: the incoming call is up."""

    session: "IncomingSession"


class SessionProgressed(msgspec.Struct, frozen=True, kw_only=True):
    """A provisional answer (101 to 199) to our INVITE. Its early media came just before as `MediaChanged`."""

    session: "OutgoingSession"
    status: int
    reason: str
    response: Response


class SessionAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """A 2xx to our INVITE that agrees on media, already acknowledged; `MediaChanged` came just before. Nothing else
    says that the other party is connected: a 2xx that agrees on nothing is hung up, a `SessionEnded` not answered."""

    session: "OutgoingSession"
    response: Response


class MediaChanged(msgspec.Struct, frozen=True, kw_only=True):
    """An offer and its answer have met: send and receive so from now on."""

    session: "Session"
    media: NegotiatedMedia
    early: bool
    """Before the session is answered."""


class ReinviteFinished(msgspec.Struct, frozen=True, kw_only=True):
    """What became of our own hold(), resume() or reinvite()."""

    session: "Session"
    status: int
    """2xx where it was accepted (`MediaChanged` came just before); else the session goes on as it was."""


class DigitReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A digit in an INFO, of one of `sipio.sip.info.DIGIT_TYPES`."""

    session: "Session"
    digit: str
    """One of ``0123456789*#ABCD`` or ``F`` (hook flash)."""
    duration_ms: int
    """0 where it was not said."""


class SessionEnded(msgspec.Struct, frozen=True, kw_only=True):
    """The session is over, answered or not."""

    session: "Session"
    by: EndedBy
    answered: bool
    """Whether it was ever up: a 2xx was sent, or one was received that media were agreed by."""
    status: int
    """The final SIP status where it was never answered (487 for CANCEL, 488 for a 2xx that agrees on no media), 408 for
    a timeout; else 0."""
    reason: str
    """In words: ``BYE``, ``CANCEL``, ``ACK never came``, ``session timer``, ``Busy Here`` ..."""
    cause: int
    """Q.850 cause of a Reason header that came with it; 0 where there was none."""
    headers: list[tuple[str, str]]
    """Those of the BYE, the CANCEL or the final response that ended it; else empty."""
    contacts: list[str] = []
    """URIs of a 3xx, in order of their q."""


class RegistrationState(StrEnum):
    """Where an outbound registration stands."""

    REGISTERED = "registered"
    FAILED = "failed"
    """It is tried again after a while."""
    UNREGISTERED = "unregistered"


class RegistrationChanged(msgspec.Struct, frozen=True, kw_only=True):
    """An outbound registration has succeeded, failed or ended."""

    name: str
    state: RegistrationState
    status: int
    """The status of the last response; 408 where there was none."""
    reason: str
    expires_seconds: float = 0.0


class ChallengeUnmet(msgspec.Struct, frozen=True, kw_only=True):
    """A server asked for a password with a request of a call, and we gave none that it takes: the request has failed.
    Of a registration `RegistrationChanged` says it."""

    uri: str
    """Whom the request was for."""
    status: int
    """401 or 407."""
    reason: str
    """In words, such as that its algorithm is not understood."""


class LoginFailed(msgspec.Struct, frozen=True, kw_only=True):
    """A REGISTER or an INVITE with a password that is wrong, or of a user whom nobody knows, or by a phone that cannot
    log in. Its source has been sent a
    challenge and answered it, so that the address is no invented one."""

    user: str
    """As it called itself."""
    method: str
    source: Address
    without_qop: bool = False
    """Its phone answers without ``qop``, which this user's may not; nothing is known of the password."""


class BindingChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A phone has registered here, refreshed, or gone."""

    user: str
    contacts: list[str]
    """Every URI now bound; empty for none."""
    source: Address | None
    """Where the REGISTER came from; None where a binding ran out."""


SessionEvent = (
    SessionConfirmed
    | SessionProgressed
    | SessionAnswered
    | MediaChanged
    | ReinviteFinished
    | DigitReceived
    | SessionEnded
)
"""What happens to a session once somebody has it."""

AgentEvent = RegistrationChanged | BindingChanged | ChallengeUnmet | LoginFailed
"""What is of no one session that somebody has."""

SipEvent = CallReceived | SessionEvent | AgentEvent
