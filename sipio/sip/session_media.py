"""The audio of one session: offers and answers in both directions, one at a time (RFC 3261 clause 14, RFC 3264)."""

from typing import TYPE_CHECKING, Final

import msgspec

from sipio.errors import LocalError, MalformedMessage
from sipio.sip.address import Address
from sipio.sip.events import MediaChanged
from sipio.sip.media_description import Direction, LocalMedia, NegotiatedMedia
from sipio.sip.message import Request
from sipio.sip.offer_answer import MediaNegotiation, NoCommonMedia
from sipio.sip.reoffer import Reoffer
from sipio.sip.serialize import Headers, printable
from sipio.sip.session_timer import session_expires
from sipio.sip.transaction import ServerTransaction
from sipio.sip.user_agent_core import ALLOW, SDP_TYPE, SUPPORTED, UserAgentCore

if TYPE_CHECKING:
    from sipio.sip.session import OnFailure, OnResponse, Session


class SessionMedia:
    """What one session offers, what it was offered, and what was agreed."""

    __slots__ = ("_core", "_session", "agreed", "local", "negotiation", "reoffer")

    def __init__(self, session: "Session", core: UserAgentCore) -> None:
        self._session: Final = session
        self._core: Final = core
        self.negotiation = MediaNegotiation(str(core.randomness.sequence()))
        """Of the dialog that counts: before the answer each fork has its own."""
        self.local: LocalMedia | None = None
        """Our side, once it is known."""
        self.agreed: NegotiatedMedia | None = None
        """As the last `MediaChanged` said."""
        self.reoffer: Final = Reoffer(session, self, core)

    @property
    def may_offer(self) -> bool:
        """Whether a re-INVITE may go out now: the call is up, and none of the peer's waits for its ACK."""
        session = self._session
        return session.answered and not session.awaits_ack and not self.negotiation.offer_pending

    def required_local(self) -> LocalMedia:
        """Our side.

        Raises:
            LocalError: it is not known yet.
        """
        if self.local is None:
            raise LocalError("no media yet")
        return self.local

    def want(self, media: LocalMedia, headers: Headers) -> None:
        """Offer this in a re-INVITE as soon as that may be."""
        if self._session.answered and not self._session.ended:
            self.reoffer.want(media, headers)

    def redirect(self, direction: Direction) -> None:
        """Offer what we have with another direction."""
        if self.local is not None:
            self.want(msgspec.structs.replace(self.local, direction=direction), [])

    def send_offer(
        self, media: LocalMedia | None, headers: Headers, on_response: "OnResponse", on_failure: "OnFailure"
    ) -> None:
        """Send a re-INVITE, with our last description once more where ``media`` is None."""
        session = self._session
        body = self.negotiation.offer(media or self.required_local())
        offered = [*headers, session.contact(), ALLOW, SUPPORTED, *session.refresh.headers(), SDP_TYPE]
        session.send_request("INVITE", offered, body, on_response, on_failure)

    def receive_offer(self, transaction: ServerTransaction, request: Request, source: Address, now: float) -> None:
        """A re-INVITE, or an UPDATE (RFC 3311), of the peer's."""
        session = self._session
        invite = request.method == "INVITE"
        if (self.reoffer.pending and (invite or request.body)) or (
            request.body and self.negotiation.offer_pending and not session.awaits_ack
        ):
            session.respond(transaction, 491, now=now)
            return
        if (invite and (not session.answered or session.awaits_ack)) or (
            request.body and (session.awaits_ack or self.local is None)
        ):
            # Clause 14.2, RFC 3311 clause 5.2.
            wait = str(int(self._core.randomness.uniform(0, 10)))
            session.respond(transaction, 500, headers=[("Retry-After", wait)], now=now)
            return
        interval, least = session_expires(request)[0], self._core.settings.minimum_session_expires_seconds
        if interval and interval < least:
            session.respond(transaction, 422, headers=[("Min-SE", str(least))], now=now)
            return
        body = b""
        agreed = None
        try:
            if request.body:
                body, agreed = self.negotiation.answer(request.body, self.required_local())
            elif invite:
                body = self.negotiation.offer(self.required_local())
            session.required_dialog().retarget(request, source)
        except NoCommonMedia:
            session.respond(transaction, 488, headers=[("Warning", '305 sidecar "no common codec"')], now=now)
            return
        except MalformedMessage as error:
            session.respond(transaction, 400, printable(str(error)), now=now)
            return
        headers = [session.contact(), ALLOW, SUPPORTED, *session.refresh.answer(request, now)]
        if body:
            headers.append(SDP_TYPE)
        data = session.respond(transaction, 200, headers=headers, body=body, now=now)
        if invite:
            session.await_ack(transaction, request.sequence()[0], data, now)
        if agreed is not None:
            self.agree(agreed)

    def receive_ack(self, body: bytes) -> bool:
        """The ACK to a 2xx of ours; it answers our offer where that went out in the 2xx. False where it leaves the
        session without any media."""
        if self.negotiation.offer_pending and not self._session.ended and not self.reoffer.pending:
            try:
                self.agree(self.negotiation.accept_answer(body))
            except (MalformedMessage, NoCommonMedia):
                self.negotiation.abandon_offer()
                return self.agreed is not None
        return True

    def agree(self, media: NegotiatedMedia) -> None:
        """An offer and its answer have met."""
        if media != self.agreed:
            self.agreed = media
            self._core.emit(MediaChanged(session=self._session, media=media, early=not self._session.answered))
