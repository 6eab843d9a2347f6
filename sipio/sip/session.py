"""One call as the user agent sees it, incoming or outgoing: the interface, its body follows."""

from typing import Any

from sipio.sip.media_description import LocalMedia, NegotiatedMedia
from sipio.sip.message import Request, Response

Headers = list[tuple[str, str]]


class Session:
    """What incoming and outgoing sessions share. A command on a session that has ended does nothing."""

    context: Any = None
    """For whoever drives the session; the user agent never looks at it."""

    @property
    def id(self) -> str:
        """Unique among this agent's sessions: the Call-ID, or more where one Call-ID has several."""
        raise NotImplementedError

    @property
    def call_id(self) -> str:
        raise NotImplementedError

    @property
    def answered(self) -> bool:
        """Whether a 2xx was sent or received."""
        raise NotImplementedError

    @property
    def ended(self) -> bool:
        raise NotImplementedError

    @property
    def media(self) -> NegotiatedMedia | None:
        """As the last `MediaChanged` said."""
        raise NotImplementedError

    def end(self, code: int = 480, reason: str = "", headers: Headers | None = None) -> None:
        """End it in whatever way its state asks for: a refusal with ``code``, CANCEL, or BYE. ``headers`` go along,
        such as ``("Reason", "Q.850;cause=16")``. `SessionEnded` follows once the peer has confirmed or time is up."""
        raise NotImplementedError

    def bye(self, headers: Headers | None = None) -> None:
        """End an answered session. Before the ACK to our 200 it is held back until the ACK is in, as RFC 3261 clause 15
        has it."""
        raise NotImplementedError

    def hold(self) -> None:
        """Re-INVITE with ``sendonly``; `ReinviteFinished` follows. Glare is tried again by itself."""
        raise NotImplementedError

    def resume(self) -> None:
        """Re-INVITE with ``sendrecv``."""
        raise NotImplementedError

    def reinvite(self, media: LocalMedia, headers: Headers | None = None) -> None:
        """Offer other media of ours."""
        raise NotImplementedError

    def info(self, content_type: str, body: bytes, headers: Headers | None = None) -> None:
        """Send an INFO in the dialog; its answer is not reported."""
        raise NotImplementedError

    def send_digit(self, digit: str, duration_ms: int = 160) -> None:
        """INFO with application/dtmf-relay."""
        raise NotImplementedError


class IncomingSession(Session):
    """A call to us."""

    request: Request
    """The INVITE."""
    user: str
    """The configured user that proved its password; empty for none."""

    def ring(self, headers: Headers | None = None) -> None:
        """180 Ringing."""
        raise NotImplementedError

    def progress(
        self,
        media: LocalMedia | None = None,
        *,
        status: int = 183,
        reason: str = "",
        headers: Headers | None = None,
    ) -> None:
        """A provisional answer, with SDP where ``media`` is given (early media; `MediaChanged` follows at once where
        the INVITE had an offer). Sent reliably where the peer requires 100rel."""
        raise NotImplementedError

    def accept(self, media: LocalMedia | None = None, headers: Headers | None = None) -> None:
        """200 OK; ``media`` may be left out where progress() had it. `MediaChanged` at once, or with the ACK where the
        INVITE had no offer; `SessionConfirmed` with the ACK."""
        raise NotImplementedError

    def reject(self, code: int, reason: str = "", headers: Headers | None = None) -> None:
        """A final refusal, 300 to 699. `SessionEnded` follows at once."""
        raise NotImplementedError


class OutgoingSession(Session):
    """A call from us. `SessionProgressed` (any number), then `SessionAnswered` or `SessionEnded`."""

    response: Response | None
    """The last one that came."""

    def cancel(self, headers: Headers | None = None) -> None:
        """Give it up before it is answered. Where the answer crosses the CANCEL it is acknowledged and hung up; in
        every case `SessionEnded` by us follows and no `SessionAnswered`."""
        raise NotImplementedError
