"""Offers of the peer's in a dialog: its re-INVITEs (RFC 3261 clause 14.2) and UPDATEs (RFC 3311)."""

from typing import Final, Protocol

from sipio.errors import MalformedMessage
from sipio.sip.address import Address
from sipio.sip.bodies import answered_description, session_description
from sipio.sip.dialog_requests import DialogRequests
from sipio.sip.message import Request
from sipio.sip.offer_answer import NoCommonMedia
from sipio.sip.reoffer import Reoffer
from sipio.sip.serialize import printable
from sipio.sip.session_media import SessionMedia
from sipio.sip.session_refresh import SessionRefresh
from sipio.sip.session_table import AWAITING_ACK, ENDED, SessionState
from sipio.sip.session_timer import session_expires
from sipio.sip.transaction import ServerTransaction
from sipio.sip.user_agent_core import ALLOW, SDP_TYPE, SUPPORTED, UserAgentCore


class PeerOffersOwner(Protocol):
    """What re-INVITEs of the peer's need of their session."""

    @property
    def state(self) -> SessionState: ...

    def reinvite_accepted(self, transaction: ServerTransaction, number: int, data: bytes, now: float) -> None:
        """A re-INVITE of this CSeq number was answered with a 2xx, ``data``, that waits for its ACK."""


class PeerOffers:
    """What one session answers them."""

    __slots__ = ("_core", "_media", "_owner", "_refresh", "_reoffer", "_requests")

    def __init__(
        self,
        core: UserAgentCore,
        requests: DialogRequests,
        media: SessionMedia,
        refresh: SessionRefresh,
        reoffer: Reoffer,
        owner: PeerOffersOwner,
    ) -> None:
        self._core: Final = core
        self._requests: Final = requests
        self._media: Final = media
        self._refresh: Final = refresh
        self._reoffer: Final = reoffer
        self._owner: Final = owner

    def receive(self, transaction: ServerTransaction, request: Request, source: Address, now: float) -> None:
        """A re-INVITE or an UPDATE: answer it.

        Raises:
            MalformedMessage: a body that cannot be taken apart.
            UnsupportedBody: a body that is not understood and has to be.
        """
        core, negotiation = self._core, self._media.negotiation
        offer = session_description(request)
        if self._glares(request, offer):
            core.respond(transaction, 491, now=now)
            return
        if self._comes_too_early(request, offer):
            wait = str(int(core.randomness.uniform(0, 10)))
            core.respond(transaction, 500, headers=[("Retry-After", wait)], now=now)
            return
        interval, least = session_expires(request)[0], core.settings.minimum_session_expires_seconds
        if interval and interval < least:
            core.respond(transaction, 422, headers=[("Min-SE", str(least))], now=now)
            return
        invite = request.method == "INVITE"
        body = b""
        agreed = None
        try:
            if offer is not None:
                body, agreed = negotiation.answer(offer, self._media.required_local())
            elif invite:
                body = negotiation.offer(self._media.required_local())
            self._requests.required_dialog().retarget(request, source)
        except NoCommonMedia:
            core.respond(transaction, 488, headers=[("Warning", '305 sidecar "no common codec"')], now=now)
            return
        except MalformedMessage as error:
            core.respond(transaction, 400, printable(str(error)), now=now)
            return
        headers = [self._requests.contact(), ALLOW, SUPPORTED, *self._refresh.answer(request, now)]
        if body:
            headers.append(SDP_TYPE)
        data = core.respond(transaction, 200, headers=headers, body=body, now=now)
        if invite:
            self._owner.reinvite_accepted(transaction, request.sequence()[0], data, now)
        if agreed is not None:
            self._media.agree(agreed)

    def receive_ack(self, request: Request) -> bool:
        """The ACK to a 2xx of ours; it answers our offer where that went out in the 2xx. False where it leaves the
        session without any media."""
        negotiation = self._media.negotiation
        if negotiation.offer_pending and self._owner.state not in ENDED and not self._reoffer.pending:
            try:
                self._media.agree(negotiation.accept_answer(answered_description(request) or b""))
            except (MalformedMessage, NoCommonMedia):
                negotiation.abandon_offer()
                return self._media.agreed is not None
        return True

    def _glares(self, request: Request, offer: bytes | None) -> bool:
        """Whether it crosses an offer of ours (clause 14.2, RFC 3311 clause 5.2: 491)."""
        if self._reoffer.pending:
            return request.method == "INVITE" or offer is not None
        pending = self._media.negotiation.offer_pending and self._owner.state not in AWAITING_ACK
        return offer is not None and pending

    def _comes_too_early(self, request: Request, offer: bytes | None) -> bool:
        """Whether the one before, or the call itself, is not done with (clause 14.2, RFC 3311 clause 5.2: 500)."""
        if request.method == "INVITE" and self._owner.state is not SessionState.ESTABLISHED:
            return True
        return offer is not None and (self._owner.state in AWAITING_ACK or self._media.local is None)
