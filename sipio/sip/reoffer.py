"""Re-INVITEs of ours: one at a time, tried again after glare (RFC 3261 clause 14.1)."""

from typing import TYPE_CHECKING, Final

from sipio.errors import MalformedMessage
from sipio.sip.events import ReinviteFinished
from sipio.sip.media_description import LocalMedia
from sipio.sip.message import Response
from sipio.sip.offer_answer import NoCommonMedia
from sipio.sip.serialize import Headers
from sipio.sip.timers import Timer
from sipio.sip.user_agent_core import UserAgentCore

if TYPE_CHECKING:
    from sipio.sip.session import Session
    from sipio.sip.session_media import SessionMedia


class Reoffer:
    """What one session wants to offer next, and the re-INVITE under way."""

    __slots__ = (
        "_accepted",
        "_core",
        "_glare",
        "_media",
        "_offered",
        "_refreshing",
        "_session",
        "_wanted",
        "pending",
    )

    def __init__(self, session: "Session", media: "SessionMedia", core: UserAgentCore) -> None:
        self._session: Final = session
        self._media: Final = media
        self._core: Final = core
        self._wanted: tuple[LocalMedia | None, Headers] | None = None
        self._offered: tuple[LocalMedia | None, Headers] | None = None
        self._refreshing = False
        self._accepted = False
        self._glare: Timer | None = None
        self.pending = False
        """Whether a re-INVITE of ours waits for its final answer."""

    def want(self, media: LocalMedia, headers: Headers) -> None:
        """Offer this as soon as nothing else is under way; a later wish replaces one that was not yet sent."""
        self._wanted = (media, headers)
        if not self.pending and self._glare is None:
            self.begin()

    def begin(self) -> None:
        """Send what is wanted, if anything, and if the session can."""
        session = self._session
        if session.ended or self.pending or not self._media.may_offer:
            return
        if self._wanted is not None:
            self._offered, self._wanted = self._wanted, None
            self._refreshing = False
            self._send()

    def refresh(self) -> None:
        """Our last description once more, for the session timer; nobody is told of its outcome."""
        if self.pending or self._glare is not None or not self._media.may_offer:
            return
        self._offered = (None, [])
        self._refreshing = True
        self._send()

    def stop(self) -> None:
        """The session is over."""
        self._core.timers.cancel(self._glare)
        self._glare = None
        self._wanted = None

    def _send(self) -> None:
        media, headers = self._offered or (None, [])
        self.pending = True
        self._accepted = False
        self._media.send_offer(media, headers, self._answered, self._failed)

    def _answered(self, response: Response, now: float) -> None:
        session = self._session
        if response.status < 200:
            return
        if response.status < 300:
            session.acknowledge(response.sequence()[0])
            if not self._accepted:
                self._accepted = True
                self.pending = False
                self._agree(response, now)
            return
        self.pending = False
        self._media.negotiation.abandon_offer()
        if session.ended:
            return
        if response.status == 491:
            # In units of 10 ms: 2.1 to 4 s for who owns the Call-ID, 0 to 2 s for the other.
            low, high = (2.1, 4.0) if session.owns_call_id else (0.0, 2.0)
            wait = round(self._core.randomness.uniform(low, high), 2)
            self._glare = self._core.timers.start(now + wait, self._try_again)
            return
        if response.status in {408, 481}:
            session.dialog_gone("dialog unknown to the peer")
            return
        self._finished(response.status)

    def _agree(self, response: Response, now: float) -> None:
        session = self._session
        if session.ended:
            self._media.negotiation.abandon_offer()
            return
        media = self._offered[0] if self._offered else None
        try:
            agreed = self._media.negotiation.accept_answer(response.body)
        except (MalformedMessage, NoCommonMedia):
            self._media.negotiation.abandon_offer()
            self._finished(488)
            return
        session.refresh.answered(response, now)
        self._media.local = media or agreed.local
        self._media.agree(agreed)
        self._finished(response.status)

    def _finished(self, status: int) -> None:
        if not self._refreshing:
            self._core.emit(ReinviteFinished(session=self._session, status=status))
        self.begin()

    def _try_again(self, now: float) -> None:  # noqa: ARG002 - a timer's signature
        self._glare = None
        if self._refreshing and self._wanted is None:
            self.refresh()
            return
        # One of the peer's may be under way by now: then ours goes out after its ACK.
        self._wanted = self._wanted or self._offered
        self.begin()

    def _failed(self, broken: bool, now: float) -> None:  # noqa: ARG002 - a callback's signature
        self.pending = False
        self._media.negotiation.abandon_offer()
        if not self._session.ended:
            self._session.dialog_gone("transport failed" if broken else "no answer to re-INVITE")
