"""Re-INVITEs of ours: one at a time, tried again after glare (RFC 3261 clause 14.1)."""

from functools import partial
from typing import Final, Protocol

import msgspec

from sipio.errors import MalformedMessage
from sipio.sip.bodies import answered_description
from sipio.sip.dialog_requests import DialogRequests
from sipio.sip.events import EndedBy
from sipio.sip.media_description import LocalMedia, MediaDirection
from sipio.sip.message import Response
from sipio.sip.offer_answer import NoCommonMedia
from sipio.sip.serialize import Headers
from sipio.sip.session_media import SessionMedia
from sipio.sip.session_refresh import SessionRefresh
from sipio.sip.session_table import ANSWERED, SessionState
from sipio.sip.timers import Timer
from sipio.sip.user_agent_core import ALLOW, SDP_TYPE, SUPPORTED, UserAgentCore

CALLER_GLARE_SECONDS: Final = (2.1, 4.0)
CALLEE_GLARE_SECONDS: Final = (0.0, 2.0)
"""After a 491 who owns the Call-ID tries again later than the other (clause 14.1; in units of 10 ms)."""


class ReofferOwner(Protocol):
    """What re-INVITEs of ours need of their session."""

    @property
    def state(self) -> SessionState: ...

    def reinvite_finished(self, status: int) -> None:
        """Somebody's wish was answered."""

    def hang_up(self, headers: Headers, by: EndedBy, reason: str) -> None:
        """The session cannot go on."""


class _Offer(msgspec.Struct, frozen=True, eq=False):
    """One re-INVITE, wanted or under way."""

    media: LocalMedia | None
    """None for our last description once more: it refreshes the session, and nobody is told of its outcome."""
    headers: Headers


class Reoffer:
    """What one session wants to offer next, and the re-INVITE under way."""

    __slots__ = (
        "_core",
        "_glare",
        "_glare_seconds",
        "_media",
        "_owner",
        "_refresh",
        "_requests",
        "_under_way",
        "_wanted",
    )

    def __init__(
        self,
        core: UserAgentCore,
        requests: DialogRequests,
        media: SessionMedia,
        refresh: SessionRefresh,
        owner: ReofferOwner,
        glare_seconds: tuple[float, float],
    ) -> None:
        self._core: Final = core
        self._requests: Final = requests
        self._media: Final = media
        self._refresh: Final = refresh
        self._owner: Final = owner
        self._glare_seconds: Final = glare_seconds
        self._wanted: _Offer | None = None
        self._under_way: _Offer | None = None
        self._glare: Timer | None = None

    @property
    def pending(self) -> bool:
        """Whether a re-INVITE of ours waits for its final answer."""
        return self._under_way is not None

    def want(self, media: LocalMedia, headers: Headers) -> None:
        """Offer this as soon as that may be; a later wish replaces one that was not yet sent."""
        if self._owner.state in ANSWERED:
            self._wanted = _Offer(media, headers)
            self.begin()

    def redirect(self, direction: MediaDirection) -> None:
        """Offer what we have with another direction."""
        if self._media.local is not None:
            self.want(msgspec.structs.replace(self._media.local, direction=direction), [])

    def begin(self) -> None:
        """Send what is wanted, if anything, and if that may be by now."""
        if self._wanted is not None and self._may_offer:
            offer, self._wanted = self._wanted, None
            self._send(offer)

    def refresh(self) -> None:
        """Send our last description once more, for the session timer, unless something else is under way."""
        if self._may_offer:
            self._send(_Offer(None, []))

    def stop(self) -> None:
        """The session is over."""
        self._core.timers.cancel(self._glare)
        self._glare = None
        self._wanted = None
        self._requests.give_up_invite()

    @property
    def _may_offer(self) -> bool:
        """Whether a re-INVITE may go out now: neither side has an offer or an ACK to wait for."""
        return (
            self._owner.state is SessionState.ESTABLISHED
            and self._under_way is None
            and self._glare is None
            and not self._media.negotiation.offer_pending
        )

    def _send(self, offer: _Offer) -> None:
        self._under_way = offer
        body = self._media.negotiation.offer(offer.media or self._media.required_local())
        headers = [*offer.headers, self._requests.contact(), ALLOW, SUPPORTED, *self._refresh.headers(), SDP_TYPE]
        self._requests.send("INVITE", headers, body, partial(self._answered, offer), self._failed)

    def _answered(self, offer: _Offer, response: Response, now: float) -> None:
        status = response.status
        if status < 200:
            return
        if status < 300:
            # Whatever it answers: a 2xx is repeated until its ACK, also when the next re-INVITE is out already.
            self._requests.acknowledge(response.sequence()[0])
            if self._under_way is offer:
                self._under_way = None
                self._agree(offer, response, now)
            return
        self._under_way = None
        self._media.negotiation.abandon_offer()
        if self._owner.state not in ANSWERED:
            return
        if status == 491:
            wait = round(self._core.randomness.uniform(*self._glare_seconds), 2)
            self._glare = self._core.timers.start(now + wait, partial(self._try_again, offer))
        elif status in {408, 481}:
            self._owner.hang_up([], EndedBy.SYSTEM, "dialog unknown to the peer")
        else:
            self._finished(offer, status)

    def _agree(self, offer: _Offer, response: Response, now: float) -> None:
        negotiation = self._media.negotiation
        if self._owner.state not in ANSWERED:
            negotiation.abandon_offer()
            return
        try:
            agreed = negotiation.accept_answer(answered_description(response) or b"")
        except (MalformedMessage, NoCommonMedia):
            negotiation.abandon_offer()
            self._finished(offer, 488)
            return
        self._refresh.answered(response, now)
        self._media.local = offer.media or agreed.local
        self._media.agree(agreed)
        self._finished(offer, response.status)

    def _finished(self, offer: _Offer, status: int) -> None:
        if offer.media is not None:
            self._owner.reinvite_finished(status)
        self.begin()

    def _try_again(self, offer: _Offer, now: float) -> None:  # noqa: ARG002 - a timer's signature
        self._glare = None
        if self._wanted is None and offer.media is None:
            self.refresh()
            return
        # One of the peer's may be under way by now: then ours goes out after its ACK.
        self._wanted = self._wanted or offer
        self.begin()

    def _failed(self, broken: bool, now: float) -> None:  # noqa: ARG002 - a callback's signature
        self._under_way = None
        self._media.negotiation.abandon_offer()
        self._owner.hang_up([], EndedBy.SYSTEM, "transport failed" if broken else "no answer to re-INVITE")
