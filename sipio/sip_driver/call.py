"""One call of the SIP driver: its SIP session, its media and what is being done on it."""

from typing import Final, assert_never

from sipio.call_control import (
    ActionResult,
    Answer,
    BlockDtmf,
    Bridge,
    CallAction,
    CallEvent,
    CallObserver,
    CallOffer,
    Collect,
    DigitPressed,
    Done,
    Echo,
    Failed,
    Hangup,
    HangupBy,
    HungUp,
    HungUpDuring,
    PendingAction,
    Play,
    Record,
    RecordingFinished,
    Stopped,
)
from sipio.causes import cause_of, status_of
from sipio.errors import LocalError
from sipio.media.engine import MediaEngine
from sipio.media.session import MediaSession
from sipio.sip.endpoint import SipEndpoint
from sipio.sip.events import DigitReceived, EndedBy, MediaChanged, SessionConfirmed, SessionEnded, SessionEvent
from sipio.sip.incoming import IncomingSession
from sipio.sip.media_description import LocalMedia
from sipio.sip.outgoing import OutgoingSession
from sipio.sip_driver.bridge import BridgeUnderWay
from sipio.sip_driver.caller_leg import Completed
from sipio.sip_driver.settings import SipDriverSettings

NORMAL_CLEARING: Final = 16


class _Complete:
    """An action that was complete as soon as it was performed."""

    def stop(self) -> None:
        """The action is complete, so nothing is left to stop."""


class _Confirmation:
    """An answer that waits for its ACK."""

    def __init__(self, done: Completed) -> None:
        self._done: Completed | None = done

    def stop(self) -> None:
        """A 200 cannot be taken back; whoever asked just does not wait any longer."""
        self.end(Stopped())

    def end(self, result: ActionResult) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(result)


_COMPLETE: Final = _Complete()


class SipCall:
    """A `CallControl`, and the observer of its media."""

    def __init__(
        self,
        session: IncomingSession | OutgoingSession,
        media: MediaSession,
        engine: MediaEngine,
        endpoint: SipEndpoint,
        settings: SipDriverSettings,
        offer: CallOffer,
        *,
        media_host: str,
    ) -> None:
        """``media_host`` is the address of ``media`` as SDP is to have it. An outgoing session has been
        answered."""
        self.session = session
        self._incoming = None if isinstance(session, OutgoingSession) else session
        self.media = media
        self.engine = engine
        self.endpoint = endpoint
        self.settings = settings
        self._offer = offer
        self._media_host = media_host
        self._observer: CallObserver | None = None
        self._early: list[CallEvent] = []
        self._ended = False
        self._confirmations: list[_Confirmation] = []
        self._confirmed = self._incoming is None
        self._bridge: BridgeUnderWay | None = None
        self._has_early_media = False
        self._ended_because = ""
        self._sent_cause = 0
        media.observer = self

    # ---- the contract ----

    @property
    def offer(self) -> CallOffer:
        """What the handler was offered."""
        return self._offer

    @property
    def ended(self) -> bool:
        """Whether HungUp has been told."""
        return self._ended

    def set_variable(self, name: str, value: str) -> None:
        """SIP has no variables."""

    def perform(self, action: CallAction, done: Completed) -> PendingAction:
        """Begin an action; see `sipio.call_control.CallControl`."""
        if self._ended:
            done(HungUpDuring())
            return _COMPLETE
        try:
            return self._perform(action, done)
        except LocalError as error:
            # A header that cannot be sent, a file that cannot be made.
            done(Failed(str(error)))
            return _COMPLETE

    def _perform(self, action: CallAction, done: Completed) -> PendingAction:
        match action:
            case Answer():
                return self._answer(action, done)
            case Play():
                self.open_media()
                return self.media.play(action.media, done)
            case Echo():
                self.open_media()
                return self.media.echo(action.delay_ms, done)
            case Collect():
                self.open_media()
                return self.media.collect(action, done)
            case Bridge():
                bridge = self._bridge = BridgeUnderWay(self, action, done)
                bridge.begin()
                return bridge
            case Record():
                self.media.record(action.name, action.path, stereo=action.stereo)
            case BlockDtmf():
                self.media.block_digits(action.digits)
            case Hangup():
                self._hang_up(action)
            case _:
                assert_never(action)
        done(Done())
        return _COMPLETE

    # ---- taken or refused ----

    def take(self, observer: CallObserver) -> None:
        """Somebody drives this call: it rings, if nothing has been done on it yet."""
        self._observer = observer
        early, self._early = self._early, []
        for event in early:
            observer.event(event)
        if not self._has_early_media:
            self.ring()

    def refuse(self, answer: Hangup) -> None:
        """Refuse the call as the handler says, which gave nobody to drive it."""
        self._hang_up(answer)

    # ---- signalling ----

    def local_media(self) -> LocalMedia:
        """Our side of the audio."""
        return LocalMedia(host=self._media_host, port=self.media.port, codecs=self.settings.user_agent.codecs)

    @property
    def max_forwards(self) -> str | None:
        """The header that the call came with."""
        return self._incoming.request.get("max-forwards") if self._incoming is not None else None

    def ring(self) -> None:
        """Let the caller know that it rings, before the answer."""
        if self._incoming is not None and not self._ended and not self.session.answered:
            self._incoming.ring()

    def open_media(self) -> None:
        """Let the caller hear us before the answer."""
        if self._incoming is not None and not self.session.answered and not self._has_early_media:
            self._has_early_media = True
            self._incoming.progress(self.local_media())
            if self.session.media is None:
                # An INVITE without an offer: nothing can be heard before the answer, and the script must not hang.
                self.media.run()

    def accept(self, headers: list[tuple[str, str]] | None = None) -> None:
        """Answer, unless that was done."""
        if self._incoming is not None and not self.session.answered:
            self._incoming.accept(self.local_media(), headers)
            self.media.count_silence()

    def _answer(self, action: Answer, done: Completed) -> PendingAction:
        if self._confirmed:
            done(Done())
            return _COMPLETE
        confirmation = _Confirmation(done)
        self._confirmations.append(confirmation)
        self.accept(action.headers)
        return confirmation

    def _hang_up(self, action: Hangup) -> None:
        cause = self._sent_cause = action.cause or NORMAL_CLEARING
        reason = ("Reason", f"Q.850;cause={cause}")
        if self._incoming is None or self.session.answered:
            self.session.bye([reason, *action.headers])
        else:
            code = action.code or status_of(cause)
            self._incoming.reject(code, action.reason, [reason, *action.headers])

    def session_event(self, event: SessionEvent) -> None:
        """Something happened to the SIP session."""
        if isinstance(event, MediaChanged):
            self.media.start(event.media)
        elif isinstance(event, SessionConfirmed):
            self._confirmed = True
            confirmations, self._confirmations = self._confirmations, []
            for confirmation in confirmations:
                confirmation.end(Done())
        elif isinstance(event, DigitReceived):
            self.media.digit(event.digit, event.duration_ms)
        elif isinstance(event, SessionEnded):
            self._session_ended(event)

    def _session_ended(self, event: SessionEnded) -> None:
        self._ended = True
        confirmations, self._confirmations = self._confirmations, []
        for confirmation in confirmations:
            failed = event.by is EndedBy.SYSTEM
            confirmation.end(Failed(event.reason) if failed else HungUpDuring())
        bridge, self._bridge = self._bridge, None
        if bridge is not None:
            bridge.caller_gone()
        self.media.close()
        by = {EndedBy.PEER: HangupBy.CALLER, EndedBy.US: HangupBy.SCRIPT, EndedBy.SYSTEM: HangupBy.SYSTEM}[event.by]
        reason = event.reason
        if event.by is EndedBy.US and not self._sent_cause:
            # The whole driver is being closed.
            by = HangupBy.SYSTEM
        if self._ended_because:
            by, reason = HangupBy.SYSTEM, self._ended_because
        cause = event.cause or self._sent_cause or (cause_of(event.status) if event.status else NORMAL_CLEARING)
        self.tell(HungUp(by=by, code=event.status, cause=cause, reason=reason, headers=list(event.headers)))

    def bridge_over(self, bridge: PendingAction) -> None:
        """The other leg is gone."""
        if self._bridge is bridge:
            self._bridge = None

    def tell(self, event: CallEvent) -> None:
        """Pass on what happened, on this leg or the other, now or once somebody drives the call."""
        if self._observer is not None:
            self._observer.event(event)
        else:
            self._early.append(event)

    # ---- media ----

    def digit_pressed(self, event: DigitPressed) -> None:
        """The caller pressed a digit."""
        self.tell(event)

    def recording_finished(self, event: RecordingFinished) -> None:
        """A recording is complete; it may come after the call's end."""
        self.tell(event)

    def media_timed_out(self, seconds: float) -> None:
        """The caller is gone without a word: the call is dead. Before the answer it may well be silent."""
        if not self.session.answered or self.media.lives(self.session.heard_at):
            return
        self._ended_because = "media timeout"
        self._hang_up(Hangup(cause=41, reason=f"no media for {seconds:.0f} s"))
