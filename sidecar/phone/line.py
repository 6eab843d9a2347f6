"""One call on the phone. A driver of calls as the others are, with a person or a scenario at its other end."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Final, assert_never

from sidecar.phone.clock import Clock
from sidecar.phone.keys import PartyAction
from sidecar.phone.line_action import LineAction
from sidecar.phone.transcript import Transcript
from sidecar.phone.voice import Voice
from sipio.call_control import (
    ActionResult,
    Answer,
    BlockDtmf,
    Bridge,
    Bridged,
    BridgeStatus,
    CallAction,
    CallEvent,
    CallObserver,
    CallOffer,
    Collect,
    DigitPressed,
    Digits,
    Done,
    Echo,
    Failed,
    Hangup,
    HangupBy,
    HungUp,
    HungUpDuring,
    LegEvent,
    Media,
    MediaFile,
    MediaText,
    MediaUrl,
    PendingAction,
    Play,
    Record,
    RecordingFinished,
    Stopped,
)
from sipio.causes import status_of
from sipio.digit_entry import Again, DigitEntry
from sipio.reasons import reason_phrase

DIGIT_MILLISECONDS: Final = 100

_ENDINGS: Final = {
    PartyAction.BUSY: (BridgeStatus.BUSY, 486, "Busy Here"),
    PartyAction.NO_ANSWER: (BridgeStatus.NO_ANSWER, 480, "Temporarily Unavailable"),
    PartyAction.FAIL: (BridgeStatus.FAILED, 503, "Service Unavailable"),
}
_PARTY_WORDS: Final = {
    PartyAction.BUSY: "is busy",
    PartyAction.NO_ANSWER: "does not answer",
    PartyAction.FAIL: "cannot be reached",
}


class Busy(StrEnum):
    """What the line is occupied with, apart from playing."""

    NOTHING = "nothing"
    PLAYING = "playing"
    COLLECTING = "collecting"
    ECHOING = "echoing"
    RINGING = "ringing"
    """The other party of a bridge is being called."""
    BRIDGED = "bridged"


class PhoneLine:
    """A `sipio.call_control.CallControl`, and what the person at the phone does."""

    def __init__(
        self, offer: CallOffer, clock: Clock, voice: Voice, transcript: Transcript, *, files_must_be_there: bool
    ) -> None:
        self._offer = offer
        self._clock = clock
        self._voice = voice
        self._transcript = transcript
        self._files_must_be_there = files_must_be_there
        self._loop = asyncio.get_running_loop()
        self._observer: CallObserver | None = None
        self._ended = False
        self._answered = False
        self._media: LineAction | None = None
        self._bridge: LineAction | None = None
        self._blocked: str | None = None
        self._recordings: list[tuple[Record, float]] = []
        self.performed = 0
        """Actions so far."""
        self.beginning = 0
        """Those of them that begin with the loop's next turn."""

    @property
    def offer(self) -> CallOffer:
        """The call as it came."""
        return self._offer

    @property
    def ended(self) -> bool:
        """Whether HungUp has been told."""
        return self._ended

    @property
    def busy(self) -> Busy:
        """What the line is occupied with."""
        if self._bridge is not None:
            return Busy.RINGING if self._bridge.began is None else Busy.BRIDGED
        if self._media is None:
            return Busy.NOTHING
        if isinstance(self._media.action, Collect):
            return Busy.COLLECTING
        return Busy.ECHOING if isinstance(self._media.action, Echo) else Busy.PLAYING

    @property
    def prompted(self) -> bool:
        """Whether digits are collected and the prompt has been heard to its end."""
        return self._media is not None and self._media.timer is not None

    def begin(self, observer: CallObserver) -> None:
        """The call was taken."""
        self._observer = observer

    # ---- what the script does ----

    def perform(self, action: CallAction, done: Callable[[ActionResult], None]) -> PendingAction:
        """Do what a script asks for. Nothing is complete before this returns, so that a thousand actions that take
        no time do not stand on each other's shoulders."""
        pending = LineAction(action, done, self.stop)
        self.performed += 1
        self.beginning += 1
        self._loop.call_soon(self._begin, pending)
        return pending

    def set_variable(self, name: str, value: str) -> None:
        """Name it; a phone has no variables."""
        self._script("sets", f"{name} = {value}")

    def stop(self, pending: LineAction) -> None:
        """End an action early."""
        if pending is self._media:
            self._media = None
        elif pending is self._bridge:
            self._bridge = None
        pending.complete(Stopped())

    def _begin(self, pending: LineAction) -> None:
        self.beginning -= 1
        action = pending.action
        if pending.over:
            return
        if self._ended:
            pending.complete(HungUpDuring())
            return
        if isinstance(action, Play | Echo | Collect):
            if self._media is not None:
                self._media.stop()
            self._media = pending
        match action:
            case Answer():
                self._answered = True
                self._script("answers", _headers(action.headers))
                pending.complete(Done())
            case Play():
                self._play(pending, action.media, lambda: self._media_done(pending, Done()))
            case Echo():
                self._script("echoes", f"after {action.delay_ms} ms" if action.delay_ms else "")
            case Collect():
                pending.collector = DigitEntry(action)
                if action.typed_ahead:
                    self._transcript.add("phone", "had been typed", action.typed_ahead)
                    self._judged(pending, action, pending.collector.begin())
                else:
                    self._prompt(pending, action, action.prompt)
            case Bridge():
                self._bridge = pending
                self._call_party(pending, action)
            case Hangup():
                self._hangup(pending, action)
            case Record():
                self._recordings.append((action, self._clock.now))
                self._script("records", f"{action.name}{', a leg a side' if action.stereo else ''}")
                pending.complete(Done())
            case BlockDtmf():
                self._blocked = action.digits
                self._script("blocks", action.digits or "all keys")
                pending.complete(Done())
            case _:
                assert_never(action)

    def _play(self, pending: LineAction, media: list[Media], then: Callable[[], None]) -> None:
        if not media:
            pending.sound = self._clock.call_later(0.0, then)
            return
        first = media[0]
        if isinstance(first, MediaFile) and self._files_must_be_there and not first.path.is_file():
            self._script("plays", f"{first.name}: there is no {first.path}")
            self._media_done(pending, Failed(f"there is no {first.name}"))
            return
        what, text = _media_in_words(first)
        self._script(what, text)
        pending.sound = self._voice.sound(first, lambda: self._play_rest(pending, media[1:], then))

    def _play_rest(self, pending: LineAction, media: list[Media], then: Callable[[], None]) -> None:
        if pending is self._media:
            if media:
                self._play(pending, media, then)
            else:
                pending.sound = None
                then()

    def _media_done(self, pending: LineAction, result: ActionResult) -> None:
        if pending is self._media:
            self._media = None
            pending.complete(result)

    def _prompt(self, pending: LineAction, action: Collect, prompt: list[Media]) -> None:
        self._play(pending, prompt, lambda: self._await_digit(pending, action))

    def _await_digit(self, pending: LineAction, action: Collect) -> None:
        pending.silence()
        pending.timer = self._clock.call_later(action.timeout_seconds, lambda: self._collected(pending, None))

    def _collected(self, pending: LineAction, digit: str | None) -> None:
        action, collector = pending.action, pending.collector
        if pending is not self._media or collector is None or not isinstance(action, Collect):
            return
        pending.silence()
        if digit is None:
            self._transcript.add("phone", "hears no key", f"for {action.timeout_seconds:g} s")
        self._judged(pending, action, collector.expired() if digit is None else collector.digit(digit))

    def _judged(self, pending: LineAction, action: Collect, judged: Digits | Again | None) -> None:
        if judged is None:
            self._await_digit(pending, action)
        elif isinstance(judged, Again):
            self._prompt(pending, action, [*action.invalid_prompt, *action.prompt])
        else:
            self._transcript.add("phone", "collects", f"{judged.status.value} {judged.value}".strip())
            self._media_done(pending, Done(judged))

    def _hangup(self, pending: LineAction, action: Hangup) -> None:
        code = 0 if self._answered else action.code or status_of(action.cause)
        text = f"{code} {action.reason or reason_phrase(code)}" if code else ""
        self._script("hangs up", f"{text} cause {action.cause} {_headers(action.headers)}".strip())
        pending.complete(Done())
        self._end(HungUp(by=HangupBy.SCRIPT, code=code, cause=action.cause, reason=action.reason if code else ""))

    # ---- what the caller does ----

    def press(self, digit: str) -> None:
        """The caller presses a key."""
        if self._ended:
            return
        blocked = self._blocked is not None and (not self._blocked or digit in self._blocked)
        self._transcript.add("caller", "presses", f"{digit}{' (blocked)' if blocked else ''}")
        if blocked:
            return
        self._tell(DigitPressed(digit=digit, duration_ms=DIGIT_MILLISECONDS))
        if self._media is not None:
            self._collected(self._media, digit)

    def hang_up(self) -> None:
        """The caller hangs up."""
        if self._ended:
            return
        self._transcript.add("caller", "hangs up")
        bridge = self._bridge
        if bridge is not None and isinstance(bridge.action, Bridge):
            self._leg(bridge, "ended")
            self._bridge = None
            self._end(HungUp(by=HangupBy.CALLER, reason="BYE"), bridge)
            return
        self._end(HungUp(by=HangupBy.CALLER, reason="BYE" if self._answered else "CANCEL"))

    # ---- what the other party does ----

    def _call_party(self, pending: LineAction, action: Bridge) -> None:
        destination = action.destinations[pending.destination]
        self._script("bridges", f"{destination} {_headers(action.headers)}".strip())
        self._leg(pending, "ringing", 180)
        if action.ringback and not pending.destination:
            heard = ", ".join(_media_in_words(one)[1] for one in action.ringback)
            self._script("plays", f"{heard}, over and over until somebody answers")
        pending.timer = self._clock.call_later(action.timeout_seconds, lambda: self.party(PartyAction.NO_ANSWER))

    def party(self, does: PartyAction) -> None:
        """The other party does something; nothing where nobody is being called."""
        pending = self._bridge
        if pending is None or not isinstance(pending.action, Bridge):
            return
        if does is PartyAction.END:
            if pending.began is not None:
                self._transcript.add("party", "hangs up")
                self._party_ended(pending, pending.action, pending.began)
        elif pending.began is not None:
            return
        elif does is PartyAction.ANSWER:
            pending.silence()
            pending.began = self._clock.now
            # Who is connected is answered, whether the script had done so or not.
            self._answered = True
            self._transcript.add("party", "answers", pending.action.destinations[pending.destination])
            self._leg(pending, "answered", 200)
        else:
            self._party_failed(pending, pending.action, does)

    def _party_ended(self, pending: LineAction, action: Bridge, answered_at: float) -> None:
        self._leg(pending, "ended")
        self._bridge = None
        seconds = round(self._clock.now - answered_at, 3)
        pending.complete(
            Done(
                Bridged(
                    status=BridgeStatus.COMPLETED,
                    destination=action.destinations[pending.destination],
                    code=200,
                    reason="OK",
                    seconds=seconds,
                    hangup_by="callee",
                )
            )
        )

    def _party_failed(self, pending: LineAction, action: Bridge, does: PartyAction) -> None:
        status, code, reason = _ENDINGS[does]
        destination = action.destinations[pending.destination]
        self._transcript.add("party", _PARTY_WORDS[does], destination)
        self._leg(pending, "ended", code)
        pending.silence()
        if pending.destination + 1 < len(action.destinations):
            pending.destination += 1
            self._call_party(pending, action)
            return
        self._bridge = None
        pending.complete(Done(Bridged(status=status, destination=destination, code=code, reason=reason)))

    # ---- the rest ----

    def _leg(self, pending: LineAction, what: str, code: int = 0) -> None:
        if isinstance(pending.action, Bridge):
            destination = pending.action.destinations[pending.destination]
            self._tell(LegEvent(destination=destination, what=what, code=code))

    def _end(self, hung_up: HungUp, bridge: LineAction | None = None) -> None:
        self._ended = True
        media, self._media = self._media, None
        other, self._bridge = bridge or self._bridge, None
        self._tell(hung_up)
        for pending in (media, other):
            if pending is not None:
                pending.complete(HungUpDuring())
        for record, began in self._recordings:
            seconds = round(self._clock.now - began, 3)
            self._tell(RecordingFinished(name=record.name, path=record.path, seconds=seconds))

    def _tell(self, event: CallEvent) -> None:
        if self._observer is not None:
            self._observer.event(event)

    def _script(self, what: str, text: str = "") -> None:
        self._transcript.add("script", what, text)


def _headers(headers: list[tuple[str, str]]) -> str:
    return "".join(f"[{name}: {value}]" for name, value in headers)


def _media_in_words(media: Media) -> tuple[str, str]:
    match media:
        case MediaText(text):
            return "says", text
        case MediaFile(name):
            return "plays", name
        case MediaUrl(url):
            return "plays", url
