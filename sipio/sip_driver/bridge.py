"""One bridge: the other legs tried in order, the one that answered joined to the caller's, and what became of it."""

import asyncio
from collections import deque
from typing import Final

from sipio.call_control import (
    ActionResult,
    Bridge,
    Bridged,
    BridgeStatus,
    DigitPressed,
    Done,
    HungUpDuring,
    LegEvent,
    PendingAction,
    RecordingFinished,
    Stopped,
)
from sipio.causes import bridge_status
from sipio.errors import LocalError, MalformedMessage
from sipio.media.errors import NoFreePort
from sipio.media.relay import Relay
from sipio.media.session import MediaSession
from sipio.sip.address import Address
from sipio.sip.events import (
    DigitReceived,
    EndedBy,
    MediaChanged,
    SessionAnswered,
    SessionEnded,
    SessionEvent,
    SessionProgressed,
)
from sipio.sip.media_description import LocalMedia
from sipio.sip.outgoing import OutgoingSession
from sipio.sip.uri import escape_user
from sipio.sip_driver.caller_leg import CallerLeg, Completed
from sipio.sip_driver.destinations import Target, UnknownDestination, resolve
from sipio.sip_driver.redirects import Redirects

MAX_FORWARDS: Final = 70
"""RFC 3261 clause 8.1.1.6 recommends this value."""
CANCELLED: Final = 487
"""What a leg that was given up says, or would in half a minute."""


class BridgeUnderWay:
    """A `PendingAction`, and the driver and media observer of the other leg."""

    def __init__(self, caller: CallerLeg, action: Bridge, done: Completed) -> None:
        self._caller = caller
        self._action = action
        self._done: Completed | None = done
        self._loop = asyncio.get_running_loop()
        self._waiting = deque(action.destinations)
        self._targets: deque[Target] = deque()
        self._target: Target | None = None
        self._redirects = Redirects()
        self._destination = ""
        self._leg: OutgoingSession | None = None
        self._media: MediaSession | None = None
        self._relay: Relay | None = None
        self._ringback: PendingAction | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._answered_at: float | None = None
        self._is_silent = False
        """The other party is hung up for saying nothing any more."""
        """When the other leg was connected; None while none is."""
        self._last = Bridged(status=BridgeStatus.FAILED)

    # ---- trying ----

    def begin(self) -> None:
        """Call the first destination."""
        if self._action.ringback:
            self._play_ringback()
        self._try_next()

    def _try_next(self) -> None:
        while self._targets or self._waiting:
            if not self._targets:
                self._destination = self._waiting.popleft()
                try:
                    self._targets.extend(resolve(self._destination, self._caller.settings, self._caller.endpoint))
                except UnknownDestination as error:
                    self._failed(404, str(error))
                    continue
            if self._invite(self._targets.popleft()):
                return
        self._finish(Done(self._last))

    def _invite(self, target: Target) -> bool:
        caller = self._caller
        action = self._action
        cli = escape_user(target.from_user or action.cli or caller.offer.from_user or "anonymous")
        host = f"[{target.from_host}]" if ":" in target.from_host else target.from_host
        try:
            leg = caller.endpoint.invite(
                target.uri,
                from_=f"<sip:{cli}@{host}>" if host else "",
                from_user=cli,
                media=self._open_media,
                headers=action.headers,
                credentials=target.credentials,
                proxy=target.proxy,
                max_forwards=_hops_left(caller.max_forwards),
            )
        except (MalformedMessage, LocalError) as error:
            self._drop_media()
            self._failed(400, str(error))
            return False
        leg.driver = self
        self._leg = leg
        self._target = target
        self._redirects.called(target)
        self._timer = self._loop.call_later(action.timeout_seconds, self._no_answer)
        return True

    def _open_media(self, local: Address) -> LocalMedia | None:
        """Have audio in the network of the server that is called; None where no port is left there."""
        caller = self._caller
        where = caller.endpoint.media_address(local)
        self._drop_media()
        try:
            self._media = caller.engine.open(where.bound)
        except NoFreePort:
            return None
        self._media.observer = self
        return LocalMedia(host=where.shown, port=self._media.port, codecs=caller.settings.user_agent.codecs)

    def _failed(self, code: int, reason: str) -> None:
        status = bridge_status(code)
        self._last = Bridged(status=status, destination=self._destination, code=code, reason=reason)
        self._caller.tell(LegEvent(destination=self._destination, what="ended", code=code))

    def _no_answer(self) -> None:
        # Not waited for: of a leg that never said anything the outcome of a CANCEL is half a minute away.
        self._give_up_leg(0)
        self._failed(408, "no answer")
        self._try_next()

    # ---- what the other leg does ----

    def session_event(self, event: SessionEvent) -> None:
        """Something happened to the other leg's SIP session."""
        if event.session is not self._leg:
            return
        if isinstance(event, MediaChanged):
            self._media_agreed(event)
        elif isinstance(event, SessionProgressed):
            self._progressed(event)
        elif isinstance(event, SessionAnswered):
            self._answered()
        elif isinstance(event, DigitReceived):
            if self._media is not None:
                self._media.digit(event.digit, event.duration_ms)
        elif isinstance(event, SessionEnded):
            self._leg_ended(event)

    def _media_agreed(self, event: MediaChanged) -> None:
        if self._media is None:
            return
        self._media.start(event.media)
        if event.early and self._relay is None and not self._action.ringback:
            # Early media: the caller hears what the other side's network says.
            self._caller.open_media()
            self._join()

    def _progressed(self, event: SessionProgressed) -> None:
        self._caller.tell(LegEvent(destination=self._destination, what="ringing", code=event.status))
        if self._relay is None and self._ringback is None:
            if self._caller.session.answered:
                self._ringback = self._caller.media.play_ringback()
            else:
                self._caller.ring()

    def _answered(self) -> None:
        self._stop_timer()
        if self._media is not None:
            self._media.count_silence()
        self._answered_at = self._loop.time()
        self._caller.tell(LegEvent(destination=self._destination, what="answered", code=200))
        self._stop_ringback()
        self._caller.accept()
        if self._relay is None:
            self._join()

    def _join(self) -> None:
        if self._media is not None:
            self._stop_ringback()
            self._relay = self._caller.engine.bridge(self._caller.media, self._media)

    def _leg_ended(self, event: SessionEnded) -> None:
        self._stop_timer()
        self._leg = None
        self._drop_media()
        if self._answered_at is not None:
            seconds = round(self._loop.time() - self._answered_at, 3)
            self._caller.tell(LegEvent(destination=self._destination, what="ended"))
            self._finish(
                Done(
                    Bridged(
                        status=BridgeStatus.COMPLETED,
                        destination=self._destination,
                        code=200,
                        reason="media timeout" if self._is_silent else event.reason,
                        seconds=seconds,
                        hangup_by="callee" if event.by is EndedBy.PEER else "system",
                    )
                )
            )
        else:
            self._failed(event.status, event.reason)
            if self._target is not None:
                # Before whatever else this destination and the next ones mean.
                self._targets.extendleft(reversed(self._redirects.follow(self._target, event.status, event.contacts)))
            self._try_next()

    # ---- what ends it ----

    def stop(self) -> None:
        """Give it up: an unanswered leg is cancelled, an answered one hung up."""
        self._give_up_leg()
        self._finish(Stopped())

    def caller_gone(self) -> None:
        """The caller hung up."""
        self._give_up_leg()
        self._finish(HungUpDuring())

    def _give_up_leg(self, status: int = CANCELLED) -> None:
        """Hang up or cancel it; ``status`` is told of one that was not answered, 0 for nothing. What it says from now
        on is nobody's business: it ends by itself."""
        self._stop_timer()
        leg, self._leg = self._leg, None
        self._drop_media()
        if leg is None:
            return
        if leg.answered:
            leg.bye()
            self._caller.tell(LegEvent(destination=self._destination, what="ended"))
        else:
            leg.cancel()
            if status:
                self._caller.tell(LegEvent(destination=self._destination, what="ended", code=status))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _finish(self, result: ActionResult) -> None:
        self._stop_ringback()
        self._drop_media()
        self._caller.bridge_over(self)
        done, self._done = self._done, None
        if done is not None:
            done(result)

    def _drop_media(self) -> None:
        relay, self._relay = self._relay, None
        if relay is not None:
            relay.close()
        media, self._media = self._media, None
        if media is not None:
            media.close()

    # ---- what the caller hears meanwhile ----

    def _play_ringback(self) -> None:
        self._caller.open_media()
        self._ringback = self._caller.media.play(self._action.ringback, lambda _result: None, repeat=True)

    def _stop_ringback(self) -> None:
        ringback, self._ringback = self._ringback, None
        if ringback is not None:
            ringback.stop()

    # ---- media of the other leg ----

    def digit_pressed(self, event: DigitPressed) -> None:
        """The other party's digits go to the caller by the relay, and nowhere else."""

    def recording_finished(self, event: RecordingFinished) -> None:
        """Recordings are of the caller's leg."""

    def media_timed_out(self, seconds: float) -> None:  # noqa: ARG002 - the observer's signature
        """The other party is gone without a word."""
        if self._leg is None or not self._leg.answered or self._media is None:
            return
        if not self._media.lives(self._leg.heard_at):
            self._is_silent = True
            self._leg.bye()


def _hops_left(value: str | None) -> int:
    """Max-Forwards of the other leg, one less than the call came with: a script that bridges to itself ends."""
    hops = int(value) if value is not None and value.isascii() and value.isdigit() and len(value) <= 3 else MAX_FORWARDS
    return max(0, min(hops, MAX_FORWARDS) - 1)
