"""A call that is placed: its party called at one place after the other, and a `SipCall` once it has answered."""

import asyncio
from collections import deque
from typing import Final

from sipio.call_control import CallOffer, DigitPressed, Origination, OriginationObserver, RecordingFinished
from sipio.errors import LocalError, MalformedMessage
from sipio.media.engine import MediaEngine
from sipio.media.errors import NoFreePort
from sipio.media.session import MediaSession
from sipio.sip.address import Address
from sipio.sip.endpoint import SipEndpoint
from sipio.sip.events import MediaChanged, SessionAnswered, SessionEnded, SessionEvent, SessionProgressed
from sipio.sip.media_description import LocalMedia
from sipio.sip.outgoing import OutgoingSession
from sipio.sip.uri import escape_user
from sipio.sip_driver.call import SipCall
from sipio.sip_driver.destinations import Target, UnknownDestination, resolve
from sipio.sip_driver.redirects import Redirects
from sipio.sip_driver.settings import SipDriverSettings

NO_ANSWER: Final = 408
UNAVAILABLE: Final = 503


class Originating:
    """A `PendingOrigination`, and the driver and media observer of the leg until it is answered."""

    def __init__(
        self,
        origination: Origination,
        observer: OriginationObserver,
        endpoint: SipEndpoint,
        engine: MediaEngine,
        settings: SipDriverSettings,
    ) -> None:
        self._origination = origination
        self._observer: OriginationObserver | None = observer
        self._endpoint = endpoint
        self._engine = engine
        self._settings = settings
        self._targets: deque[Target] = deque()
        self._target: Target | None = None
        self._redirects = Redirects()
        self._leg: OutgoingSession | None = None
        self._media: MediaSession | None = None
        self._media_host = ""
        self._timer: asyncio.TimerHandle | None = None
        self._last = (0, "")

    def begin(self) -> None:
        """Call the party."""
        try:
            self._targets.extend(resolve(self._origination.destination, self._settings, self._endpoint))
        except UnknownDestination as error:
            self._last = (404, str(error))
        self._timer = asyncio.get_running_loop().call_later(self._origination.timeout_seconds, self._no_answer)
        self._try_next()

    def stop(self) -> None:
        """Give it up."""
        self._observer = None
        self._give_up_leg()
        self._stop_timer()

    # ---- one place after the other ----

    def _try_next(self) -> None:
        while self._targets:
            if self._invite(self._targets.popleft()):
                return
        self._refused(*self._last)

    def _invite(self, target: Target) -> bool:
        cli = escape_user(target.from_user or self._origination.cli or "anonymous")
        host = f"[{target.from_host}]" if ":" in target.from_host else target.from_host
        try:
            leg = self._endpoint.invite(
                target.uri,
                from_=f"<sip:{cli}@{host}>" if host else "",
                from_user=cli,
                media=self._open_media,
                credentials=target.credentials,
                proxy=target.proxy,
            )
        except (MalformedMessage, LocalError) as error:
            self._drop_media()
            self._last = (400, str(error))
            return False
        leg.driver = self
        self._leg = leg
        self._target = target
        self._redirects.called(target)
        return True

    def _open_media(self, local: Address) -> LocalMedia | None:
        """Have audio in the network of the server that is called; None where no port is left there."""
        where = self._endpoint.media_address(local)
        self._drop_media()
        try:
            self._media = self._engine.open(where.bound)
        except NoFreePort:
            return None
        self._media.observer = self
        self._media_host = where.shown
        return LocalMedia(host=where.shown, port=self._media.port, codecs=self._settings.user_agent.codecs)

    def _no_answer(self) -> None:
        # Not waited for: of a leg that never said anything the outcome of a CANCEL is half a minute away.
        self._give_up_leg()
        self._refused(NO_ANSWER, "no answer")

    # ---- what the leg does ----

    def session_event(self, event: SessionEvent) -> None:
        """Something happened to the leg's SIP session."""
        if event.session is not self._leg:
            return
        if isinstance(event, MediaChanged):
            if self._media is not None:
                self._media.start(event.media)
        elif isinstance(event, SessionProgressed):
            if self._observer is not None:
                self._observer.ringing()
        elif isinstance(event, SessionAnswered):
            self._answered()
        elif isinstance(event, SessionEnded):
            self._ended(event)

    def _ended(self, event: SessionEnded) -> None:
        self._leg = None
        self._drop_media()
        self._last = (event.status, event.reason)
        if self._target is not None:
            self._targets.extendleft(reversed(self._redirects.follow(self._target, event.status, event.contacts)))
        self._try_next()

    def _answered(self) -> None:
        self._stop_timer()
        leg, self._leg = self._leg, None
        media, self._media = self._media, None
        observer, self._observer = self._observer, None
        if leg is None or observer is None:
            return
        if media is None:
            # It could not have been offered anything.
            leg.bye()
            observer.refused(UNAVAILABLE, "no media")
            return
        call = SipCall(
            leg, media, self._engine, self._endpoint, self._settings, self._offer(), media_host=self._media_host
        )
        leg.driver = call
        media.count_silence()
        call.take(observer.answered(call))

    def _offer(self) -> CallOffer:
        origination = self._origination
        return CallOffer(
            id=origination.id,
            driver="sip",
            # Of a call to be driven whoever is at its end is the caller: here it is who was called.
            from_user=origination.destination.rpartition("/")[2],
            to_user=origination.cli,
            customer=origination.customer,
        )

    # ---- the end ----

    def _refused(self, code: int, reason: str) -> None:
        self._stop_timer()
        self._targets.clear()
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.refused(code, reason)

    def _give_up_leg(self) -> None:
        """Cancel it: what it says from now on is nobody's business, and it ends by itself."""
        leg, self._leg = self._leg, None
        self._targets.clear()
        self._drop_media()
        if leg is not None:
            leg.cancel()

    def _drop_media(self) -> None:
        media, self._media = self._media, None
        if media is not None:
            media.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ---- media of the leg before its answer ----

    def digit_pressed(self, event: DigitPressed) -> None:
        """Nobody hears it yet."""

    def recording_finished(self, event: RecordingFinished) -> None:
        """Nothing is recorded yet."""

    def media_timed_out(self, seconds: float) -> None:
        """Who has not answered may be silent."""
